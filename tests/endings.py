"""How answers end: the table that every caller is held to, and its rows as bytes on a wire."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from tests.scripted_server import Endless, HangUp, Reset, Script, Silence

How = Literal["ends", "cut", "reset", "silent", "beats", "dribbles"]

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


@dataclass(frozen=True)
class Row:
    """`came`, in an answer to a request with so many `prompts`, then an end: the text of each choice, and the exit."""

    name: str
    came: bytes
    how: How
    exit_code: int
    texts: tuple[str, ...]
    prompts: int = 1

    def script(self) -> Script:
        """Play the row: a body in chunks, whose last one comes only where the answer ends in order."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        body = b"%x\r\n%s\r\n" % (len(self.came), self.came) if self.came else b""
        return [head + body, *_ENDS[self.how]]


_ENDS: dict[How, Script] = {
    "ends": [b"0\r\n\r\n", Silence()],
    "cut": [HangUp()],
    "reset": [Reset()],
    "silent": [Silence()],
    "beats": [Endless(b"8\r\n: ping\n\n\r\n", 0.2)],
    "dribbles": [Endless(b"1\r\n\n\r\n", 0.2)],
}
_CUT_SHORT: dict[How, int] = {"ends": 12, "cut": 12, "reset": 12, "silent": 11}


def piece(text: str | None = "a", reason: str | None = None, index: int = 0) -> dict[str, Any]:
    """Make a choice as it stands in a chunk."""
    return {"index": index, "finish_reason": reason} | ({} if text is None else {"text": text})


def event(*choices: dict[str, Any], **fields: object) -> bytes:
    """Make an event of a stream."""
    return b"data: " + document(*choices, **fields) + b"\n\n"


def document(*choices: dict[str, Any], **fields: object) -> bytes:
    """Make a document."""
    return json.dumps({"id": "c", "object": "text_completion", "choices": list(choices), **fields}).encode()


A, STOP = event(piece("a")), event(piece("b", "stop"))
TWO = event(piece("a", "stop", 0)) + event(piece("b", "stop", 1))
ERROR = (
    b'data: {"error":{"message":"slow down","code":429}}\n\n'  # As servers of llama.cpp sent it until the end of 2025.
)
FIELD_ERROR = b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n'

