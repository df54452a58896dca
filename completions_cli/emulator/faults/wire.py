"""Faults below HTTP: resets, silence, and lengths that lie."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http import HTTPStatus

from completions_cli.emulator.channel import Channel
from completions_cli.emulator.faults.kinds import Fault, Target
from completions_cli.emulator.reply import AnyReply, Reply, StreamReply

Sender = Callable[[Channel, AnyReply, float], Awaitable[None]]
# Long enough for a client to read what came before a reset.
_BREATH = 0.05
_CHUNKS_BEFORE = 3


def wires() -> Iterator[Fault]:
    """Return every fault of this file's kind."""
    yield _sent("reset", "the connection is reset before any byte of the answer", _reset)
    yield _sent("close", "the connection is closed before any byte of the answer", _close)
    yield _sent("reset-head", "the connection is reset inside the headers", _reset_head)
    yield _sent("reset-headers", "the connection is reset after the headers", _reset_headers)
    yield _sent("reset-body", "the connection is reset midway in the body", _reset_body)
    yield _sent("hang", "the request is read, and no answer comes", _hang)
    yield _sent("slow-first-byte", "the answer begins late", _slow_first_byte, 5.0, "SECONDS")
    yield _sent("slow-body", "a pause between any two bytes of the body", _slow_body, 0.1, "SECONDS")
    yield _sent("truncate", "the body ends after this many bytes", _truncate, 100.0, "BYTES")
    yield _sent("length-short", "Content-Length is smaller than the body", _length_short)
    yield _sent("length-long", "Content-Length is larger than the body", _length_long)
    yield _sent("bad-chunk", "a chunk whose length is not a number", _bad_chunk)
    yield _sent("not-http", "an answer that is not HTTP", _not_http)
    yield _sent("interim", "100 and 103 before the answer", _interim)


def _sent(kind: str, summary: str, send: Sender, value: float = 0.0, value_name: str | None = None) -> Fault:
    return Fault(kind=kind, summary=summary, target=Target.REQUEST, send=send, value=value, value_name=value_name)


def _head(reply: AnyReply, length: int | None) -> bytes:
    """Write status line and headers by hand; without a length the body is chunked."""
    framing = {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (reply.headers | framing).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _body(reply: AnyReply) -> bytes:
    return reply.body if isinstance(reply, Reply) else b"".join([chunk async for chunk in reply.chunks])


async def _reset(channel: Channel, reply: AnyReply, _: float) -> None:
    del reply
    await channel.reset()


async def _close(channel: Channel, reply: AnyReply, _: float) -> None:
    del reply
    await channel.close()


async def _reset_head(channel: Channel, reply: AnyReply, _: float) -> None:
    head = _head(reply, 1000)
    await _write_and_reset(channel, head[: len(head) // 2])


async def _reset_headers(channel: Channel, reply: AnyReply, _: float) -> None:
    await _write_and_reset(channel, _head(reply, 1000))


async def _reset_body(channel: Channel, reply: AnyReply, _: float) -> None:
    if isinstance(reply, Reply):
        await _write_and_reset(channel, _head(reply, len(reply.body)) + reply.body[: len(reply.body) // 2])
        return
    channel.write(_head(reply, None))
    given = 0
    async for chunk in reply.chunks:
        channel.write(_chunk(chunk))
        given += 1
        if given == _CHUNKS_BEFORE:
            break
    await _write_and_reset(channel, b"")


async def _write_and_reset(channel: Channel, data: bytes) -> None:
    channel.write(data)
    await asyncio.sleep(_BREATH)
    await channel.reset()


async def _hang(channel: Channel, reply: AnyReply, _: float) -> None:
    del reply
    await channel.disconnected()


async def _slow_first_byte(channel: Channel, reply: AnyReply, seconds: float) -> None:
    reply.delay += seconds
    await channel.while_connected(channel.reply(reply))


async def _slow_body(channel: Channel, reply: AnyReply, seconds: float) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        async for chunk in _chunks(reply):
            for position in range(len(chunk)):
                yield chunk[position : position + 1]
                await asyncio.sleep(seconds)

    length = {"content-length": str(len(reply.body))} if isinstance(reply, Reply) else {}
    await channel.reply(StreamReply(dripping(), reply.headers | length, reply.status, reply.delay))


async def _chunks(reply: AnyReply) -> AsyncIterator[bytes]:
    if isinstance(reply, Reply):
        yield reply.body
        return
    async for chunk in reply.chunks:
        yield chunk


async def _truncate(channel: Channel, reply: AnyReply, size: float) -> None:
    left = math.floor(size)
    if isinstance(reply, Reply):
        channel.write(_head(reply, len(reply.body)) + reply.body[: min(left, len(reply.body) - 1)])
    else:
        channel.write(_head(reply, None))
        async for chunk in reply.chunks:
            if left <= 0:
                break
            channel.write(_chunk(chunk[:left]))
            left -= len(chunk)
    await channel.close()


async def _length_short(channel: Channel, reply: AnyReply, _: float) -> None:
    body = await _body(reply)
    channel.write(_head(reply, len(body) // 2) + body)
    await channel.close()


async def _length_long(channel: Channel, reply: AnyReply, _: float) -> None:
    body = await _body(reply)
    channel.write(_head(reply, len(body) + 100) + body)
    await channel.close()


async def _bad_chunk(channel: Channel, reply: AnyReply, _: float) -> None:
    body = await _body(reply)
    channel.write(_head(reply, None) + _chunk(body[: len(body) // 2]) + b"none\r\n" + body[len(body) // 2 :])
    await channel.close()


async def _not_http(channel: Channel, reply: AnyReply, _: float) -> None:
    del reply
    channel.write(b"220 mail.example ESMTP ready\r\n")
    await channel.close()


async def _interim(channel: Channel, reply: AnyReply, _: float) -> None:
    channel.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n")
    await channel.reply(reply)
