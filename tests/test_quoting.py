"""What may be a secret is not repeated; what is plainly none is."""

import pytest

from completions_cli.quoting import HIDDEN, quoted


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abc123",
        "sk-ant-REDACTED",
        "hf_abcdefghij",
        "ghp_0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
        "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y5z6",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "Bearer abc",
        " sk-abcdef ",
        "dGhpcyBpcyBhIHRlc3Q0NTY3ODkwMTIzNDU2Nzg5MA==",
    ],
)
def test_what_looks_like_a_key_is_not_repeated(secret: str) -> None:
    assert quoted(secret) == HIDDEN


@pytest.mark.parametrize(
    "word",
    [
        "Hello",
        "--temperature",
        "answers-2024-01-02.jsonl",
        "/home/me/projects/data/rows.jsonl",
        "gpt-4o-mini-2024-07-18",
        "https://NAME.REGION.models.ai.azure.com",
        "Tell me a story about the year 2020 please",
        "1,000",
        "meta-llama/Llama-3.1-8B-Instruct",
        "skeleton",
    ],
)
def test_what_is_plainly_none_is(word: str) -> None:
    assert quoted(word) == repr(word)
