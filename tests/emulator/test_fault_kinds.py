"""Every fault does what `--list-faults` says of it."""

import gzip
import json
import zlib
from typing import Any

import pytest

from completions_cli.emulator.faults.catalogue import catalogue
from tests.emulator.exchange import EOF, RESET, SILENCE, Answer, ask
from tests.emulator_process import EmulatorProcess, Start

TWO = {"prompt": ["hello there", "you"], "max_tokens": 8}
STREAM = {**TWO, "stream": True}
STATUSES = [kind for kind in catalogue() if kind[0].isdigit()]


@pytest.fixture
def server(shared: Start) -> EmulatorProcess:
    return shared()


@pytest.fixture
def plain(server: EmulatorProcess) -> Answer:
    return ask(server, TWO)


@pytest.fixture
def stream(server: EmulatorProcess) -> Answer:
    return ask(server, STREAM)


def text_of(events: list[Any]) -> str:
    """Put the text of a stream's first choice together."""
    chunks = [event for event in events if isinstance(event, dict) and event.get("choices")]
    return "".join(c.get("text", "") for chunk in chunks for c in chunk["choices"] if c["index"] == 0)


@pytest.mark.parametrize("kind", STATUSES)
def test_a_status_fault_answers_with_its_status(server: EmulatorProcess, kind: str) -> None:
    answer = ask(server, fault=kind)
    assert answer.status == int(kind[:3])
    assert answer.end == EOF
    if answer.headers["content-type"] == "application/json" and kind != "400-trailing":
        assert isinstance(answer.json(), dict)
    assert "$" not in answer.text


@pytest.mark.parametrize(
    ("kind", "header", "value"),
    [
        ("429=2", "retry-after", "2"),
        ("429=2", "retry-after-ms", "2000"),
        ("429=2", "x-ms-retry-after-ms", "2000"),
        ("429-retry-after=0.2", "retry-after", "1"),
        ("429-ms=0.25", "retry-after-ms", "250"),
        ("429-x-ms=0.25", "x-ms-retry-after-ms", "250"),
        ("503=3", "retry-after", "3"),
        ("429-garbled", "retry-after", "soon"),
        ("424-throttled", "ms-azureml-model-error-statuscode", "429"),
    ],
)
def test_a_wait_is_asked_for_in_one_header(server: EmulatorProcess, kind: str, header: str, value: str) -> None:
    headers = ask(server, fault=kind).headers
    assert headers[header] == value
    waits = {name for name in headers if "retry-after" in name}
    assert len(waits) == (3 if kind == "429=2" else 0 if kind.startswith("424") else 1)


@pytest.mark.parametrize("kind", ["429-message", "429-bare", "429-text", "429-day"])
def test_a_429_without_any_header(server: EmulatorProcess, kind: str) -> None:
    assert not [name for name in ask(server, fault=kind).headers if "retry" in name]


def test_a_date_is_asked_for_in_gmt(server: EmulatorProcess) -> None:
    assert ask(server, fault="429-date=30").headers["retry-after"].endswith(" GMT")


@pytest.mark.parametrize("body", [TWO, STREAM])
@pytest.mark.parametrize(
    ("kind", "end", "first"),
    [
        ("reset", RESET, b""),
        ("close", EOF, b""),
        ("reset-head", RESET, b"HTTP/1.1 200 OK\r\n"),
        ("reset-headers", RESET, b"HTTP/1.1 200 OK\r\n"),
        ("reset-body", RESET, b"HTTP/1.1 200 OK\r\n"),
        ("truncate=20", EOF, b"HTTP/1.1 200 OK\r\n"),
        ("not-http", EOF, b"220 "),
    ],
)
def test_a_connection_that_breaks(server: EmulatorProcess, body: object, kind: str, end: str, first: bytes) -> None:
    answer = ask(server, body, fault=kind)
    assert answer.end == end
    assert answer.raw.startswith(first)
    if not first:
        assert answer.raw == b""


