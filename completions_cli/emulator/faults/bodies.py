"""Faults of headers and body: encodings, wrong types, bodies that are not the JSON that is expected."""

import asyncio
import functools
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

from completions_cli.emulator.faults.kinds import Fault, Target
from completions_cli.emulator.reply import JSON, AnyReply, Reply, StreamReply

Change = Callable[[AnyReply, float], AnyReply]
_MIB = 1 << 20
_FILL = b"x" * _MIB
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_HTML = "<!doctype html><title>Sign in</title><p>Please sign in to the network.</p>\n"
_BEFORE = b'{"id":"cmpl-0","object":"text_completion","choices":[{"index":0,"finish_reason":"stop","text":"'
_AFTER = b'"}]}'


def bodies() -> Iterator[Fault]:
    """Return every fault of this file's kind."""
    yield _changed("gzip", "a gzip body, even if not asked for", _gzip)
    yield _changed("gzip-broken", "Content-Encoding gzip on a body that is not compressed", _gzip_broken)
    yield _changed("gzip-bomb", "a gzip body that grows to many MiB", _gzip_bomb, 512.0)
    yield _changed("huge", "a body of many MiB", _huge, 300.0)
    yield _changed("text-plain", "Content-Type text/plain", _text_plain)
    yield _changed("no-type", "no Content-Type", _no_type)
    yield _changed("html-200", "200 with an HTML page", lambda _, __: Reply.of_text(200, _HTML, None, "text/html"))
    yield _changed("empty-200", "200 without a body", lambda _, __: Reply(200, b"", {"content-type": JSON}))
    yield _changed("not-json", "a body that ends inside its JSON", _not_json)
    yield _changed("bom", "a byte order mark before the body", _bom)
    yield _changed("not-utf8", "a body with a byte that is not UTF-8", _not_utf8)


def _changed(kind: str, summary: str, reply: Change, mebibytes: float = 0.0) -> Fault:
    return Fault(
        kind=kind,
        summary=summary,
        target=Target.REQUEST,
        reply=reply,
        value=mebibytes,
        value_name="MIB" if mebibytes else None,
    )


def _on_body(change: Callable[[bytes], bytes], reply: AnyReply) -> AnyReply:
    """Change a whole body; a stream's stays, as it has faults of its own."""
    if isinstance(reply, Reply):
        reply.body = change(reply.body)
    return reply


def _gzip(reply: AnyReply, _: float) -> AnyReply:
    packer = zlib.compressobj(wbits=_GZIP_WINDOW)
    reply.headers["content-encoding"] = "gzip"
    if isinstance(reply, Reply):
        reply.body = packer.compress(reply.body) + packer.flush()
        return reply
    chunks = reply.chunks

    async def packed() -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield packer.flush()

    reply.chunks = packed()
    return reply


def _gzip_broken(reply: AnyReply, _: float) -> AnyReply:
    reply.headers["content-encoding"] = "gzip"
    return reply


def _parts(reply: AnyReply, mebibytes: float) -> Iterator[bytes]:
    """Return a valid answer, or a stream of one event, with a text of that size."""
    streamed = isinstance(reply, StreamReply)
    yield (b"data: " if streamed else b"") + _BEFORE
    for _ in range(max(1, round(mebibytes))):
        yield _FILL
    yield _AFTER + (b"\n\ndata: [DONE]\n\n" if streamed else b"")


def _huge(reply: AnyReply, mebibytes: float) -> AnyReply:
    async def filled() -> AsyncIterator[bytes]:
        for part in _parts(reply, mebibytes):
            yield part

    return StreamReply(filled(), reply.headers, 200, reply.delay)


def _gzip_bomb(reply: AnyReply, mebibytes: float) -> AnyReply:
    async def packed() -> AsyncIterator[bytes]:
        checksum, size = 0, 0
        yield _GZIP_HEAD
        for part in _parts(reply, mebibytes):
            checksum, size = zlib.crc32(part, checksum), size + len(part)
            yield _packed_fill() if part is _FILL else _deflated(part)
            await asyncio.sleep(0)
        last = zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()
        yield last + struct.pack("<II", checksum, size & 0xFFFFFFFF)

    return StreamReply(packed(), reply.headers | {"content-encoding": "gzip"}, 200, reply.delay)


def _deflated(data: bytes) -> bytes:
    """Compress so that the result stands on its own: the same bytes may follow any others."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


@functools.cache
def _packed_fill() -> bytes:
    return _deflated(_FILL)


def _text_plain(reply: AnyReply, _: float) -> AnyReply:
    reply.headers["content-type"] = "text/plain; charset=utf-8"
    return reply


def _no_type(reply: AnyReply, _: float) -> AnyReply:
    reply.headers.pop("content-type", None)
    return reply


def _not_json(reply: AnyReply, _: float) -> AnyReply:
    return _on_body(lambda body: body[: len(body) // 2], reply)


def _bom(reply: AnyReply, _: float) -> AnyReply:
    return _on_body(lambda body: b"\xef\xbb\xbf" + body, reply)


def _not_utf8(reply: AnyReply, _: float) -> AnyReply:
    return _on_body(lambda body: body.replace(b'"text":"', b'"text":"\xff', 1), reply)