ENDINGS = [
    # A finish reason for every choice: nothing that follows matters.
    *(Row(f"stop, then {how}", A + STOP, how, 0, ("ab",)) for how in _ENDS),
    *(Row(f"stop of both, then {how}", TWO, how, 0, ("a", "b"), 2) for how in _ENDS),
    Row("stop, usage, cut", A + STOP + event(usage=USAGE), "cut", 0, ("ab",)),
    Row("stop, half of the usage, cut", A + STOP + b'data: {"usa', "cut", 0, ("ab",)),
    Row("stop, an event nobody can read", A + STOP + b"data: oops\n\n", "ends", 0, ("ab",)),
    Row("stop that lacks its blank line, cut", A + STOP.rstrip(), "cut", 0, ("ab",)),
    Row("stop in a chunk without text", A + event(piece(None, "stop")), "cut", 0, ("a",)),
    # A finish reason that is none.
    *(
        Row(f"reason {word!r}, {how}", event(piece("a", word)) + event(piece("b", word)), how, code, ("ab",))
        for word in ("", "null", None)
        for how, code in _CUT_SHORT.items()
    ),
    *(
        Row(f"reason {word!r}, cut", event(piece("a", word)) + event(piece("b", word)), "cut", 12, ("ab",))
        for word in ("NULL", "undefined", "n/a", "not_finished", "in_progress", "FINISH_REASON_UNSPECIFIED")
    ),
    # A reason that text follows is none, whatever the word.
    *(
        Row(f"{word!r} in every piece, {how}", event(piece("a", word)) + event(piece("b", word)), how, code, ("ab",))
        for word in ("writing", "stop")
        for how, code in _CUT_SHORT.items()
    ),
    Row("a reason in every piece, [DONE]", event(piece("a", "go")) + event(piece("b", "go")) + DONE, "cut", 0, ("ab",)),
    Row("a reason in every piece, stop", event(piece("a", "go")) + A + STOP, "cut", 0, ("aab",)),
    Row("text after one of two reasons", TWO + event(piece("c", None, 1)), "cut", 12, ("a", "bc"), 2),
    # A finish reason that says that there is no end.
    *(Row(f"reason {word!r}", A + event(piece("b", word)) + DONE, "ends", 12, ("ab",)) for word in ("abort", "error")),
    *(
        Row(f"reason {word!r}", A + event(piece("b", word)) + DONE, "ends", 12, ("ab",))
        for word in ("model_error", "ERROR_LIMIT", "USER_CANCEL", "insufficient_system_resource", "timed-out")
    ),
    Row("reason 'abort', cut", A + event(piece("b", "abort")), "cut", 12, ("ab",)),
    Row("one of two aborted", event(piece("a", "stop"), piece("b", "abort", 1)) + DONE, "ends", 12, ("a", "b"), 2),
    Row("a document with 'abort'", document(piece("ab", "abort"), usage=USAGE), "ends", 12, ("ab",)),
    # [DONE].
    Row("[DONE] without a reason", A + DONE, "cut", 0, ("a",)),
    Row("[DONE], then silence", A + DONE, "silent", 0, ("a",)),
    Row("an empty text, [DONE]", event(piece("")) + DONE, "ends", 0, ("",)),
    Row("[DONE] alone", DONE, "ends", 12, ()),
    Row("no choice, [DONE]", event() + DONE, "ends", 12, ()),
    Row("one of two, [DONE]", event(piece("a", "stop")) + DONE, "ends", 12, ("a",), 2),
    Row("one of two, no reason, [DONE]", A + DONE, "ends", 12, ("a",), 2),
    Row("two of two, no reasons, [DONE]", event(piece("a"), piece("b", index=1)) + DONE, "ends", 0, ("a", "b"), 2),
    Row("one reason of two, [DONE]", event(piece("a", "stop"), piece("b", None, 1)) + DONE, "ends", 12, ("a", "b"), 2),
    *(
        Row(f"the end spelled {word}", A + b"data: %s\n\n" % word.encode(), "silent", 0, ("a",))
        for word in ("[done]", "DONE", '"[DONE]"')
    ),
    # Cut short.
    Row("nothing", b"", "ends", 12, ()),
    Row("text, then the end", A, "ends", 12, ("a",)),
    Row("text, then cut", A, "cut", 12, ("a",)),
    Row("text, then silence", A, "silent", 11, ("a",)),
    Row("text, then comments", A, "beats", 11, ("a",)),
    Row("one of two finished, cut", event(piece("a", "stop")), "cut", 12, ("a",), 2),
    # More or other choices than were asked for.
    Row("three of two", TWO + event(piece("c", "stop", 2)), "ends", 12, ("a", "b", "c"), 2),
    Row("two of two, one numbered 5", event(piece("a", "stop"), piece("b", "stop", 5)), "ends", 12, ("a", "b"), 2),
    Row(
        "every piece its own number", A + event(piece("b", None, 1)) + event(piece("c", "stop", 2)), "ends", 0, ("abc",)
    ),
    # Documents.
    *(
        Row(f"a document, {how}", document(piece("ab", "stop"), usage=USAGE), how, 0, ("ab",))
        for how in _ENDS
        if how != "beats"
    ),
    Row("a document without a reason, cut", document(piece("ab")), "cut", 0, ("ab",)),
    Row("half a document, cut", document(piece("ab", "stop"))[:-3], "cut", 12, ()),
    Row("half a document, silence", document(piece("ab", "stop"))[:-3], "silent", 11, ()),
    Row("a document with one of two", document(piece("a", "stop")), "ends", 12, ("a",), 2),
    Row("NaN", document(piece("ab", "stop"), logprob=float("nan"), other=-float("inf")), "ends", 0, ("ab",)),
    Row("raw control characters", document(piece("a#b", "stop")).replace(b"#", b"\t\x02"), "ends", 0, ("a\t\x02b",)),
    Row("raw control characters, streamed", event(piece("a#b", "stop")).replace(b"#", b"\t"), "ends", 0, ("a\tb",)),
    # No answer.
    Row("prose", b"error: model overloaded", "ends", 12, ()),
    Row("HTML", b"<html><title>Sign in</title></html>", "ends", 12, ()),
    Row("a list for text", document({"index": 0, "text": ["Hello"], "finish_reason": "stop"}), "ends", 12, ()),
    Row("events parted by single newlines", (A + STOP + DONE).replace(b"\n\n", b"\n"), "ends", 12, ()),
    Row("documents a line each", document(piece("a")) + b"\n" + document(piece("b", "stop")) + b"\n", "ends", 12, ()),
    Row("a document, then another", document(piece("a", "stop")) + document(piece("b", "stop")), "ends", 12, ()),
    # Errors inside.
    Row("text, then an error", A + ERROR, "ends", 8, ("a",)),
    Row("text, an error, [DONE]", A + ERROR + DONE, "silent", 8, ("a",)),
    Row("text, then a field called error", A + FIELD_ERROR + DONE, "ends", 6, ("a",)),
    Row("a field called error", FIELD_ERROR + DONE, "ends", 6, ()),
    *(
        Row(f"text, {list(error)}, [DONE]", A + b"data: %s\n\n" % json.dumps(error).encode() + DONE, "ends", 9, ("a",))
        for error in (
            {"errors": [{"message": "the engine died"}]},
            {"error_message": "the engine died", "status_code": 503},
            {"code": 500, "msg": "the engine died"},
            {"success": False, "reason": "the engine died"},
            {"status": "error", "reason": "the engine died"},
            {"modelStreamErrorException": {"message": "the engine died"}},
        )
    ),
    Row("an error in a choice", A + event(piece("b") | {"error": {"code": 502}}) + DONE, "ends", 9, ("ab",)),
    Row("an error in a document's choice", document(piece("a") | {"error": {"code": 502}}), "ends", 9, ("a",)),
    Row("an error event without data", A + b"event: error\n\n" + DONE, "ends", 9, ("a",)),
    Row("objects that say nothing", A + b'data: {"status":"ok","msg":"x"}\n\ndata: {}\n\n' + DONE, "ends", 0, ("a",)),
    Row("stop, then an error", A + STOP + ERROR, "ends", 8, ("ab",)),
]
