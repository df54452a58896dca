"""Positions of keys in TOML: every key the parser finds is found, at the place where it is spelt."""

import tomllib
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.settings import positions


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a = 1", ("a",), (1, 1)),
        ("\n  a = 1", ("a",), (2, 3)),
        ("a.b.c = 1", ("a", "b", "c"), (1, 5)),
        ("[p]\n[p.'x y']\nk = 1", ("p", "x y", "k"), (3, 1)),
        ("[ p . q ]\nk = 1", ("p", "q"), (1, 7)),
        ('[p]\n"a.b" = 1\nb = 2', ("p", "a.b"), (2, 1)),
        ('[p]\n"\\u0061" = 1', ("p", "a"), (2, 1)),
        ("t = {a = 1, b = {c = 2}}", ("t", "b", "c"), (1, 18)),
        ('s = """\n[not]\nx = 1\n"""\nx = 2', ("x",), (5, 1)),
        ('s = """a\\"""b""""\nx = 2', ("x",), (2, 1)),
        ("s = '''\nx = 1'''''\nx = 2", ("x",), (3, 1)),
        ("a = [1, # x = 1\n '''x = 2''', [3]]\nx = 2", ("x",), (3, 1)),
        ("a = [{x = 1}]\n[x]", ("x",), (2, 2)),
        ("s = 'x = 1' # x = 1\r\nx = 2", ("x",), (2, 1)),
        ("d = 1979-05-27 07:32:00Z # c\nx = 2", ("x",), (2, 1)),
        ("s = 'a\u2028x = 1'\nx = 2", ("x",), (2, 1)),
        ("[[a]]\nx = 1\n[[a]]\ny = 2", ("a", "y"), (4, 1)),
    ],
)
def test_a_key_is_found_where_it_stands(text: str, path: tuple[str, ...], place: tuple[int, int]) -> None:
    tomllib.loads(text)
    assert positions.locate(text)[path] == place


_KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=4)
_TABLES = st.recursive(
    st.one_of(st.integers(-9, 9), st.text(max_size=8), st.booleans()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


def paths(table: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in table.items():
        found.append((*above, name))
        if isinstance(value, dict):
            found += paths(value, (*above, name))
    return found


@given(st.dictionaries(_KEYS, _TABLES, max_size=4))
def test_every_key_of_any_document_is_found(document: dict[str, Any]) -> None:
    text = tomlkit.dumps(document)
    places = positions.locate(text)
    lines = text.split("\n")
    for path in paths(tomllib.loads(text)):
        line, column = places[path]
        rest = lines[line - 1][column - 1 :]
        name = path[-1]
        assert rest.startswith((name, tomlkit.key(name).as_string())), (path, rest)


@given(st.text(st.sampled_from("ab=.[]{}\"',#\n \\1"), max_size=40))
def test_no_text_is_too_odd(text: str) -> None:
    positions.locate(text)
    positions.split_key(text)


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("a.b", ("a", "b")),
        ('profiles."a.b".c', ("profiles", "a.b", "c")),
        ("a . 'b'", ("a", "b")),
        ("", None),
        ("a.", None),
        ("a b", None),
        ("a = 1", None),
        ("a\nb", None),
    ],
)
def test_a_dotted_key_is_split(typed: str, path: tuple[str, ...] | None) -> None:
    assert positions.split_key(typed) == path
