"""What users type: escapes, and JSON whose mistakes are named with their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.commands.typed_text import parse_json, unescape
from completions_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        (r"a\nb\tc\rd", "a\nb\tc\rd"),
        (r"\\n", r"\n"),
        (r"\\\n", "\\\n"),
        (r"\x41\x00\xe9", "A\0é"),
        (r"\u00e9\u2028", "é\u2028"),
        (r"\ud83d\ude00", "😀"),
        (r"\0\"\'", "\0\"'"),
        ("no escapes: é😀", "no escapes: é😀"),
        ("", ""),
    ],
)
def test_escapes_are_decoded(text: str, decoded: str) -> None:
    assert unescape(text) == decoded


@given(st.text())
def test_a_text_whose_backslashes_are_doubled_is_itself(text: str) -> None:
    assert unescape(text.replace("\\", "\\\\")) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1, column 2"),
        ('{\n "a": x}', "line 2, column 7"),
        ("", "line 1, column 1"),
        ('{"a":NaN}', "NaN is not JSON"),
        ('{"a":-Infinity}', "-Infinity is not JSON"),
        ("[" * 100_000, "too deeply"),
        ("9" * 5000, "too large"),
        ("{} x", "something follows the value"),
    ],
)
def test_json_that_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_json(text, "-x k", is_typed=True)
    assert caught.value.message.startswith("-x k: ")
    assert message in caught.value.message
    assert caught.value.hint
