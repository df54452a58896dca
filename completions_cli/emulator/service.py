"""The emulated service as ASGI endpoints: each request read, answered, logged and sent."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import cast
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from completions_cli.emulator import openapi
from completions_cli.emulator.answering import Answering
from completions_cli.emulator.behaviours import Behaviour, Head
from completions_cli.emulator.call import Document
from completions_cli.emulator.channel import Channel
from completions_cli.emulator.config import BehaviourName
from completions_cli.emulator.faults.plan import Strikes
from completions_cli.emulator.log import LogEntry, RequestLog
from completions_cli.emulator.reply import AnyReply, RefusalError, Reply

_CREATED = 1_700_000_000  # Unix time, of all models
_Answer = Callable[[Head, bytes, LogEntry, Strikes], Coroutine[None, None, AnyReply]]


class Service:
    """Its endpoints are `completions`, `models`, `health`, `describe` and `elsewhere`.

    `watches` says to look out for clients that leave while their answer is being made.
    """

    def __init__(
        self, name: BehaviourName, behaviour: Behaviour, answering: Answering, log: RequestLog, *, watches: bool
    ) -> None:
        self._name = name
        self._behaviour = behaviour
        self._answering = answering
        self._log = log
        self._watches = watches
        self._running: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End every exchange that is still open."""
        for task in self._running:
            task.cancel()

    async def completions(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the completions route."""
        await self._exchange(scope, receive, send, self._answering.answer)

    async def describe(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the OpenAPI document."""
        await self._exchange(scope, receive, send, self._description)

    async def models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the list of models."""
        await self._exchange(scope, receive, send, self._models)

    async def health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer anybody that the server is there."""
        await self._exchange(scope, receive, send, self._health)

    async def elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve every path that the behaviour does not know."""
        await self._exchange(scope, receive, send, self._no_route)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send, answer: _Answer) -> None:
        channel = Channel(scope, receive, send)
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._running.add(task)
        try:
            body = await channel.body()
            if body is not None:
                await self._answer(_head(scope), body, channel, answer)
        except asyncio.CancelledError:
            await channel.reset()
        finally:
            self._running.discard(task)

    async def _answer(self, head: Head, body: bytes, channel: Channel, answer: _Answer) -> None:
        entry = self._log.entry(head, body)
        strikes = Strikes()
        answering = answer(head, body, entry, strikes)
        reply = await (channel.while_connected(answering) if self._watches else answering)
        if reply is None:  # the client has left
            entry.write()
            return
        ended = reply.ended
        try:
            reply.headers |= _request_headers(head)
            reply = strikes.reply(reply)
            entry.note(status=reply.status, faults=strikes.kinds)
            entry.write()
            await strikes.send(channel, reply)
        finally:
            ended()

    async def _description(self, head: Head, body: bytes, entry: LogEntry, strikes: Strikes) -> Reply:
        if head.method not in {"GET", "HEAD"}:
            return self._behaviour.wrong_method(head)
        return Reply.of_json(200, openapi.description(self._name, self._behaviour.paths))

    async def _models(self, head: Head, body: bytes, entry: LogEntry, strikes: Strikes) -> Reply:
        if head.method != "GET":
            return self._behaviour.wrong_method(head)
        try:
            self._behaviour.check_key(head)
        except RefusalError as refusal:
            return refusal.reply
        models: list[Document] = [
            {"id": name, "object": "model", "created": _CREATED, "owned_by": "emulator"}
            for name in self._behaviour.models
        ]
        return Reply.of_json(200, {"object": "list", "data": models})

    async def _health(self, head: Head, body: bytes, entry: LogEntry, strikes: Strikes) -> Reply:
        if head.method not in {"GET", "HEAD"}:
            return self._behaviour.wrong_method(head)
        return Reply.of_json(200, {"status": "ok"})

    async def _no_route(self, head: Head, body: bytes, entry: LogEntry, strikes: Strikes) -> Reply:
        path = head.path.rstrip("/")
        if self._behaviour.redirects_slash and path in self._behaviour.paths:
            return Reply(307, b"", {"location": f"{path}?{head.query_string}".rstrip("?")})
        return self._behaviour.elsewhere(head)


def _head(scope: Scope) -> Head:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        known = headers.get(key := name.decode("latin-1"))
        headers[key] = value.decode("latin-1") if known is None else f"{known}, {value.decode('latin-1')}"
    query_string = scope["query_string"].decode("latin-1")
    return Head(
        method=scope["method"],
        path=scope["path"],
        query=dict(reversed(parse_qsl(query_string, keep_blank_values=True))),
        query_string=query_string,
        headers=headers,
        path_deployment=scope.get("path_params", {}).get("deployment"),
    )


def _request_headers(head: Head) -> dict[str, str]:
    headers = {"x-request-id": os.urandom(16).hex()}
    sent = head.headers.get("x-ms-client-request-id")
    return headers | {"x-ms-client-request-id": sent} if sent else headers
