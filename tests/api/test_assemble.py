"""Chunks put together: the same object that the request would have had without `stream`."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.assemble import Assembler
from completions_cli.api.reader import ResponseReader
from completions_cli.models import Chunk, Delta, Usage


def assembled(*objects: dict[str, Any], choices: int = 1) -> dict[str, Any]:
    """Assemble objects as they come through the reader of an event stream."""
    stream = b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in objects)
    reader = ResponseReader(choices)
    assembler = Assembler()
    for chunk in [*reader.feed(stream + b"data: [DONE]\n\n"), *reader.close()]:
        assembler.add(chunk)
    return assembler.response(reader.usage)


def head(**fields: object) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m", "choices": [], **fields}


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
# As the service sends them about its content filter, at the start, at the end or anywhere between.
ANNOTATION = {"id": "", "object": "", "created": 0, "model": "", "prompt_filter_results": [{"prompt_index": 0}]}


@st.composite
def whole_choices(
    draw: st.DrawFn, index: int, reasons: st.SearchStrategy[str | None]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw a choice, and the same choice in pieces."""
    count = draw(st.integers(1, 4))
    texts = [draw(st.text(max_size=4)) for _ in range(count)]
    reason = draw(reasons)
    whole: dict[str, Any] = {"index": index, "text": "".join(texts), "finish_reason": reason}
    pieces: list[dict[str, Any]] = [{"index": index, "text": text, "finish_reason": None} for text in texts]
    pieces[-1]["finish_reason"] = reason
    if draw(st.booleans()):
        rows = [draw(st.lists(st.floats(-9, 0), max_size=2)) for _ in range(count)]
        whole["logprobs"] = {"token_logprobs": sum(rows, []), "top_logprobs": None}  # noqa: RUF017 - a few items
        for piece, row in zip(pieces, rows, strict=True):
            piece["logprobs"] = {"token_logprobs": row, "top_logprobs": None}
    if draw(st.booleans()):
        whole["stop_reason"] = pieces[-1]["stop_reason"] = 5
        pieces[0].setdefault("stop_reason", None)
    return whole, pieces


@given(st.data())
def test_chunks_give_the_object_of_the_unstreamed_response(data: st.DataObject) -> None:
    reasons = data.draw(st.sampled_from([st.sampled_from(["stop", "length", "content_filter"]), st.none()]))
    drawn = [data.draw(whole_choices(index, reasons)) for index in range(data.draw(st.integers(1, 3)))]
    waiting = [list(pieces) for _, pieces in drawn]
    events: list[dict[str, Any]] = []
    while any(waiting):
        turn = data.draw(st.sampled_from([pieces for pieces in waiting if pieces]))
        events.append(head(choices=[turn.pop(0)], usage=None))
    annotated = data.draw(st.booleans())
    if annotated:
        events.insert(data.draw(st.integers(0, len(events))), {**ANNOTATION, "choices": []})
    events.append(head(usage=USAGE, system_fingerprint="fp"))
    wanted = head(choices=[whole for whole, _ in drawn], usage=USAGE, system_fingerprint="fp")
    if annotated:
        wanted["prompt_filter_results"] = ANNOTATION["prompt_filter_results"]
    assert assembled(*events, choices=len(drawn)) == wanted


def test_a_document_is_given_back_as_it_came() -> None:
    choice = {"index": 0, "text": "a", "finish_reason": "stop", "logprobs": {"tokens": ["a"], "text_offset": [0]}}
    whole = head(choices=[choice], usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 1}}, x_unknown=[1])
    assert assembled(whole) == whole


def test_choices_are_in_index_order_wherever_they_start() -> None:
    pieces = [{"index": index, "text": str(index), "finish_reason": "stop"} for index in (7, 3, 5)]
    assert [choice["index"] for choice in assembled(head(choices=pieces), choices=len(pieces))["choices"]] == [3, 5, 7]


def test_an_index_that_is_none_is_the_choices_place() -> None:
    pieces = [{"index": odd, "text": "a", "finish_reason": "stop"} for odd in ("x", None)]
    assert [choice["index"] for choice in assembled(head(choices=pieces), choices=len(pieces))["choices"]] == [0, 1]


def test_a_filtered_streams_annotations_do_not_hide_what_is_known() -> None:
    text = head(choices=[{"index": 0, "text": "a", "finish_reason": "stop"}])
    late = {**ANNOTATION, "choices": [{"index": 0, "finish_reason": None, "content_filter_results": {"hate": {}}}]}
    found = assembled(text, late)
    assert (found["id"], found["model"], found["created"]) == ("cmpl-1", "m", 7)
    assert found["choices"] == [{**text["choices"][0], "content_filter_results": {"hate": {}}}]


def test_log_probabilities_are_extended_whatever_they_hold() -> None:
    def piece(logprobs: object) -> dict[str, Any]:
        return head(choices=[{"index": 0, "text": "a", "logprobs": logprobs}])

    found = assembled(
        piece(None),
        piece({"tokens": ["a"], "top_logprobs": None, "note": "x"}),
        piece({"tokens": ["b"], "top_logprobs": [{"b": -1}], "note": None}),
        piece(None),
    )
    assert found["choices"][0]["logprobs"] == {"tokens": ["a", "b"], "top_logprobs": [{"b": -1}], "note": "x"}


def test_the_chunks_themselves_are_not_changed() -> None:
    raw = head(choices=[{"index": 0, "text": "a", "logprobs": {"tokens": ["a"]}}])
    before = copy.deepcopy(raw)
    assembler = Assembler()
    for _ in range(2):
        assembler.add(Chunk(raw, (Delta(0, "a", None),)))
    assembler.response(Usage(1, 2, 3))["choices"][0]["logprobs"]["tokens"].append("x")
    assert raw == before


def test_usage_is_the_tally_over_what_each_prompt_said() -> None:
    ends = [
        head(choices=[{"index": index, "text": "", "finish_reason": "stop"}], usage=USAGE, timings={})
        for index in (0, 1)
    ]
    assert assembled(*ends, choices=2)["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}


def test_usage_that_was_never_sent_is_not_made_up() -> None:
    text = head(choices=[{"index": 0, "text": "a"}])
    assert "usage" not in assembled(text)
    assert assembled({**text, "usage": None})["usage"] is None


def test_choices_that_cannot_be_read_are_left_out() -> None:
    choice = {"index": 0, "text": "a", "finish_reason": None}
    for odd in (5, "x", {"a": 1}, [None, 1]):
        assert assembled(head(choices=odd), head(choices=[None, choice, 1]))["choices"] == [choice]
