"""Faults of an event stream: odd framing that readers must bear, and streams that go wrong midway."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from completions_cli.emulator import sse
from completions_cli.emulator.call import Document
from completions_cli.emulator.faults.documents import choices_of
from completions_cli.emulator.faults.kinds import Blocks, Event, Events, Fault, Target
from completions_cli.emulator.reply import JSON, AnyReply

_MIB = 1 << 20
# Long enough for a reader to take what came before as a read of its own.
_BREATH = 0.001
_PING_EVERY = 0.2
_GOES_WRONG_AFTER = 3

_MANAGED_ERROR = b"event: error\ndata: Error parsing decoded stream: invalid chunk\n\n"
_VLLM_ERROR = sse.event({"object": "error", "message": "The model failed.", "type": "InternalServerError", "code": 500})
_NESTED_ERROR = sse.event({"error": {"message": "The model failed.", "code": "500"}})
_FIELDS_ERROR = sse.event({"code": "429", "message": "Rate limit is exceeded.", "choices": None})
_SAFE: Document = {"hate": {"filtered": False, "severity": "safe"}}
_WAIT = 3600.0


def streams() -> Iterator[Fault]:
    """Return every fault of this file's kind."""
    yield _framed("stream-crlf", "lines end in CR LF", lambda block: block.replace(b"\n", b"\r\n"))
    yield _framed("stream-cr", "lines end in CR", lambda block: block.replace(b"\n", b"\r"))
    yield _framed("stream-no-space", "`data:` without a space", lambda block: block.replace(b"data: ", b"data:"))
    yield _framed("stream-multiline", "the data of an event on several lines", _over_lines)
    yield _framed("stream-fields", "events with id, retry and unknown fields", _with_fields)
    yield _framed("stream-comments", "comments and empty lines between the events", _after_comment)
    yield _blocks("stream-split", "every byte written by itself, which splits UTF-8", _every_byte)
    yield _blocks("stream-burst", "the whole stream in one write", _at_once)
    yield _blocks("stream-bom", "a byte order mark at the start", _after_bom)
    yield _blocks("stream-no-blank", "the last event lacks its blank line", _without_last_blank)
    yield _events("stream-empty-choices", "a first chunk without choices", _empty_first)
    yield _events("stream-annotations", "chunks with filter results and no text", _annotated)
    yield _events("stream-usage-last", "usage in a last chunk without choices", _usage_last)
    yield _events("stream-nulls", "`data: null` between the chunks", _with_nulls)
    yield _events("stream-filtered", "the content filter ends it: finish_reason content_filter", _filtered)
    yield _events("stream-surrogates", "a character's two surrogates in two chunks", _split_surrogates)
    yield _events("stream-after-done", "a chunk after [DONE]", _after_done)
    yield _events("stream-no-done", "a finish reason but no [DONE]", _without_done)
    yield _events("stream-cut", "cut midway between events: neither finish reason nor [DONE]", _cut)
    yield _blocks("stream-cut-event", "cut midway inside an event", _cut_event)
    yield _erring("stream-error-managed", "`event: error` with plain text midway, then [DONE]", _MANAGED_ERROR)
    yield _erring("stream-error-object", "{object: error} midway, then [DONE]", _VLLM_ERROR)
    yield _erring("stream-error-nested", "{error: {...}} midway, then [DONE]", _NESTED_ERROR)
    yield _erring("stream-error-fields", "code and message beside null choices midway, then [DONE]", _FIELDS_ERROR)
    yield _erring("stream-garbled", "an event midway that is not JSON", b'data: {"choices": [\n\n')
    yield _waiting("stream-stall", "midway silence", _stall)
    yield _waiting("stream-pings", "only comments from the middle on", _pings)
    yield _waiting("stream-open", "the connection stays open after [DONE]", _open)
    yield _events("stream-huge", "a first event of many MiB", _huge, value=65.0, value_name="MIB")
    yield Fault(kind="stream-plain", summary="one JSON document instead of a stream", target=Target.STREAM, plain=True)
    yield Fault(kind="stream-json-type", summary="Content-Type application/json", target=Target.STREAM, reply=_as_json)


EventsChange = Callable[[Events, float], Events]


def _events(
    kind: str, summary: str, change: EventsChange, *, value: float = 0.0, value_name: str | None = None
) -> Fault:
    return Fault(kind=kind, summary=summary, target=Target.STREAM, events=change, value=value, value_name=value_name)


def _waiting(kind: str, summary: str, change: EventsChange) -> Fault:
    return _events(kind, summary, change, value=_WAIT, value_name="SECONDS")


def _blocks(kind: str, summary: str, change: Callable[[Blocks], Blocks]) -> Fault:
    return Fault(kind=kind, summary=summary, target=Target.STREAM, blocks=lambda blocks, _: change(blocks))


def _framed(kind: str, summary: str, change: Callable[[bytes], bytes]) -> Fault:
    async def each(blocks: Blocks) -> AsyncIterator[bytes]:
        async for block in blocks:
            yield change(block)

    return _blocks(kind, summary, each)


def _erring(kind: str, summary: str, error: bytes) -> Fault:
    async def events(events: Events, _: float) -> AsyncIterator[Event]:
        async for event in _beginning(events):
            yield event
        yield error
        yield sse.DONE

    return _events(kind, summary, events)


