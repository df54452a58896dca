"""The answer on its way out: choices in order, separators, newlines, JSON; nothing that drives a terminal."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.errors import MalformedResponseError
from completions_cli.models import Chunk, Delta, Finished, Prompt, Usage
from completions_cli.render import answer, formats
from completions_cli.render.answer import AnswerOptions, Renderer

END = Finished({0: "stop"}, Usage(1, 2, 3))


class Sink:
    """Takes what is written, piece by piece."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        self.is_terminal = self.can_draw = is_terminal
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode()


def of(*deltas: tuple[int, str, str | None], **fields: object) -> Chunk:
    choices = [{"index": index, "text": text, "finish_reason": reason} for index, text, reason in deltas]
    return Chunk({"id": "x", "choices": choices, **fields}, tuple(Delta(*delta) for delta in deltas))


def show(
    *chunks: Chunk,
    is_terminal: bool = False,
    end: Callable[[Renderer], None] | None = None,
    **options: Any,
) -> str:
    sink = Sink(is_terminal=is_terminal)
    renderer = formats.renderer(AnswerOptions(**options), sink)
    for chunk in chunks:
        renderer.chunk(chunk)
    if end is None:
        renderer.finish(END)
    else:
        end(renderer)
    return sink.text


def aborted(renderer: Renderer) -> None:
    renderer.abort()


@pytest.mark.parametrize(
    ("text", "final_newline", "shown"),
    [
        ("a", True, "a\n"),
        ("a\n", True, "a\n"),
        ("a\r\n", True, "a\r\n"),
        ("a\n\n", True, "a\n\n"),
        ("a ", True, "a \n"),
        ("", True, "\n"),
        ("a", False, "a"),
        ("a\n", False, "a\n"),
        ("", False, ""),
    ],
)
def test_a_newline_is_added_where_one_is_missing(text: str, shown: str, *, final_newline: bool) -> None:
    assert show(of((0, text, "stop")), final_newline=final_newline) == shown


def test_text_is_written_as_it_comes() -> None:
    sink = Sink()
    renderer = formats.renderer(AnswerOptions(), sink)
    for piece in ("An", "", " o", "x\n"):
        renderer.chunk(of((0, piece, None)))
    assert sink.pieces == [b"An", b" o", b"x\n"]


@given(st.lists(st.text(max_size=5), max_size=6))
def test_bytes_in_a_pipe_are_exact(pieces: list[str]) -> None:
    shown = show(*(of((0, piece, None)) for piece in pieces), final_newline=False)
    assert shown == "".join(pieces)


def test_choices_are_shown_in_order_the_first_as_it_comes() -> None:
    sink = Sink()
    renderer = formats.renderer(AnswerOptions(choices=3), sink)

    def after(*deltas: tuple[int, str, str | None]) -> str:
        renderer.chunk(of(*deltas))
        return sink.text

    assert after((1, "B", None)) == ""
    assert after((0, "a", None)) == "a"
    assert after((2, "C", "stop"), (1, "b", None)) == "a"
    assert after((0, "A", None)) == "aA"
    assert after((0, "", "stop")) == "aA\nBb"
    assert after((1, "!", None)) == "aA\nBb!"
    assert after((1, "", "stop")) == "aA\nBb!\nC"
    renderer.finish(END)
    assert sink.text == "aA\nBb!\nC\n"


def test_all_choices_whose_turn_has_come_are_shown_at_once() -> None:
    sink = Sink()
    renderer = formats.renderer(AnswerOptions(choices=3), sink)
    for delta in ((2, "c", None), (1, "b", "stop"), (0, "a", "stop")):
        renderer.chunk(of(delta))
    assert sink.text == "a\nb\nc"


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[str], list[Chunk]]:
    texts = [
        draw(st.lists(st.text("ab\n", max_size=3), min_size=1, max_size=3)) for _ in range(draw(st.integers(1, 4)))
    ]
    waiting = [
        [(index, piece, "stop" if at == len(pieces) - 1 else None) for at, piece in enumerate(pieces)]
        for index, pieces in enumerate(texts)
    ]
    chunks = []
    while any(waiting):
        turns = draw(st.lists(st.sampled_from([pieces for pieces in waiting if pieces]), min_size=1, max_size=2))
        chunks.append(of(*(pieces.pop(0) for pieces in turns if pieces)))
    return ["".join(pieces) for pieces in texts], chunks


