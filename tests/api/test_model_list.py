"""The shapes of a list of models, and what is none."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import endpoint, model_list
from completions_cli.errors import CompletionsError, MalformedResponseError, ServiceError

NAMES = st.lists(st.text(min_size=1))
SHAPES: dict[str, Callable[[list[str]], Any]] = {
    "OpenAI": lambda ids: {"object": "list", "data": [{"id": name, "object": "model"} for name in ids]},
    "bare": lambda ids: [{"id": name, "name": "Another"} for name in ids],
    "words": lambda ids: ids,
    "Ollama": lambda ids: {"models": [{"name": name, "model": "m", "size": 7} for name in ids]},
    "both": lambda ids: {"models": [{"name": "x"}], "data": [{"id": name} for name in ids]},
    "no other name": lambda ids: {"models": [{"id": None, "model": name} for name in ids]},
}


@pytest.mark.parametrize("shape", SHAPES)
@given(ids=NAMES)
def test_every_id_is_read_in_its_order(shape: str, ids: list[str]) -> None:
    document = SHAPES[shape](ids)
    found = model_list.read(b"\xef\xbb\xbf \n" + json.dumps(document).encode() + b"\n")
    assert (found.ids, found.document, len(found.entries)) == (ids, document, len(ids))


@pytest.mark.parametrize("document", [{"object": "list", "data": None}, {"models": None}, {"data": []}, []])
def test_a_list_may_be_empty(document: Any) -> None:
    assert model_list.read(json.dumps(document).encode()).ids == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html>Hello</html>",
        b"data: [DONE]\n\n",
        b'{"data":[{"id":"a"}',
        b"7",
        b"null",
        b'"models"',
        b"{}",
        b'{"data":{"id":"a"}}',
        b'{"data":[{"id":7}]}',
        b'{"data":[{"id":""}]}',
        b'[{"id":"a"},[]]',
        b'{"models":[{"size":7}]}',
        b'{"choices":[]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_anything_else_is_malformed_and_its_beginning_shown(body: bytes) -> None:
    with pytest.raises(MalformedResponseError) as raised:
        model_list.read(body)
    beginning = body.strip().decode("utf-8", "replace")[:40]
    assert repr(beginning)[1:-1] in raised.value.message if beginning else "empty" in raised.value.message


@pytest.mark.parametrize("document", [{"error": {"message": "no"}, "data": []}, {"detail": "no"}, {"message": "no"}])
def test_an_error_with_status_200_is_that_error(document: Any) -> None:
    with pytest.raises(ServiceError, match="no"):
        model_list.read(json.dumps(document).encode())


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["data", "models", "id", "name", "error", "object"]), inner)
        ),
    )
)
def test_no_document_is_a_bug(document: Any) -> None:
    try:
        found = model_list.read(json.dumps(document).encode())
    except CompletionsError:
        return
    assert all(found.ids)


def test_a_list_has_an_upper_bound() -> None:
    assert model_list.within_bounds(b"ab", 0) == b"ab"
    with pytest.raises(MalformedResponseError, match="larger than 64 MiB"):
        model_list.within_bounds(b"ab", (64 << 20) - 1)


@pytest.mark.parametrize(
    ("pasted", "version", "listing"),
    [
        ("http://localhost:1/v1", None, "http://localhost:1/v1/models"),
        ("http://localhost:1/v1/chat/completions", None, "http://localhost:1/v1/models"),
        ("https://a.example", None, "https://a.example/models?api-version=2024-04-01-preview"),
        ("https://a.example", "none", "https://a.example/models"),
        ("https://a.example/completions?b=/completions", "v", "https://a.example/models?b=/completions&api-version=v"),
        ("https://a.example/completions/v1/", "none", "https://a.example/completions/v1/models"),
    ],
)
def test_the_list_is_beside_the_completions(pasted: str, version: str | None, listing: str) -> None:
    assert endpoint.resolve(pasted, version).listing.url == listing