def test_where_a_connection_breaks(server: EmulatorProcess) -> None:
    assert b"\r\n\r\n" not in ask(server, TWO, fault="reset-head").raw
    assert ask(server, TWO, fault="reset-headers").raw.endswith(b"\r\n\r\n")
    half = ask(server, TWO, fault="reset-body")
    assert len(half.body) == int(half.headers["content-length"]) // 2
    cut = ask(server, TWO, fault="truncate=20")
    assert len(cut.body) == 20 < int(cut.headers["content-length"])
    whole = ask(server, TWO, fault="truncate=100000")
    assert len(whole.body) == int(whole.headers["content-length"]) - 1
    assert len(ask(server, STREAM, fault="truncate=333").body) == 333


@pytest.mark.parametrize("body", [TWO, STREAM])
def test_a_request_that_is_never_answered(server: EmulatorProcess, body: object) -> None:
    answer = ask(server, body, fault="hang", patience=0.3)
    assert (answer.raw, answer.end) == (b"", SILENCE)


@pytest.mark.parametrize("body", [TWO, STREAM])
def test_slow_answers(server: EmulatorProcess, body: object) -> None:
    assert ask(server, body, fault="slow-first-byte=3600", patience=0.3).raw == b""
    assert ask(server, body, fault="slow-first-byte=0.01").status == 200
    dripping = ask(server, body, fault="slow-body=3600", patience=0.3)
    assert (len(dripping.body), dripping.end) == (1, SILENCE)
    assert ask(server, {"prompt": "x", "max_tokens": 1}, fault="slow-body=0").json()["choices"]


def test_lengths_that_lie(server: EmulatorProcess) -> None:
    for body in (TWO, STREAM):
        short, long = ask(server, body, fault="length-short"), ask(server, body, fault="length-long")
        assert len(short.body) > int(short.headers["content-length"])
        assert len(long.body) < int(long.headers["content-length"])
        with pytest.raises(ValueError, match="none"):
            _ = ask(server, body, fault="bad-chunk").writes


def test_interim_answers_come_first(server: EmulatorProcess) -> None:
    first, second, third, _ = ask(server, TWO, fault="interim").raw.split(b"\r\n\r\n", 3)
    assert [part.split(b" ")[1] for part in (first, second, third)] == [b"100", b"103", b"200"]


