"""The event decoder against the WHATWG standard §9.2.6: its cases, every cut of the bytes, and its costs."""

import itertools
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.sse import Event, EventDecoder
from completions_cli.errors import MalformedResponseError
from tests.api.sse_oracle import as_text, oracle

BOM = b"\xef\xbb\xbf"


def feed(decoder: EventDecoder, pieces: Iterable[bytes]) -> list[Event]:
    return [event for piece in pieces for event in decoder.feed(piece)]


def decode(pieces: Iterable[bytes]) -> tuple[list[Event], Event | None]:
    """Feed pieces; give the events, and the one that the end of the stream left without its blank line."""
    decoder = EventDecoder()
    return feed(decoder, pieces), decoder.close()


def event(data: bytes, kind: bytes = b"") -> Event:
    return kind, data


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\n", [event(b"a")], id="one event"),
        pytest.param(b"data:a\n\n", [event(b"a")], id="no space after the colon"),
        pytest.param(b"data:  a \n\n", [event(b" a ")], id="one space only is dropped"),
        pytest.param(b"data: a\ndata: b\n\n", [event(b"a\nb")], id="data lines are joined by LF"),
        pytest.param(b"data\n\ndata\ndata\n\ndata:", [event(b""), event(b"\n")], id="data without a colon"),
        pytest.param(b"data: a\r\n\r\n", [event(b"a")], id="CRLF"),
        pytest.param(b"data: a\r\r", [event(b"a")], id="CR"),
        pytest.param(b"data: a\r\n\rdata: b\n\r\n", [event(b"a"), event(b"b")], id="line ends mixed"),
        pytest.param(b"data: a\n\r\n\rdata: b\r\r", [event(b"a"), event(b"b")], id="LF, CRLF, CR"),
        pytest.param(BOM + b"data: a\n\n", [event(b"a")], id="BOM"),
        pytest.param(BOM + BOM + b"data: a\n\n", [], id="only one BOM is dropped"),
        pytest.param(b"\n" + BOM + b"data: a\n\n", [], id="BOM elsewhere is text"),
        pytest.param(b"data: a\n\n" + BOM + b"data: b\n\n", [event(b"a")], id="BOM of a later event is text"),
        pytest.param(b": hello\ndata: a\n:\n\n", [event(b"a")], id="comments"),
        pytest.param(b":\n\n: ping\n\n", [], id="comments alone are no event"),
        pytest.param(b"retry: 500\n\n", [], id="retry alone is no event"),
        pytest.param(b"id: 1\nevent: x\n\n", [], id="id and event alone are no event"),
        pytest.param(b"event: x\n\ndata: a\n\n", [event(b"a")], id="an event's type does not outlive it"),
        pytest.param(b"event: error\ndata: a\n\n", [event(b"a", b"error")], id="event type"),
        pytest.param(b"data: a\nevent:error\n\n", [event(b"a", b"error")], id="event type after the data"),
        pytest.param(b"event: x\nevent\ndata: a\n\n", [event(b"a")], id="event without a colon"),
        pytest.param(b"id: 1\x00\ndata: a\n\n", [event(b"a")], id="NUL in id"),
        pytest.param(b"data: a\x00b\n\n", [event(b"a\x00b")], id="NUL in data"),
        pytest.param(b"Data: a\ndatax: b\n data: c\ndata : d\n\n", [], id="field names are exact"),
        pytest.param("data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\n\n".encode(), None, id="other line ends are text"),
        pytest.param(b"data: a: b:\n\n", [event(b"a: b:")], id="colons in the value"),
        pytest.param(b"\n\n\ndata: a\n\n\n\n", [event(b"a")], id="blank lines more than needed"),
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"data: a\n", [], id="no blank line"),
    ],
)
def test_the_cases_of_the_standard(stream: bytes, events: list[Event] | None) -> None:
    wanted = [event(stream[6:-2])] if events is None else events
    assert decode([stream])[0] == wanted
    assert decode(bytewise(stream))[0] == wanted
    assert as_text(decode([stream])) == oracle(stream)


@pytest.mark.parametrize(
    ("stream", "last"),
    [
        (b"data: a", event(b"a")),
        (b"data: a\n", event(b"a")),
        (b"data: a\r", event(b"a")),
        (b"data: a\ndata: b", event(b"a\nb")),
        (b"event: error\ndata: a", event(b"a", b"error")),
        (BOM + b"data: a", event(b"a")),
        (b"data: a\n\n", None),
        (b"data: a\r\r", None),
        (b": comment", None),
        (b"event: x", None),
        (b"", None),
        (BOM, None),
    ],
)
def test_the_end_gives_the_event_that_lacks_its_blank_line(stream: bytes, last: Event | None) -> None:
    assert decode([stream])[1] == last
    assert decode(bytewise(stream))[1] == last


def all_cuts(stream: bytes) -> Iterable[list[bytes]]:
    """Give every way to cut the stream into pieces: 2 to the power of its cuts."""
    for cuts in itertools.product((False, True), repeat=len(stream) - 1):
        at = [0, *(position for position, cut in enumerate(cuts, 1) if cut), len(stream)]
        yield [stream[start:end] for start, end in itertools.pairwise(at)]