@given(interleaved())
def test_however_choices_are_interleaved_they_come_out_in_order_and_whole(
    drawn: tuple[list[str], list[Chunk]],
) -> None:
    texts, chunks = drawn
    assert show(*chunks, choices=len(texts), separator="|", final_newline=False) == "|".join(texts)
    on_terminal = show(*chunks, choices=len(texts), is_terminal=True)
    shown = re.split("── choice [0-9]+ ─*\n", on_terminal) if len(texts) > 1 else ["", on_terminal]
    assert [part.removesuffix("\n") for part in shown[1:]] == [text.removesuffix("\n") for text in texts]


@pytest.mark.parametrize("separator", ["\n", "\0", "\n---\n", ""])
def test_choices_are_separated_and_none_is_lost_for_being_empty(separator: str) -> None:
    chunk = of((0, "a", "stop"), (1, "", "stop"), (2, "c", "stop"), (3, "", "stop"))
    assert show(chunk, separator=separator, choices=4) == separator.join(["a", "", "c", ""]) + "\n"


def test_choices_that_never_finish_or_do_not_start_at_0_are_shown_at_the_end() -> None:
    assert show(of((0, "a", None)), of((1, "b", None)), of((0, "A", None))) == "aA\nb\n"
    assert show(of((7, "b", None)), of((3, "a", None)), of((7, "B", "stop"))) == "a\nbB\n"


def test_text_after_the_finish_of_a_choice_that_waits_is_not_lost() -> None:
    assert show(of((1, "b", "stop")), of((1, "B", None)), of((0, "a", "stop"))) == "a\nbB\n"


def test_annotations_after_the_end_of_a_choice_open_it_no_second_time() -> None:
    assert show(of((0, "a", "stop")), of((1, "b", "stop")), of((0, "", None)), of((1, "", None))) == "a\nb\n"


def test_a_choice_more_than_was_asked_for_is_told_apart_on_a_terminal() -> None:
    shown = show(of((0, "a", "stop"), (1, "b", "stop")), choices=1, is_terminal=True)
    assert re.fullmatch("a\n── choice 1 ─*\nb\n", shown)


def test_on_a_terminal_each_choice_has_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    chunk = of((0, "a", "stop"), (1, "b\n", "stop"), (2, "", "stop"))
    shown = show(chunk, choices=3, is_terminal=True, separator="ignored")
    rules = [f"── choice {index} ────────\n" for index in range(3)]
    assert shown == f"{rules[0]}a\n{rules[1]}b\n{rules[2]}\n"
    monkeypatch.setenv("COLUMNS", "1")
    assert show(chunk, choices=3, is_terminal=True).startswith("── choice 0 \na")


ATTACK = "\x1b[2J\x9b31m\u202e\r\x07\x7f\x85\u2028"


def test_a_terminal_gets_no_control_characters_though_they_be_cut_over_chunks() -> None:
    shown = r"\x1b[2J\x9b31m\u202e\x0d\x07\x7f\x85\u2028"
    assert show(of((0, ATTACK, "stop")), is_terminal=True) == shown + "\n"
    assert show(*(of((0, char, None)) for char in ATTACK), is_terminal=True) == shown + "\n"
    assert show(of((1, ATTACK, "stop")), of((0, "\t", "stop")), is_terminal=True, choices=2).count(shown) == 1
    assert show(of((0, "", "stop")), is_terminal=True, echo=lambda _: ATTACK) == shown + "\n"
    assert show(of((0, ATTACK, "stop"))) == ATTACK + "\n"


def test_an_answer_that_breaks_off_keeps_what_came() -> None:
    chunks = (of((0, "a", None)), of((2, "c", None)), of((1, "b", None)))
    assert show(*chunks, end=aborted) == "a\nb\nc"
    assert show(of((0, "a", None)), end=aborted, is_terminal=True) == "a\n"
    assert show(of((0, "a\n", None)), end=aborted, is_terminal=True) == "a\n"
    assert show(end=aborted, is_terminal=True) == ""


def test_the_prompt_comes_before_its_completion() -> None:
    echo = answer.echo_of(["P0 ", "P1 "], 2)
    chunk = of((0, "a", "stop"), (1, "b", "stop"), (2, "c", "stop"), (3, "d", "stop"))
    assert show(chunk, choices=4, echo=echo) == "P0 a\nP0 b\nP1 c\nP1 d\n"
    assert show(of((0, "a", "stop")), echo=answer.echo_of("P\n", 1)) == "P\na\n"


