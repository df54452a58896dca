"""JSON is read and written fast, and never otherwise than the standard library does it."""

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from completions_cli.api import wire
from completions_cli.batch import encoding
from completions_cli.models import Json

NUMBERS = st.integers() | st.integers(-(2**70), 2**70) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
READERS: dict[str, tuple[Callable[[bytes], Json], Callable[[str], Json]]] = {
    "rows": (encoding.loads, wire.loads),
    "answers": (encoding.read, wire.read),
}


def same(read: Callable[[], Json]) -> str:
    """Return what is read, with the types of its numbers, or the kind of failure."""
    try:
        return repr(read())
    except ValueError:
        return "invalid"


@pytest.mark.parametrize("what", READERS)
@given(value=VALUES, is_ascii=st.booleans(), indent=st.sampled_from([None, 1]))
@example(value=2**63, is_ascii=True, indent=None)
@example(value=-(2**64), is_ascii=True, indent=None)
@example(value=[float("nan"), float("-inf")], is_ascii=True, indent=None)
@example(value="\ud800", is_ascii=True, indent=None)
@example(value={"id": 123456789012345678901}, is_ascii=True, indent=None)
@example(value=-0.00012345678806304932, is_ascii=True, indent=None)
@example(value=[-0.00012345678806304932, 2**70], is_ascii=True, indent=None)
def test_what_is_written_is_read_alike(what: str, value: Json, indent: int | None, *, is_ascii: bool) -> None:
    fast, slow = READERS[what]
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
    assert same(lambda: fast(text)) == same(lambda: slow(text.decode()))


@pytest.mark.parametrize("what", READERS)
@given(text=st.text('{}[]":,.-+eE0123456789 \\untrfalse\x00\ufeff\n', max_size=30))
@example(text="1e999")
@example(text='{"a": 1e400}')
@example(text='{"a": 1, "a": 2}')
@example(text="-0")
@example(text="9" * 400)
@example(text="0." + "9" * 400)
@example(text="9" * 19 + ".5")
@example(text="0.1234567890123456789")
@example(text="[" * 2000 + "]" * 2000)
def test_any_text_is_read_alike(what: str, text: str) -> None:
    fast, slow = READERS[what]
    assert same(lambda: fast(text.encode())) == same(lambda: slow(text))


@pytest.mark.parametrize("what", READERS)
@given(
    whole=st.integers(-(10**25), 10**25),
    fraction=st.text("0123456789", min_size=1, max_size=60),
    exponent=st.none() | st.integers(-330, 330),
)
def test_long_numbers_are_read_alike(what: str, whole: int, fraction: str, exponent: int | None) -> None:
    fast, slow = READERS[what]
    text = f"[{whole}.{fraction}{'' if exponent is None else f'e{exponent}'}]"
    assert same(lambda: fast(text.encode())) == same(lambda: slow(text))