async def _beginning(events: Events) -> AsyncIterator[Event]:
    """Return the first chunks, none of them a last one."""
    given = 0
    async for event in events:
        if given == _GOES_WRONG_AFTER or isinstance(event, bytes):
            return
        if any(choice["finish_reason"] for choice in choices_of(event)):
            return
        given += 1
        yield event


def _over_lines(block: bytes) -> bytes:
    """Break the JSON where white space may stand, so that the joined data is still the same document."""
    return block.replace(b',"choices":', b',\ndata: "choices":\ndata: ', 1)


def _with_fields(block: bytes) -> bytes:
    return b"id: 7\nretry: 3000\nunknown: x\nnameless\n" + block


def _after_comment(block: bytes) -> bytes:
    return b": ping\n\n\n:\n" + block


async def _every_byte(blocks: Blocks) -> AsyncIterator[bytes]:
    async for block in blocks:
        for position in range(len(block)):
            yield block[position : position + 1]
            # ASCII may share a read; what matters is that no character of several bytes stays whole.
            if not block[position : position + 1].isascii():
                await asyncio.sleep(_BREATH)


async def _at_once(blocks: Blocks) -> AsyncIterator[bytes]:
    yield b"".join([block async for block in blocks])


async def _after_bom(blocks: Blocks) -> AsyncIterator[bytes]:
    yield b"\xef\xbb\xbf"
    async for block in blocks:
        yield block


async def _without_last_blank(blocks: Blocks) -> AsyncIterator[bytes]:
    held = b""
    async for block in blocks:
        if held:
            yield held
        held = block
    yield held.rstrip(b"\r\n")


async def _cut_event(blocks: Blocks) -> AsyncIterator[bytes]:
    given = 0
    async for block in blocks:
        if given == _GOES_WRONG_AFTER:
            yield block[: len(block) // 2]
            return
        given += 1
        yield block


async def _empty_first(events: Events, _: float) -> AsyncIterator[Event]:
    results = [{"prompt_index": 0, "content_filter_results": _SAFE}]
    yield {"id": "", "object": "", "created": 0, "model": "", "prompt_filter_results": results, "choices": []}
    async for event in events:
        yield event


async def _annotated(events: Events, _: float) -> AsyncIterator[Event]:
    offsets = {"check_offset": 44, "start_offset": 44, "end_offset": 198}
    note: Document = {"index": 0, "finish_reason": None, "content_filter_results": _SAFE}
    async for event in events:
        yield event
        if isinstance(event, dict):
            yield {"id": "", "choices": [note | {"content_filter_offsets": offsets}]}


async def _usage_last(events: Events, _: float) -> AsyncIterator[Event]:
    async for event in events:
        if isinstance(event, dict) and event.get("usage"):
            yield {name: value for name, value in event.items() if name != "usage"}
            yield event | {"choices": []}
        else:
            yield event


async def _with_nulls(events: Events, _: float) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if isinstance(event, dict):
            yield b"data: null\n\n"


async def _filtered(events: Events, _: float) -> AsyncIterator[Event]:
    last: Document = {}
    async for event in _beginning(events):
        if isinstance(event, dict):
            last = event
        yield event
    yield last | {"choices": [{"index": 0, "finish_reason": "content_filter", "text": ""}]}
    yield sse.DONE


async def _split_surrogates(events: Events, _: float) -> AsyncIterator[Event]:
    first = True
    async for event in events:
        if first and isinstance(event, dict) and choices_of(event):
            choice = choices_of(event)[0]
            yield event | {"choices": [choice | {"text": "\ud83d", "finish_reason": None}]}
            yield event | {"choices": [choice | {"text": "\ude42", "finish_reason": None}]}
            first = False
        yield event


async def _after_done(events: Events, _: float) -> AsyncIterator[Event]:
    last: Document = {}
    async for event in events:
        if isinstance(event, dict):
            last = event
        yield event
    yield last | {"choices": [{"index": 0, "finish_reason": None, "text": "after the end"}]}


async def _without_done(events: Events, _: float) -> AsyncIterator[Event]:
    async for event in events:
        if event != sse.DONE:
            yield event


async def _cut(events: Events, _: float) -> AsyncIterator[Event]:
    async for event in _beginning(events):
        yield event


async def _stall(events: Events, seconds: float) -> AsyncIterator[Event]:
    given = 0
    async for event in events:
        if given == _GOES_WRONG_AFTER:
            await asyncio.sleep(seconds)
        given += 1
        yield event


async def _pings(events: Events, seconds: float) -> AsyncIterator[Event]:
    given = 0
    async for event in events:
        if given == _GOES_WRONG_AFTER:
            for _ in range(max(1, round(seconds / _PING_EVERY))):
                yield b": ping\n\n"
                await asyncio.sleep(_PING_EVERY)
        given += 1
        yield event


async def _open(events: Events, seconds: float) -> AsyncIterator[Event]:
    async for event in events:
        yield event
    await asyncio.sleep(seconds)


async def _huge(events: Events, mebibytes: float) -> AsyncIterator[Event]:
    first = True
    async for event in events:
        if first and isinstance(event, dict) and choices_of(event):
            choice = choices_of(event)[0]
            text = "x" * round(mebibytes * _MIB)
            yield event | {"choices": [choice | {"text": text, "finish_reason": None}]}
            first = False
        yield event


def _as_json(reply: AnyReply, _: float) -> AnyReply:
    reply.headers["content-type"] = JSON
    return reply