@pytest.mark.parametrize(
    ("prompt", "samples", "index", "text"),
    [
        ("p", 1, 0, "p"),
        ("p", 1, 5, "p"),
        ("p", 3, 2, "p"),
        (["p", "q"], 1, 1, "q"),
        (["p", "q"], 2, 1, "p"),
        (["p", "q"], 1, 2, ""),
        (["p", "q"], 1, -1, ""),
        ([1, 2], 1, 0, "[1, 2]"),
        ([[1], [2]], 1, 1, "[2]"),
        (None, 1, 0, ""),
    ],
)
def test_the_prompt_of_each_choice_is_known(prompt: Prompt | None, samples: int, index: int, text: str) -> None:
    assert answer.echo_of(prompt, samples)(index) == text


def test_json_is_one_document_on_one_line_in_a_pipe_and_indented_on_a_terminal() -> None:
    chunks = (of((0, "An", None), usage=None), of((0, " ox", "stop"), usage={"total_tokens": 3}))
    wanted = {
        "id": "x",
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        "choices": [{"index": 0, "text": "An ox", "finish_reason": "stop"}],
    }
    piped = show(*chunks, format="json", streaming=True)
    assert piped.count("\n") == 1
    assert piped.endswith("\n")
    assert json.loads(piped) == wanted
    shown = show(*chunks, format="json", is_terminal=True)
    assert shown.startswith("{\n  ")
    assert json.loads(shown) == wanted


def test_jsonl_is_a_line_for_each_choice_or_each_chunk_of_a_stream() -> None:
    whole = of((1, "b", "stop"), (0, "a", "length"))
    assert [json.loads(line) for line in show(whole, format="jsonl").splitlines()] == [
        {"index": 0, "text": "a", "finish_reason": "length"},
        {"index": 1, "text": "b", "finish_reason": "stop"},
    ]
    sink = Sink()
    renderer = formats.renderer(AnswerOptions(format="jsonl", streaming=True), sink)
    for index, chunk in enumerate([of((0, "a\n", None)), of((1, "b", "stop"), extra=[1.0])]):
        renderer.chunk(chunk)
        assert len(sink.pieces) == index + 1
        assert json.loads(sink.pieces[index]) == chunk.raw
        assert sink.pieces[index].count(b"\n") == 1
    renderer.finish(END)
    assert len(sink.pieces) == 2


@pytest.mark.parametrize("streaming", [False, True])
def test_what_came_of_an_answer_is_kept_as_json(*, streaming: bool) -> None:
    choices = [{"index": 0, "text": "ab", "finish_reason": None}, {"index": 1, "text": "c", "finish_reason": "stop"}]
    usage = {"completion_tokens": 3}
    chunks = of((0, "a", None), usage=usage), of((1, "c", "stop")), of((0, "b", None))
    shown = json.loads(show(*chunks, end=aborted, format="json", streaming=streaming))
    assert (shown["choices"], shown["usage"]) == (choices, usage)
    lines = show(*chunks, end=aborted, format="jsonl").splitlines()
    assert [json.loads(line) for line in lines] == choices


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_no_answer_is_no_json(name: str) -> None:
    assert show(end=aborted, format=name) == ""
    assert show(of(), end=aborted, format=name) == ""


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_json_on_a_terminal_drives_nothing_and_means_the_same(name: str) -> None:
    shown = show(of((0, ATTACK, "stop")), format=name, is_terminal=True)
    assert not set(shown) & set(ATTACK) - set("[2J31m")
    value = json.loads(shown)
    assert (value["choices"][0] if name == "json" else value)["text"] == ATTACK


def test_halves_of_characters_in_raw_json_stay_escapes() -> None:
    chunk = Chunk({"choices": [{"index": 0, "text": "é\ud83d"}]}, (Delta(0, "é", None),))
    assert show(chunk, format="jsonl", streaming=True) == '{"choices":[{"index":0,"text":"\\u00e9\\ud83d"}]}\n'


def test_what_is_too_deep_to_write_is_the_responses_fault() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    chunk = of((0, "a", None), extra=deep)
    for streaming in (True, False):
        with pytest.raises(MalformedResponseError, match="nested too deeply"):
            show(chunk, format="json" if not streaming else "jsonl", streaming=streaming)
    while deep:  # taken apart by hand: freeing it at once would recurse as well
        deep = deep.pop()