def test_gzip(server: EmulatorProcess, plain: Answer) -> None:
    packed = ask(server, TWO, fault="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.body))["choices"] == plain.json()["choices"]
    streamed = ask(server, STREAM, fault="gzip")
    unpacker = zlib.decompressobj(wbits=31)
    assert unpacker.decompress(streamed.writes[0]).endswith(b"\n\n")
    assert gzip.decompress(streamed.body).endswith(b"data: [DONE]\n\n")
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(ask(server, TWO, fault="gzip-broken").body)


def test_a_bomb_is_small_until_it_is_unpacked(server: EmulatorProcess) -> None:
    bomb = ask(server, TWO, fault="gzip-bomb=8")
    assert len(bomb.body) < 20_000
    assert len(json.loads(gzip.decompress(bomb.body))["choices"][0]["text"]) == 8 << 20
    streamed = gzip.decompress(ask(server, STREAM, fault="gzip-bomb=2").body)
    assert streamed.startswith(b"data: {")
    assert streamed.endswith(b"data: [DONE]\n\n")


def test_bodies_that_are_huge(server: EmulatorProcess) -> None:
    assert len(ask(server, TWO, fault="huge=2").json()["choices"][0]["text"]) == 2 << 20
    assert len(ask(server, STREAM, fault="stream-huge=2").events[0]["choices"][0]["text"]) == 2 << 20


def test_bodies_that_are_not_what_they_should_be(server: EmulatorProcess) -> None:
    assert ask(server, TWO, fault="text-plain").headers["content-type"] == "text/plain; charset=utf-8"
    assert "content-type" not in ask(server, TWO, fault="no-type").headers
    assert ask(server, TWO, fault="html-200").body.startswith(b"<!doctype html>")
    assert ask(server, TWO, fault="empty-200").body == b""
    with pytest.raises(json.JSONDecodeError):
        ask(server, TWO, fault="not-json").json()
    assert ask(server, TWO, fault="bom").body.startswith(b'\xef\xbb\xbf{"id"')
    with pytest.raises(UnicodeDecodeError):
        _ = ask(server, TWO, fault="not-utf8").text


def test_choices_that_are_missing_or_in_no_order(server: EmulatorProcess) -> None:
    many = {"prompt": [str(number) for number in range(20)], "max_tokens": 1}
    indexes = {
        kind: [choice["index"] for choice in ask(server, many, fault=kind).json()["choices"]]
        for kind in ("missing-choice", "shuffled-choices", "repeated-choice", "no-choices")
    }
    assert indexes["missing-choice"] == list(range(1, 20))
    assert sorted(indexes["shuffled-choices"]) == list(range(20)) != indexes["shuffled-choices"]
    assert indexes["repeated-choice"] == [*range(20), 0]
    assert indexes["no-choices"] == []


def test_documents_that_say_less_or_more(server: EmulatorProcess) -> None:
    assert [choice["text"] for choice in ask(server, TWO, fault="blanked").json()["choices"]] == ["", ""]
    assert "error" in ask(server, TWO, fault="error-200").json()
    for body in (TWO, STREAM):
        documents = {
            kind: _documents(ask(server, body, fault=kind))
            for kind in ("no-usage", "null-usage", "sparse", "unknown-fields")
        }
        assert not any("usage" in document for document in documents["no-usage"])
        assert all(document["usage"] is None for document in documents["null-usage"])
        assert all(document.keys() == {"choices"} for document in documents["sparse"])
        assert documents["unknown-fields"][-1]["choices"][-1]["finish_reason"] == "model_length"


def _documents(answer: Answer) -> list[Any]:
    return answer.events[:-1] if answer.headers["content-type"].startswith("text/event") else [answer.json()]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text-escapes", "\x1b[31mred"),
        ("text-lines", "one\u2028two"),
        ("text-bidi", "\u202eright"),
        ("text-surrogates", "\U0001f642 \ud83d alone"),
    ],
)
def test_text_that_is_hard_to_show(server: EmulatorProcess, kind: str, text: str) -> None:
    assert ask(server, TWO, fault=kind).json()["choices"][1]["text"].startswith(text)
    assert text_of(ask(server, STREAM, fault=kind).events).startswith(text)


@pytest.mark.parametrize("kind", ["text-escapes", "text-lines", "text-bidi", "text-surrogates"])
def test_only_the_start_of_a_text_is_changed(server: EmulatorProcess, stream: Answer, kind: str) -> None:
    changed = text_of(ask(server, STREAM, fault=kind).events)
    assert changed.endswith(text_of(stream.events))
    assert changed.count("three") <= 1


FRAMED = {
    "stream-crlf": lambda body: body.replace(b"\r\n", b"\n"),
    "stream-cr": lambda body: body.replace(b"\r", b"\n"),
    "stream-no-space": lambda body: body.replace(b"data:", b"data: "),
    "stream-multiline": lambda body: body.replace(b',\ndata: "choices":\ndata: ', b',"choices":'),
    "stream-fields": lambda body: body.replace(b"id: 7\nretry: 3000\nunknown: x\nnameless\n", b""),
    "stream-comments": lambda body: body.replace(b": ping\n\n\n:\n", b""),
    "stream-bom": lambda body: body.removeprefix(b"\xef\xbb\xbf"),
    "stream-no-blank": lambda body: body + b"\n\n",
    "stream-split": lambda body: body,
    "stream-burst": lambda body: body,
    "stream-nulls": lambda body: body.replace(b"data: null\n\n", b""),
}


