"""Every target of the fuzzer, on inputs near those of real life; `tests/fuzz/run.py` searches for longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS, TARGETS

_BITS = st.sampled_from(
    [b"\n", b"\r", b"\0", b'"', b"{", b"}", b"[", b"]", b"\\u", b"\xff", b"\xef\xbb\xbf", b"9" * 30]
)


@st.composite
def near(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw a seed with bytes put in, taken out, overwritten and repeated."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from([0, 1, 2, 9, 999])))
        data[at:end] = draw(_BITS | st.binary(max_size=3)) + data[at:end] * draw(st.integers(0, 2))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_what_is_promised(name: str) -> None:
    @given(near(SEEDS[name]) | st.binary(max_size=60))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    for seed in SEEDS[name]:
        TARGETS[name](seed)
    run()


@pytest.mark.parametrize("depth", [50, 150, 240, 330, 490, 600, 980, 5000])
def test_no_depth_breaks_what_is_promised(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    TARGETS["profile"](b'[profiles.a]\nendpoint = "http://h"\nextra = {a = ' + nested + b"}")
    TARGETS["key"](b"extra.a=" + nested)
    TARGETS["answer"](b'{"choices":[{"text":"a","more":' + nested + b"}]}")
    TARGETS["refusal"](b'{"error":' + nested + b"}")
    TARGETS["rows"](b'{"prompt":"a","x":' + nested + b"}\n")
    TARGETS["output"](b'{"id":' + nested + b',"row":1,"error":null}\n')
