"""The response reader: streams and documents of every back end, whole, cut at every byte, and worse."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.reader import ResponseReader
from completions_cli.errors import (
    CompletionsError,
    ContentFilterError,
    MalformedResponseError,
    RateLimitError,
    RejectedError,
    ServerError,
    ServiceError,
)
from completions_cli.models import Chunk, Usage

DONE = b"data: [DONE]\n\n"


def chunk(*choices: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": list(choices), **fields}


def choice(text: str | None, index: int = 0, finish_reason: str | None = None) -> dict[str, Any]:
    named = {"index": index, "finish_reason": finish_reason}
    return named if text is None else {**named, "text": text}


def sse(*objects: object) -> bytes:
    return b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in objects)


class Answer:
    """What a reader made of the bytes it was fed: texts by choice, and the error that ended it, if one did."""

    def __init__(self, pieces: Iterable[bytes], choices: int = 1, **limits: int) -> None:
        self.reader = ResponseReader(choices, **limits)
        self.chunks: list[Chunk] = []
        self.error: CompletionsError | None = None
        try:
            for piece in pieces:
                self.chunks.extend(self.reader.feed(piece))
            self.chunks.extend(self.reader.close())
        except CompletionsError as error:
            self.error = error

    @property
    def texts(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for received in self.chunks:
            for delta in received.deltas:
                found[delta.index] = found.get(delta.index, "") + delta.text
        return found


def read(stream: bytes, choices: int = 1) -> Answer:
    answer = Answer([stream], choices)
    if answer.error is not None:
        raise answer.error
    return answer


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


USAGE = {"prompt_tokens": 5, "completion_tokens": 16, "total_tokens": 21}
TWO = (
    chunk(choice("A", 1)),
    chunk(choice("a", 0), choice("B", 1)),
    chunk(choice("b", 0, "stop")),
    chunk(choice("", 1, "length")),
)

# Each: the bytes, how many prompts were asked for, the texts, the usage.
WHOLE: dict[str, tuple[bytes, int, dict[int, str], Usage | None]] = {
    "usage in the last text chunk": (
        sse(chunk(choice("An")), chunk(choice(" ox", finish_reason="length"), usage=USAGE)) + DONE,
        1,
        {0: "An ox"},
        Usage(5, 16, 21),
    ),
    "usage in a chunk of its own": (
        sse(chunk(choice("An"), usage=None), chunk(choice("", finish_reason="stop")), chunk(usage=USAGE)) + DONE,
        1,
        {0: "An"},
        Usage(5, 16, 21),
    ),
    "no usage": (sse(chunk(choice("An", finish_reason="stop"))) + DONE, 1, {0: "An"}, None),
    "no [DONE]": (sse(chunk(choice("An", finish_reason="stop"))), 1, {0: "An"}, None),
    "no finish reason": (sse(chunk(choice("An"))) + DONE, 1, {0: "An"}, None),
    "no blank line at the end": (
        sse(chunk(choice("An")), chunk(choice("", finish_reason="stop"))).rstrip(),
        1,
        {0: "An"},
        None,
    ),
    "[DONE] without its blank line": (sse(chunk(choice("An"))) + b"data: [DONE]", 1, {0: "An"}, None),
    "[DONE] without its space": (sse(chunk(choice("An"))) + b"data:[DONE]\n\n", 1, {0: "An"}, None),
    "text after [DONE]": (
        sse(chunk(choice("An"))) + DONE + sse(chunk(choice("no")), {"error": {"message": "no"}}) + b"\xff",
        1,
        {0: "An"},
        None,
    ),
    "interleaved choices": (sse(*TWO) + DONE, 2, {0: "ab", 1: "AB"}, None),
    "choices finished, no [DONE]": (sse(*TWO), 2, {0: "ab", 1: "AB"}, None),
    "empty choices first": (
        sse({"id": "", "object": "", "created": 0, "model": "", "prompt_filter_results": [{}], "choices": []})
        + sse(chunk(choice("An", finish_reason="stop")))
        + DONE,
        1,
        {0: "An"},
        None,
    ),
    "annotations without text": (
        sse(
            chunk(choice("An")),
            {"id": "", "choices": [{**choice(None), "content_filter_offsets": {}}]},
            chunk(choice(None, finish_reason="stop")),
            {"id": "", "choices": [{**choice(None), "content_filter_results": {}}]},
        )
        + DONE,
        1,
        {0: "An"},
        None,
    ),
    "null between prompts": (
        sse(chunk(choice("a", 0, "stop")), None, chunk(choice("A", 1, "stop")), None) + DONE,
        2,
        {0: "a", 1: "A"},
        None,
    ),
    "llama.cpp's usage, prompt by prompt": (
        sse(
            chunk(choice("a", 0)),
            chunk(choice("", 0, "stop"), usage=USAGE, timings={}),
            None,
            chunk(choice("A", 1, "stop"), usage=USAGE, timings={}),
        )
        + DONE,
        2,
        {0: "a", 1: "A"},
        Usage(10, 32, 42),
    ),
    "usage with every chunk": (
        sse(chunk(choice("a"), usage={"prompt_tokens": 5}), chunk(choice("b", finish_reason="stop"), usage=USAGE)),
        1,
        {0: "ab"},
        Usage(5, 16, 21),
    ),
    "comments, ids, retries, CRLF": (
        b": ping\r\n\r\nretry: 100\r\n\r\nid: 1\r\ndata: "
        + json.dumps(chunk(choice("An", finish_reason="stop"))).encode()
        + b"\r\n\r\ndata: [DONE]\r\n\r\n",
        1,
        {0: "An"},
        None,
    ),
    "blank data": (b"data\n\ndata: \n\n" + sse(chunk(choice("An"))) + DONE, 1, {0: "An"}, None),
    "an event type of its own": (
        b"event: completion\n" + sse(chunk(choice("An"))) + b'event: ping\ndata: {"type":"ping"}\n\n' + DONE,
        1,
        {0: "An"},
        None,
    ),
    "one event in many data lines": (
        b'data: {"choices":\ndata: [{"index":0,\ndata: "text":"An"}]}\n\n' + DONE,
        1,
        {0: "An"},
        None,
    ),
    "BOM and blank lines": (b"\xef\xbb\xbf\n\n" + sse(chunk(choice("An"))) + DONE, 1, {0: "An"}, None),
    "text of any kind": (
        "data: {}\n\n".format(json.dumps(chunk(choice("é\u2028\u0085😀\n")), ensure_ascii=False)).encode() + DONE,
        1,
        {0: "é\u2028\u0085😀\n"},
        None,
    ),
    "no index, id, object, model": (b'data: {"choices":[{"text":"An"}]}\n\n' + DONE, 1, {0: "An"}, None),
    "a document": (
        json.dumps(chunk(choice("An", finish_reason="stop"), usage=USAGE)).encode(),
        1,
        {0: "An"},
        Usage(5, 16, 21),
    ),
    "a document, indented, with a BOM": (
        b"\xef\xbb\xbf" + json.dumps(chunk(choice("An", finish_reason="stop")), indent=2).encode() + b"\n",
        1,
        {0: "An"},
        None,
    ),
    "a document of several choices, out of order": (
        json.dumps(chunk(choice("B", 1, "stop"), choice("A", 0, "stop"))).encode(),
        2,
        {0: "A", 1: "B"},
        None,
    ),
    "a document without a finish reason": (b'{"choices":[{"text":"An"}]}', 1, {0: "An"}, None),
    "choices of one prompt that all have one index": (
        b'{"choices":[{"index":0,"text":"A"},{"index":0,"text":"B"}]}',
        1,
        {0: "A", 1: "B"},
        None,
    ),
    "a document whose choices have no index": (b'{"choices":[{"text":"A"},{"text":"B"}]}', 2, {0: "A", 1: "B"}, None),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_read_however_it_is_cut(name: str) -> None:
    stream, choices, texts, usage = WHOLE[name]
    for pieces in ([stream], bytewise(stream), [b"", stream, b""]):
        answer = Answer(pieces, choices)
        assert answer.error is None
        assert answer.texts == texts
        assert answer.reader.usage == usage


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_cut_off_at_any_byte_is_malformed_or_whole(name: str) -> None:
    """Success is only reported with all of the text: a cut may cost the usage, never a word."""
    stream, choices, texts, _ = WHOLE[name]
    for end in range(len(stream)):
        answer = Answer([stream[:end]], choices)
        if answer.error is None:
            assert answer.texts == texts, stream[:end]
        else:
            assert isinstance(answer.error, MalformedResponseError), stream[:end]
            assert all(texts[index].startswith(text) for index, text in answer.texts.items())


def test_a_stream_that_ends_between_two_choices_is_malformed() -> None:
    with pytest.raises(MalformedResponseError, match="before it was finished"):
        read(sse(chunk(choice("a", 0, "stop"))), choices=2)
    with pytest.raises(MalformedResponseError, match="before it was finished"):
        read(sse(chunk(choice("a", 0, "stop")), chunk(choice("b", 1))), choices=2)


def test_a_torn_event_after_all_choices_have_finished_costs_the_usage_alone() -> None:
    finished = sse(chunk(choice("An", 0, "stop")))
    for torn in (b'data: {"choices":[],"usa', b"data: [DON", b"dat", b": pin"):
        answer = read(finished + torn)
        assert answer.texts == {0: "An"}
        assert answer.reader.usage is None


def test_nothing_after_done_is_waited_for() -> None:
    reader = ResponseReader()
    assert len(list(reader.feed(sse(chunk(choice("An"))) + DONE + b"data: {"))) == 1
    assert reader.done
    assert not list(reader.feed(b"anything at all"))
    assert not list(reader.close())


def test_chunks_are_given_as_soon_as_their_event_is_whole() -> None:
    reader = ResponseReader()
    stream = sse(chunk(choice("An")))
    assert not list(reader.feed(stream[:-1]))
    assert [given.deltas[0].text for given in reader.feed(stream[-1:])] == ["An"]


def test_the_raw_object_is_kept_as_received() -> None:
    sent = chunk({**choice("An"), "stop_reason": 5}, service_tier=[1, {"a": 10**30}], usage=USAGE)
    assert read(sse(sent) + DONE).chunks[0].raw == sent


def test_finish_reasons_are_an_open_set_and_the_last_word_counts() -> None:
    answer = read(sse(chunk(choice("a"), choice("b", 1)), chunk(choice("", 0, "model_length"), choice("", 1, "x"))), 2)
    assert answer.reader.finish_reasons == {0: "model_length", 1: "x"}
    answer = read(sse(chunk(choice("a", 0, "stop")), chunk(choice(None))) + DONE)
    assert answer.reader.finish_reasons == {0: "stop"}


@pytest.mark.parametrize(
    ("body", "is_document"),
    [
        (b"data: x", False),
        (b"event: x", False),
        (b": x", False),
        (b"id: 1", False),
        (b"retry: 1", False),
        (b"\r\n\n data: x", False),
        (b"\xef\xbb\xbfdata: x", False),
        (b"{", True),
        (b" \n\t{", True),
        (b"\xef\xbb\xbf{", True),
        (b"[", True),
        (b'"', True),
        (b"<html>", True),
        (b"null", True),
    ],
)
def test_stream_and_document_are_told_apart_by_their_first_byte(body: bytes, *, is_document: bool) -> None:
    for pieces in ([body], bytewise(body)):
        reader = ResponseReader()
        for piece in pieces:
            list(reader.feed(piece))
        assert reader.is_document is is_document


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the response is empty"),
        (b" \r\n\xef\xbb\xbf ", "the response is empty"),
        (b"{}", "contains no choices"),
        (b'{"choices":[]}', "contains no choices"),
        (b'{"choices":null}', "contains no choices"),
        (b'{"choices":{"0":{}}}', "contains no choices"),
        (b'{"choices":5}', "contains no choices"),
        (b'{"choices":[null,1,"x",[]]}', "contains no choices"),
        (b'{"status":"ok"}', "contains no choices"),
        (b'{"choices":[{"message":{"content":"Hi"}}]}', "the response is a chat completion: '{"),
        (b'{"choices":[{"text":"a"},{"message":null}]}', "is a chat completion"),
        (
            b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n' + DONE,
            "is a chat completion: '{",
        ),
        (b"[]", "is not a completion"),
        (b"null", "is not a completion"),
        (b'"text"', "is not a completion"),
        (b"<!DOCTYPE html><title>Sign in</title>", "is not JSON"),
        (b"upstream connect error", "is not JSON"),
        (b'{"choices":[{"text":"a"}]} trailing', "the response is not JSON: '{"),
        (b'{"choices":[{"text":"a"}]}\n{"choices":[{"text":"b"}]}\n', "the response is not JSON: '{"),
        (
            b'data: {"choices":[{"text":"a"}]}\ndata: {"choices":[{"text":"b"}]}\n',
            "contains no complete event: 'data: {",
        ),
        (b"error: model overloaded", "the response is not JSON: 'error: model overloaded'"),
        (b"error: model overloaded\n\nid: none\n\n", "contains no complete event: 'error: model overloaded"),
        (b"data is missing", "the response is not JSON: 'data is missing'"),
        (b"nothing here", "the response is not JSON: 'nothing here'"),
        (b'data: {"token":{"text":"Hi"}}\n\n', "the stream contains no choices: '{\"token"),
        (b'event: a\ndata: {"delta":"Hi"}\n\ndata: {"b":1}\n\n' + DONE, "the stream contains no choices: '{\"delta"),
        (b'data: {"choices":[],"usage":null}\n\n', "the stream ended before any text"),
        (json.dumps(chunk(choice("a", finish_reason="abort"))).encode(), "its finish reason is 'abort'"),
        (b"Internal Server Error", "the response is not JSON: 'Internal"),
        (b'{"choices":[{"text":["Hello"],"finish_reason":"stop"}]}', "a text that is not a string: '{"),
        (
            b'data: {"choices":[{"text":["Hello"],"finish_reason":"stop"}]}\n\n' + DONE,
            "a text that is not a string: '{",
        ),
        (b'{"choices":[{"finish_reason":null}]}', "contains no choices"),
        (b'{"choices":[{"text":"a","n":' + b"9" * 5000 + b"}]}", "not complete JSON: a number has too many digits: '{"),
        (b'{"choices":[{"text":"a', "not complete JSON: text without its closing quote, at character 21: '{"),
        (b'{"choices":[{"n":1 "text":"a"}]}', "a comma or a closing bracket is missing, at character 20: '{"),
        (b'{"choices":' + b"[" * 100_000, "not complete JSON"),
        (b'{"a":' * 100_000, "not complete JSON"),
        (b"data: {}\n\n" + DONE, "before any text"),
        (DONE, "before any text"),
        (b": ping\n\n", "before any text"),
        (b'data: {"choices":5}\n\n' + DONE, "before any text"),
        (
            b'data: {"choices":null,"usage":{"total_tokens":0},"base":{"code":1004,"msg":"login fail"}}\n\n' + DONE,
            "login fail",
        ),
        (b'data: {"choices":[null]}\n\n' + DONE, "before any text"),
        (b"data: hello\n\n", "an event that is not JSON: 'hello'"),
        (b"data: [1]\n\n", "an event that is not a completion"),
        (b'data: "x"\n\n', "an event that is not a completion"),
        (b'data: {"choices":[{"text":"a","logprob":nan}]}\n\n', "not JSON"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "not JSON"),
        (b"data: {}\x00\n\n", "not JSON"),
    ],
)
def test_what_is_no_completion_is_malformed(body: bytes, message: str) -> None:
    for pieces in ([body], [body[at : at + 1000] for at in range(0, len(body), 1000)]):
        error = Answer(pieces).error
        assert isinstance(error, MalformedResponseError)
        assert message in error.message
        assert error.hint
        assert len(error.message) < 300


def test_numbers_that_json_does_not_know_are_read_as_null() -> None:
    odd = b'{"choices":[{"text":"a","finish_reason":"stop","logprobs":{"token_logprobs":[NaN,-Infinity,1e999,-1.5]}}]}'
    for body in (odd, b"data: " + odd + b"\n\n"):
        answer = read(body)
        assert answer.texts == {0: "a"}
        assert answer.chunks[0].raw["choices"][0]["logprobs"] == {"token_logprobs": [None, None, None, -1.5]}


def test_a_usage_of_zeros_beside_text_is_none() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    for text, usage in (("a", None), ("", Usage(0, 0, 0))):
        whole = chunk(choice(text, 0, "stop"), usage=zeros)
        assert read(sse(whole, chunk(usage=zeros)) + DONE).reader.usage == usage
        assert read(json.dumps(whole).encode()).reader.usage == usage


def test_one_prompt_has_one_choice_whatever_its_pieces_are_numbered() -> None:
    pieces = [chunk(choice(text, number)) for number, text in enumerate("abc")]
    answer = read(sse(*pieces, chunk(choice("d", 3, "stop"))))
    assert (answer.texts, answer.reader.is_renumbered) == ({0: "abcd"}, True)
    assert read(json.dumps(chunk(choice("a", 7, "stop"))).encode()).texts == {0: "a"}
    assert not read(sse(chunk(choice("a", 0, "stop")))).reader.is_renumbered


def test_an_event_that_cannot_be_read_takes_nothing_from_an_answer_that_is_whole() -> None:
    assert read(sse(chunk(choice("An", 0, "stop"))) + b'data: {"usage": oops}\n\n' + b"data: bye\n\n").texts == {
        0: "An"
    }


@pytest.mark.parametrize(
    ("received", "is_idle"),
    [
        ([b": ping\n\n"], True),
        ([b": ping", b" still", b"\n\n"], True),
        ([b"data: {\n", b": ping\n"], True),
        ([b"\n"], False),
        ([b"data: {"], False),
        ([b"data: {}\n\n", b"\n"], True),
        ([b"data: {}\n\n", b"data:\n\n"], True),
        ([b'{"a'], False),
        ([b'{"a', b"\n"], False),
        ([b"error: mo"], False),
        ([b"\n", b": ping\n\n"], True),
    ],
)
def test_every_byte_is_a_sign_of_life_but_those_between_the_events_of_a_stream(
    received: list[bytes], *, is_idle: bool
) -> None:
    reader = ResponseReader()
    for piece in received:
        list(reader.feed(piece))
    assert reader.is_idle is is_idle


def test_big_numbers_and_duplicate_keys_are_read() -> None:
    answer = read(b'data: {"choices":[{"text":"no","text":"a","seed":123456789012345678901234567890}]}\n\n' + DONE)
    assert answer.texts == {0: "a"}
    assert answer.chunks[0].raw["choices"][0]["seed"] == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("wrong", "text", "index", "reason"),
    [
        ({"text": None}, "", 0, None),
        ({"text": "a", "index": "1"}, "a", 0, None),
        ({"text": "a", "index": None}, "a", 0, None),
        ({"text": "a", "index": True}, "a", 0, None),
        ({"text": "a", "index": 1.0}, "a", 0, None),
        ({"text": "a", "index": 2**63 - 1}, "a", 0, None),
        ({"text": "a", "index": 2**63}, "a", 0, None),
        ({"text": "a", "finish_reason": 5}, "a", 0, None),
        ({"text": "a", "finish_reason": {}}, "a", 0, None),
        ({"text": "a", "finish_reason": ""}, "a", 0, None),
        ({"text": "a", "finish_reason": "null"}, "a", 0, None),
    ],
)
def test_fields_of_the_wrong_type_count_as_absent(
    wrong: dict[str, Any], text: str, index: int, reason: str | None
) -> None:
    for body in (sse({"choices": [wrong]}) + DONE, json.dumps({"choices": [wrong]}).encode()):
        assert read(body).chunks[0].deltas == ((index, text, reason),)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (USAGE, Usage(5, 16, 21)),
        ({"prompt_tokens": 5}, Usage(5, None, None)),
        ({"prompt_tokens": "5", "completion_tokens": 1.5, "total_tokens": True}, Usage(None, None, None)),
        ({"prompt_tokens": 10**400, "completion_tokens": 3, "total_tokens": -1}, Usage(None, 3, None)),
        ({"prompt_tokens": 1, "completion_tokens": -2, "total_tokens": -1}, Usage(1, None, None)),
        (None, None),
        ({}, None),
        ("5", None),
        ([1], None),
    ],
)
def test_usage_is_what_the_service_counted(usage: object, counted: Usage | None) -> None:
    assert read(sse(chunk(choice("a"), usage=usage)) + DONE).reader.usage == counted
    assert read(json.dumps(chunk(choice("a"), usage=usage)).encode()).reader.usage == counted


def test_usage_of_all_choices_stands_over_that_of_each() -> None:
    answer = read(
        sse(
            chunk(choice("a", 0, "stop"), usage=USAGE, timings={}),
            chunk(choice("b", 1, "stop"), usage=USAGE, timings={}),
            chunk(usage={"prompt_tokens": 10, "completion_tokens": 32, "total_tokens": 42}, timings={}),
        )
        + DONE
    )
    assert answer.reader.usage == Usage(10, 32, 42)


def test_what_one_prompt_does_not_count_is_not_counted_as_nothing() -> None:
    answer = read(
        sse(
            chunk(choice("a", 0, "stop"), usage=USAGE, timings={}),
            chunk(choice("b", 1, "stop"), usage={"prompt_tokens": 3}, timings={}),
        )
        + DONE,
        2,
    )
    assert answer.reader.usage == Usage(8, None, None)


ERRORS: list[tuple[bytes, type[ServiceError], str]] = [
    (b"event: error\ndata: Error parsing decoded stream: x\n\n", ServerError, "Error parsing decoded stream: x"),
    (b'event: error\ndata: {"message":"x y","code":429}\n\n', RateLimitError, "x y"),
    (b'event: error\ndata: "x y"\n\n', ServerError, "x y"),
    (b"event: error\ndata: null\n\n", ServerError, "the server reported an error inside the stream"),
    (b"event: error\ndata:\n\n", ServerError, "the server reported an error inside the stream"),
    (
        b'data: {"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}\n\n',
        RejectedError,
        "too long",
    ),
    (b'data: {"error":{"message":"slow down","code":"429"}}\n\n', RateLimitError, "slow down"),
    (b'data: {"error":{"message":"boom","code":"server_error"},"choices":null}\n\n', ServerError, "boom"),
    (b'data: {"error":"Downstream unavailable"}\n\n', ServerError, "Downstream unavailable"),
    (
        b'data: {"error":{"message":"no","code":"content_filter"},"choices":[]}\n\n',
        ContentFilterError,
        "no",
    ),
    (b'data: {"message":"boom"}\n\n', ServerError, "boom"),
    (b'data: {"detail":"Not Found"}\n\n', ServerError, "Not Found"),
]


@pytest.mark.parametrize(("event", "kind", "message"), ERRORS)
@pytest.mark.parametrize("before", [b"", sse(chunk(choice("An")), chunk(choice("", finish_reason="stop")))])
@pytest.mark.parametrize("after", [b"", DONE])
def test_an_error_inside_the_stream_is_an_error_and_the_text_stays(
    before: bytes, event: bytes, kind: type[ServiceError], message: str, after: bytes
) -> None:
    for stream in (before + event + after, (before + event + after).replace(b"\n", b"\r\n")):
        for pieces in ([stream], bytewise(stream)):
            answer = Answer(pieces)
            assert type(answer.error) is kind
            assert answer.error.message == message
            assert answer.texts == ({0: "An"} if before else {})


def test_an_error_beside_choices_is_an_error_and_their_text_stays() -> None:
    failing = chunk(choice(" ox", finish_reason="error"), error={"code": 502, "message": "gone"})
    for body in (sse(chunk(choice("An")), failing), sse(failing)[6:-2]):
        answer = Answer([body])
        assert type(answer.error) is ServerError
        assert answer.error.status == 502
        assert answer.texts[0].endswith(" ox")


@pytest.mark.parametrize("error", [None, "", {}, False, []])
def test_an_empty_error_is_none(error: object) -> None:
    assert read(sse(chunk(choice("An", finish_reason="stop"), error=error))).texts == {0: "An"}


@pytest.mark.parametrize(
    "body", [b'{"error":{"message":"x","code":"429"}}', b'{"object":"error","message":"x","code":429}']
)
def test_an_error_in_a_200_document_is_an_error(body: bytes) -> None:
    with pytest.raises(RateLimitError, match="x"):
        read(body)


def test_an_error_event_that_lacks_its_blank_line_is_an_error_when_it_is_whole() -> None:
    with pytest.raises(RateLimitError):
        read(b'data: {"error":{"message":"x","code":"429"}}')


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((r"\ud83d", r"\ude00"), "😀"),
        ((r"a\ud83d", r"\ude00b"), "a😀b"),
        ((r"\ud83d", "", r"\ude00"), "😀"),
        ((r"\ud83d", "a"), "\ufffda"),
        ((r"\ud83d", r"\ud83d\ude00"), "\ufffd😀"),
        ((r"\ude00", r"\ud83d"), "\ufffd\ufffd"),
        ((r"\ud83d",), "\ufffd"),
        ((r"\ud83d\ude00",), "😀"),
        ((r"\uD83D", r"\uDE00"), "😀"),
        (("é", r"\u00e9"), "éé"),
    ],
)
def test_halves_of_a_character_are_joined_over_chunks_and_choices(pieces: tuple[str, ...], text: str) -> None:
    template = '{"choices":[{"index":%d,"text":"%s","finish_reason":%s}]}'
    events = []
    for piece in pieces:
        events += [template % (0, piece, "null"), template % (1, "x" + piece, "null")]
    events += [template % (0, "", '"stop"'), template % (1, "", '"stop"')]
    answer = read("".join(f"data: {event}\n\n" for event in events).encode(), choices=2)
    assert answer.texts[0] == text
    # Choice 1 has an x before each piece, so its halves never meet.
    assert answer.texts[1].count("x") == len(pieces)
    answer.texts[1].encode()


def test_halves_of_a_character_in_a_document_do_not_get_lost() -> None:
    assert read(rb'{"choices":[{"text":"a\ud83d"}]}').texts == {0: "a\ufffd"}
    assert read(rb'{"choices":[{"text":"\ud83d\ude00"}]}').texts == {0: "😀"}


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    assert read(b'data: {"choices":[{"text":"a\xff\xed\xa0\x80"}]}\n\n' + DONE).texts[0].startswith("a\ufffd")


@pytest.mark.parametrize(
    "piece", [b"data: 0123456789", b": ping\n\n", b"\n", b" ", b"{", sse(chunk(choice("a"))), b"data: {}\n\n"]
)
def test_a_body_of_any_kind_is_cut_off_at_the_limit(piece: bytes) -> None:
    reader = ResponseReader(max_body_bytes=1000)
    fed = 0
    while fed + len(piece) <= 1000:
        list(reader.feed(piece))
        fed += len(piece)
    with pytest.raises(MalformedResponseError, match="larger than"):
        list(reader.feed(piece))


def test_blanks_before_the_answer_are_not_searched_again_and_again() -> None:
    """A server may keep the line alive with them, a byte at a time."""
    searched = 0

    class Counting(bytes):
        def lstrip(self, chars: Any = None, /) -> bytes:
            nonlocal searched
            searched += len(self)
            return super().lstrip(chars)

    reader = ResponseReader()
    for _ in range(2000):
        list(reader.feed(Counting(b"\n")))
    assert searched == 2000
    assert len(list(reader.feed(sse(chunk(choice("An")))))) == 1


def never_anything_but_ours(pieces: Iterable[bytes]) -> None:
    answer = Answer(pieces, choices=2)
    assert answer.error or answer.texts
    for text in answer.texts.values():
        text.encode()
    assert answer.error is None or answer.error.message


@given(st.binary(max_size=200), st.integers(1, 9))
def test_any_bytes_are_chunks_or_an_error_of_ours(body: bytes, size: int) -> None:
    never_anything_but_ours(body[at : at + size] for at in range(0, len(body), size))


NAMES = [
    "choices",
    "error",
    "message",
    "detail",
    "usage",
    "text",
    "index",
    "finish_reason",
    "code",
    "status",
    "timings",
    "object",
    "loc",
    "details",
    "innererror",
    "param",
    "prompt_tokens",
    "total_tokens",
    "logprobs",
    "type",
    "msg",
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
a_choice = st.fixed_dictionaries({}, optional={"text": anything, "index": anything, "finish_reason": anything})
a_chunk = st.fixed_dictionaries(
    {"choices": st.lists(a_choice, max_size=3)}, optional={"usage": anything, "error": anything, "timings": anything}
)


@given(st.lists(anything | a_chunk, max_size=4), st.sampled_from([b"", b"event: error\n", b": x\n"]))
def test_any_json_in_a_stream_is_chunks_or_an_error_of_ours(values: list[Any], prefix: bytes) -> None:
    stream = b"".join(prefix + b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    never_anything_but_ours([b": \n" + stream])


@given(anything | a_chunk)
def test_any_json_document_is_chunks_or_an_error_of_ours(value: object) -> None:
    never_anything_but_ours([json.dumps(value).encode()])


@pytest.mark.parametrize("head", [b"", b"data: "])
def test_the_answer_of_llama_cpps_own_route_gets_the_advice_to_end_the_endpoint_in_v1(head: bytes) -> None:
    with pytest.raises(MalformedResponseError, match="contains no choices") as caught:
        read(head + b'{"index":0,"content":" a","stop":false}\n\n')
    assert "end the endpoint in /v1" in str(caught.value.hint)