@pytest.mark.parametrize("kind", FRAMED)
def test_another_framing_of_the_same_stream(server: EmulatorProcess, stream: Answer, kind: str) -> None:
    answer = ask(server, STREAM, fault=kind)
    usual = Answer(b"HTTP/1.1 200 OK\r\n\r\n" + FRAMED[kind](answer.body), EOF)
    if kind not in ("stream-split", "stream-burst"):
        assert answer.body != usual.body
    assert text_of(usual.events) == text_of(stream.events)
    assert len(usual.events) == len(stream.events)


def test_how_a_stream_is_written(server: EmulatorProcess, stream: Answer) -> None:
    assert len(stream.writes) == len(stream.events)
    assert {len(write) for write in ask(server, STREAM, fault="stream-split").writes} == {1}
    assert len(ask(server, STREAM, fault="stream-burst").writes) == 1


def test_chunks_beside_the_usual_ones(server: EmulatorProcess, stream: Answer) -> None:
    usual = text_of(stream.events)
    answers = {
        kind: ask(server, STREAM, fault=kind).events
        for kind in ("stream-empty-choices", "stream-annotations", "stream-usage-last", "stream-after-done")
    }
    assert answers["stream-empty-choices"][0]["choices"] == []
    assert "text" not in answers["stream-annotations"][1]["choices"][0]
    assert answers["stream-usage-last"][-2]["choices"] == []
    assert answers["stream-usage-last"][-2]["usage"]["completion_tokens"] == 16
    assert "usage" not in answers["stream-usage-last"][-3]
    assert (
        answers["stream-after-done"].index("[DONE]") == len(stream.events) - 1 == len(answers["stream-after-done"]) - 2
    )
    assert text_of(answers["stream-after-done"]) == usual + "after the end"
    assert all(
        text_of(answers[kind]) == usual for kind in ("stream-empty-choices", "stream-annotations", "stream-usage-last")
    )


def test_surrogates_in_two_chunks(server: EmulatorProcess) -> None:
    answer = ask(server, STREAM, fault="stream-surrogates")
    assert [event["choices"][0]["text"] for event in answer.events[:2]] == ["\ud83d", "\ude42"]
    assert b'"\\ud83d"' in answer.body


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("stream-error-managed", "event: error\ndata: Error parsing decoded stream: invalid chunk"),
        ("stream-error-object", 'data: {"object":"error",'),
        ("stream-error-nested", 'data: {"error":{'),
        ("stream-error-fields", 'data: {"code":"429","message":"Rate limit is exceeded.","choices":null}'),
        ("stream-garbled", 'data: {"choices": ['),
    ],
)
def test_an_error_midway_then_done(server: EmulatorProcess, kind: str, error: str) -> None:
    *chunks, wrong, done = ask(server, STREAM, fault=kind).text.removesuffix("\n\n").split("\n\n")
    assert len(chunks) == 3
    assert all('"finish_reason":null' in chunk for chunk in chunks)
    assert wrong.startswith(error)
    assert done == "data: [DONE]"


def test_streams_without_their_end(server: EmulatorProcess) -> None:
    undone = ask(server, STREAM, fault="stream-no-done")
    assert undone.events == [json.loads(json.dumps(event)) for event in undone.events]
    assert undone.events[-1]["choices"][0]["finish_reason"] == "length"
    cut = ask(server, STREAM, fault="stream-cut")
    assert len(cut.events) == 3
    assert not any(event["choices"][0]["finish_reason"] for event in cut.events)
    torn = ask(server, STREAM, fault="stream-cut-event")
    assert not torn.body.endswith(b"\n")
    assert torn.body.count(b"\n\n") == 3


def test_a_filtered_stream(server: EmulatorProcess) -> None:
    *chunks, done = ask(server, STREAM, fault="stream-filtered").events
    assert done == "[DONE]"
    assert chunks[-1]["choices"][0] == {"index": 0, "finish_reason": "content_filter", "text": ""}