@pytest.mark.parametrize(
    "stream",
    [
        BOM + b"data:a\n\n",
        b"data:a\r\n\r\n",
        b"data:a\r\r\ndata",
        b"data\r\n\ndata\r",
        b":\r\ndata\n\r\n",
        "data:é\n\n".encode(),
    ],
)
def test_every_cut_of_a_short_stream_gives_the_same(stream: bytes) -> None:
    wanted = decode([stream])
    assert all(decode(cut) == wanted for cut in all_cuts(stream))


LONG = (
    BOM
    + b': ping\r\nevent: x\r\ndata: {"text":"'
    + "é\u2028😀".encode()
    + b'"}\r\n\r\nretry: 5\n\ndata:1\rdata:2\r\rid: \x00\ndata: [DONE]\n\n'
)


def test_every_two_cuts_of_a_long_stream_give_the_same() -> None:
    wanted = decode([LONG])
    assert len(wanted[0]) == 3
    for first, second in itertools.combinations(range(len(LONG) + 1), 2):
        assert decode([LONG[:first], LONG[first:second], LONG[second:]]) == wanted


pieces_of_streams = st.sampled_from(
    [
        b"data",
        b"event",
        b"id",
        b"retry",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        BOM,
        b"x",
        b"\x00",
        b"\xe2\x80\xa8",
    ]
)
streams = st.one_of(st.binary(max_size=60), st.lists(pieces_of_streams, max_size=40).map(b"".join))


@given(stream=streams, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_any_bytes_cut_anywhere_mean_what_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    cut = [stream[start:end] for start, end in itertools.pairwise(at)]
    assert as_text(decode(cut)) == oracle(stream)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_an_event_over_the_limit_is_refused_however_it_is_cut(size: int) -> None:
    stream = b": c\ndata: 0123456789\ndata: 0123456789\n\n"
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    block = len(stream) - 1
    decoder = EventDecoder(max_event_bytes=block)
    assert feed(decoder, pieces) == [event(b"0123456789\n0123456789")]
    decoder = EventDecoder(max_event_bytes=block - 1)
    with pytest.raises(MalformedResponseError, match="larger than"):
        feed(decoder, pieces)


@pytest.mark.parametrize("line", [b"data\n", b"data:\n", b"data: x\n", b": c\n", b"event: x\n", b"id: 1\n", b"x"])
def test_no_kind_of_line_escapes_the_limit(line: bytes) -> None:
    decoder = EventDecoder(max_event_bytes=1000)
    with pytest.raises(MalformedResponseError):
        feed(decoder, [line] * 1001)


def test_the_limit_is_for_one_event_not_for_the_stream() -> None:
    decoder = EventDecoder(max_event_bytes=20)
    assert len(list(decoder.feed(b"data: 0123456789\n\n" * 1000))) == 1000


def test_events_before_one_that_is_too_large_are_given() -> None:
    decoder = EventDecoder(max_event_bytes=20)
    events = decoder.feed(b"data: a\n\ndata: b\n\ndata: " + b"c" * 50)
    assert [next(events), next(events)] == [event(b"a"), event(b"b")]
    with pytest.raises(MalformedResponseError):
        next(events)


def steps(work: Callable[[], object]) -> int:
    """Count the lines of Python that run."""
    count = 0

    def trace(_frame: FrameType, what: str, _arg: object) -> Any:
        nonlocal count
        count += what == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def allocated(pieces: Iterable[bytes]) -> int:
    """Add up what each feed allocates at its height: a buffer copied at each piece would count each time."""
    decoder = EventDecoder()
    total = 0
    tracemalloc.start()
    try:
        for piece in pieces:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            list(decoder.feed(piece))
            total += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return total


SHAPES: dict[str, Callable[[int], list[bytes]]] = {
    "one line, byte by byte": lambda n: [b"data: ", *([b"x"] * n), b"\n\n"],
    "many data lines": lambda n: [*([b"data: x\n"] * n), b"\n"],
    "many small events": lambda n: [b"data: x\n\n"] * n,
    "blank lines": lambda n: [b"\r\n"] * n,
    "comments": lambda n: [b": c\n"] * n,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_time_is_linear(shape: str) -> None:
    small, large = (steps(lambda n=n: decode(SHAPES[shape](n))) for n in (500, 1000))  # type: ignore[misc] # mypy cannot tell what a lambda with a default returns
    assert large < 2.2 * small


@pytest.mark.parametrize("shape", SHAPES)
def test_no_buffer_is_copied_at_each_piece(shape: str) -> None:
    small, large = (allocated(SHAPES[shape](n)) for n in (1000, 4000))
    assert large < 6 * small


def test_what_was_searched_for_a_blank_line_is_not_searched_again() -> None:
    searched = 0

    class Counting(bytearray):
        def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
            nonlocal searched
            searched += len(self) - start
            return super().find(sub, start, end)

    decoder = EventDecoder()
    decoder._rest = Counting()
    assert not feed(decoder, [b"x"] * 2000)
    assert searched < 2 * 2000


def test_memory_is_that_of_the_bytes_however_small_the_pieces() -> None:
    tracemalloc.start()
    try:
        decoder = EventDecoder()
        for _ in range(20_000):
            list(decoder.feed(b"data: xy\n"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3 * 20_000 * len(b"data: xy\n")


def test_one_read_of_very_many_lines_is_not_all_split_at_once() -> None:
    read = b"\n" * (8 * 1024 * 1024)
    tracemalloc.start()
    try:
        assert not list(EventDecoder().feed(read))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 1024 * 1024
