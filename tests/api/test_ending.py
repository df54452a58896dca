"""The end of an answer, without a network: the table of `tests.endings`, and what holds of every course of events."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.ending import AnswerEnd, has_finished
from completions_cli.api.finish_reasons import is_max_tokens, meaning_of, reason_of
from completions_cli.api.json_body import JsonBody
from completions_cli.client.incoming import Incoming
from completions_cli.errors import CompletionsError, MalformedResponseError, RequestTimeoutError
from completions_cli.models import Chunk, CompletionRequest
from tests.endings import ENDINGS, How, Row, document, piece

BROKEN: dict[How, CompletionsError | None] = {
    "ends": None,
    "cut": MalformedResponseError("cut"),
    "reset": MalformedResponseError("reset"),
    "silent": RequestTimeoutError("silent"),
    "beats": RequestTimeoutError("silent"),
    "dribbles": RequestTimeoutError("silent"),
}


def outcome(row: Row, pieces: Iterable[bytes]) -> tuple[int, tuple[str, ...]]:
    """Read a row, and give its exit code and texts."""
    incoming = Incoming(CompletionRequest(["P"] * row.prompts if row.prompts > 1 else "P"))
    chunks: list[Chunk] = []
    code = 0
    try:
        for part in pieces:
            chunks += incoming.feed(part)
        broken = BROKEN[row.how]
        if broken is not None and not incoming.is_done:
            incoming.break_off(broken)
        for chunk in incoming.close():
            chunks.append(chunk)
    except CompletionsError as error:
        code = int(error.exit_code)
    texts: dict[int, str] = {}
    for chunk in chunks:
        for delta in chunk.deltas:
            texts[delta.index] = texts.get(delta.index, "") + delta.text
    return code, tuple(texts[index] for index in sorted(texts))


@pytest.mark.parametrize("row", ENDINGS, ids=[row.name for row in ENDINGS])
def test_every_end_has_its_outcome_however_it_is_cut(row: Row) -> None:
    for size in (1, 7, 10_000):
        pieces = [row.came[at : at + size] for at in range(0, len(row.came), size)]
        assert outcome(row, pieces) == (row.exit_code, row.texts)


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, "stop", "length"])), max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_an_answer_is_whole_just_when_every_choice_has_a_reason_or_none_has_and_done_came(
    expected: int, pieces: list[tuple[int, str | None]], is_done: bool, is_broken: bool
) -> None:
    ending = AnswerEnd(expected)
    for index, reason in pieces:
        ending.piece(index, reason)
    ending.is_done = is_done
    finished = {index for index, reason in pieces if reason}
    came = {index for index, _ in pieces}
    failure = ending.failure(MalformedResponseError("broken") if is_broken else None) or ending.misfit()
    asked_for = came == set(range(expected)) or (expected == 1 and bool(came))
    assert (failure is None) == (asked_for and (finished == came or (is_done and not finished)))
    assert ending.is_complete == (finished == came and len(came) >= expected)


@pytest.mark.parametrize("none", ["", "null", "None", None, 5, {}, [], True])
def test_a_reason_that_says_nothing_is_none(none: object) -> None:
    assert reason_of(none) is None


@pytest.mark.parametrize("reason", ["stop", "length", "eos_token", "nullified"])
def test_reasons_are_an_open_set(reason: str) -> None:
    assert reason_of(reason) == reason


@pytest.mark.parametrize(
    "text",
    ["", "a", '"', '\\"', "\\", "\\\\", "{", "}", "}{", '"}', "[{", "é\u2028", "\n", "}\\", 'x"},{"'],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_document_is_known_to_be_whole_at_its_last_byte_and_not_before(text: str, size: int) -> None:
    came = document(piece(text, "stop"), note={"inner": [{}, text]}) + b"\n \n"
    body = JsonBody()
    for at in range(0, len(came), size):
        body.add(came[at : at + size])
        is_last = len(came[: at + size].rstrip()) == len(came.rstrip())
        assert body.has_finished() is is_last


def test_a_document_whose_choices_go_on_is_not_known_to_be_the_last() -> None:
    body = JsonBody()
    body.add(document(piece("a", "")))
    assert not body.has_finished()
    body.add(b"\n" + document(piece("b", "stop")))
    assert not body.has_finished()
    assert not has_finished({"choices": []})
    assert not has_finished({"choices": [None]})
    assert not has_finished({})


def test_the_search_for_the_end_of_a_document_is_linear() -> None:
    """Each piece ends as a document may, within one long string."""
    body = JsonBody()
    body.add(b'{"choices":[{"text":"')
    for _ in range(20_000):
        body.add(b"x" * 200 + b"}")
        assert not body.has_finished()
    body.add(b'","finish_reason":"stop"}]}')
    assert body.has_finished()


@pytest.mark.parametrize(
    ("meaning", "reasons"),
    [
        ("length", ["length", "LENGTH", "max_tokens", "MAX_TOKENS", "max_new_tokens", "maxTokens", "token_limit"]),
        ("length", ["model_length", "model_context_window_exceeded", "time_limit"]),
        ("content_filter", ["content_filter", "CONTENT_FILTERED", "guardrail_intervened", "SAFETY", "refusal"]),
        ("content_filter", ["content-policy", "PROHIBITED_CONTENT", "sensitive"]),
    ],
)
def test_a_text_that_was_cut_off_is_known_in_the_words_of_any_server(meaning: str, reasons: list[str]) -> None:
    assert {meaning_of(reason) for reason in reasons} == {meaning}
    others = {"model_length", "model_context_window_exceeded", "time_limit"}
    assert {is_max_tokens(reason) for reason in reasons} == {meaning == "length" and others.isdisjoint(reasons)}


@pytest.mark.parametrize(
    "reason", ["stop", "eos_token", "stop_sequence", "end_turn", "COMPLETE", "eos", "tool_calls", ""]
)
def test_an_end_of_the_model_s_own_is_no_cut(reason: str) -> None:
    assert meaning_of(reason) == reason
    assert not is_max_tokens(reason)