def test_streams_that_fall_silent(server: EmulatorProcess) -> None:
    stalled = ask(server, STREAM, fault="stream-stall", patience=0.3)
    assert (stalled.end, len(stalled.writes)) == (SILENCE, 3)
    pinging = ask(server, STREAM, fault="stream-pings", until=b": ping\n\n\r\n8\r\n: ping\n\n\r\n")
    assert pinging.writes[3:5] == [b": ping\n\n", b": ping\n\n"]
    opened = ask(server, STREAM, fault="stream-open", patience=0.3)
    assert (opened.end, opened.events[-1]) == (SILENCE, "[DONE]")
    assert ask(server, STREAM, fault="stream-stall=0").events[-1] == "[DONE]"


def test_another_form_of_a_stream(server: EmulatorProcess, plain: Answer) -> None:
    whole = ask(server, STREAM, fault="stream-plain")
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["choices"] == plain.json()["choices"]
    mistyped = ask(server, STREAM, fault="stream-json-type")
    assert mistyped.headers["content-type"] == "application/json"
    assert mistyped.events[-1] == "[DONE]"


def test_redirects(server: EmulatorProcess) -> None:
    away, once, again = (ask(server, fault=kind) for kind in ("redirect", "redirect-once", "redirect-loop"))
    assert (away.status, away.headers["location"]) == (307, "http://redirected.invalid/completions")
    assert once.status == 307
    assert ask(server, path=once.headers["location"], fault="redirect-once").status == 200
    assert (again.status, again.headers["location"]) == (308, "/completions?api-version=2024-04-01-preview")


@pytest.mark.parametrize(
    "kind", [kind for kind, fault in catalogue().items() if fault.events or fault.blocks or fault.plain]
)
@pytest.mark.parametrize("behaviour", ["managed", "foundry"])
def test_every_stream_fault_fits_the_other_back_ends(shared: Start, behaviour: str, kind: str) -> None:
    server = shared("--behaviour", behaviour)
    body = {"prompt": "hello", "model": "m", "max_tokens": 6, "stream": True}
    value = "=0" if catalogue()[kind].value_name else ""
    answer = ask(server, body, headers={"api-key": "k"}, fault=kind + value)
    assert answer.status == 200
    assert answer.end == EOF


def test_faults_for_streams_leave_other_answers_alone_and_the_other_way_round(
    server: EmulatorProcess, plain: Answer
) -> None:
    assert ask(server, TWO, fault="stream-cut").json()["choices"] == plain.json()["choices"]
    assert ask(server, STREAM, fault="no-choices").events[-1] == "[DONE]"


def test_faults_of_several_stages_work_together(server: EmulatorProcess) -> None:
    answer = ask(server, fault="429-bare, gzip, text-plain")
    assert answer.status == 429
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"Rate limit" in gzip.decompress(answer.body)


@pytest.mark.parametrize(
    "second", ["repeated-choice", "blanked", "shuffled-choices", "sparse", "unknown-fields", "text-lines"]
)
@pytest.mark.parametrize("first", ["no-choices", "error-200"])
def test_a_fault_of_choices_bears_that_another_left_none(server: EmulatorProcess, first: str, second: str) -> None:
    assert ask(server, TWO, fault=f"{first},{second}").status == 200


def test_a_fault_that_does_not_exist_is_told(server: EmulatorProcess) -> None:
    answer = ask(server, fault="nonsense")
    assert (answer.status, answer.text) == (400, "x-emulator-fault: there is no fault 'nonsense'\n")


@pytest.mark.parametrize("often", ["429:0.5", "429=2:x1"])
def test_one_requests_own_fault_has_no_rate(server: EmulatorProcess, often: str) -> None:
    answer = ask(server, fault=often)
    assert (answer.status, answer.text.partition(":")[0]) == (400, "x-emulator-fault")


def test_a_redirect_names_a_path_of_any_characters(shared: Start) -> None:
    answer = ask(
        shared("--behaviour", "foundry"), path="/openai/deployments/a%0d%0ab/completions?c=d", fault="redirect-loop"
    )
    assert answer.headers["location"] == "/openai/deployments/a%0D%0Ab/completions?c=d"
