"""A small HTTP client for the model server behind the emulator: one connection a request, on loopback."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

import h11

from completions_cli.emulator.call import Document
from completions_cli.emulator.engines import ModelError

_READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the model server listens, and its key. `url` is its root, without a path."""

    url: str
    key: str

    async def post(self, path: str, document: Document) -> Document:
        """Send a document and read the answer. Raises ModelError."""
        async with aclosing(self._exchange(path, document)) as parts:
            return cast("Document", json.loads(b"".join([part async for part in parts])))

    async def events(self, path: str, document: Document) -> AsyncGenerator[Document, None]:
        """Send a document and read a stream of events until `[DONE]`. Raises ModelError."""
        async with aclosing(self._exchange(path, document)) as parts:
            held = b""
            async for part in parts:
                *blocks, held = (held + part).split(b"\n\n")
                for block in blocks:
                    data = block.removeprefix(b"data: ")
                    if data == b"[DONE]":
                        return
                    found = json.loads(data)
                    if not isinstance(found, dict):  # it says null between prompts
                        continue
                    if "error" in found:
                        raise _refusal(500, data)
                    yield found

    async def _exchange(self, path: str, document: Document) -> AsyncGenerator[bytes, None]:
        async with self._connected() as (reader, writer):
            connection = h11.Connection(h11.CLIENT)
            writer.write(self._request(connection, path, json.dumps(document).encode()))
            response = await _next(connection, reader)
            if not isinstance(response, h11.Response):
                raise ModelError(502, "the model server gave no answer")
            body = _body(connection, reader)
            if response.status_code != HTTPStatus.OK:
                raise _refusal(response.status_code, b"".join([part async for part in body]))
            async for part in body:
                yield part

    def _request(self, connection: h11.Connection, path: str, body: bytes) -> bytes:
        headers = {
            "host": urlsplit(self.url).netloc,
            "authorization": f"Bearer {self.key}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
        }
        request = h11.Request(method="POST", target=path, headers=list(headers.items()))
        parts = (connection.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage()))
        return b"".join(part for part in parts if part)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        address = urlsplit(self.url)
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError as error:
            raise ModelError(502, "the model server is gone") from error
        try:
            yield reader, writer
        except (OSError, h11.RemoteProtocolError) as error:
            raise ModelError(502, "the model server broke off") from error
        finally:
            # At once: when the client has left, the model must stop generating for it.
            writer.transport.abort()


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(_READ_BYTES))
    return event


async def _body(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    while isinstance(event := await _next(connection, reader), h11.Data):
        yield bytes(event.data)


def _refusal(status: int, body: bytes) -> ModelError:
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = body.decode("utf-8", "replace")
    return ModelError(status, str(message))
