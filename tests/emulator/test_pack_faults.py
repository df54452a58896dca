"""Faults of an answer's choices: what comes instead of the ones asked for."""

from typing import Any

import pytest

from completions_cli.emulator.faults.packs import packs
from tests.emulator.exchange import ask
from tests.emulator_process import EmulatorProcess, Start

PASSED = {"extra-parameters": "pass-through"}
PROMPTS = ["a", "b", "a"]
BEYOND = 1 << 63

INDICES: dict[str, list[Any]] = {
    "pack-joined": [0, 1],
    "pack-first": [0, 1],
    "pack-missing": [0, 1, 2, 3, 4],
    "pack-dedup": [0, 1, 2, 3],
    "pack-doubled": list(range(12)),
    "pack-shifted": [1, 2, 3, 4, 5, 6],
    "pack-negative": [0, -1, -2, -3, -4, -5],
    "pack-huge-indices": [BEYOND + index for index in range(6)],
    "pack-same-index": [0] * 6,
    "pack-string-indices": ["0", "1", "2", "3", "4", "5"],
    "pack-float-indices": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    "pack-null-indices": [None] * 6,
    "pack-unnumbered": ["missing"] * 6,
    "pack-null-choice": ["null", 0, 1, 2, 3, 4, 5],
    "n-ignored": [0, 1, 2],
    "surplus-choice": [0, 1, 2, 3, 4, 5, 6],
}


def choices(server: EmulatorProcess, prompt: Any, n: int, fault: str | None = None) -> list[Any]:
    """Ask and return the choices."""
    body = {"prompt": prompt, "n": n, "max_tokens": 5}
    found: list[Any] = ask(server, body, headers=PASSED, fault=fault).json()["choices"]
    return found


def test_every_fault_is_here() -> None:
    assert set(INDICES) == {fault.kind for fault in packs() if fault.choices}


@pytest.mark.parametrize("kind", list(INDICES))
def test_how_the_choices_of_several_prompts_are_numbered(shared: Start, kind: str) -> None:
    found = choices(shared(), PROMPTS, 2, kind)
    assert [choice.get("index", "missing") if choice else "null" for choice in found] == INDICES[kind]
    assert [type(choice["index"]) for choice in found if choice and "index" in choice] == [
        type(index) for index in INDICES[kind] if index not in ("missing", "null")
    ]


@pytest.mark.parametrize("kind", [kind for kind in INDICES if kind.startswith("pack-")])
def test_one_prompt_is_left_alone(shared: Start, kind: str) -> None:
    assert choices(shared(), "a", 2, kind) == choices(shared(), ["a"], 2, kind) == choices(shared(), "a", 2)


def test_what_the_texts_are(shared: Start) -> None:
    usual = [choice["text"] for choice in choices(shared(), PROMPTS, 2)]
    assert len(set(usual)) == 6

    def texts(kind: str) -> list[str]:
        return [choice["text"] for choice in choices(shared(), PROMPTS, 2, kind)]

    assert texts("pack-joined") == ["".join(usual[0::2]), "".join(usual[1::2])]
    assert texts("pack-first") == usual[:2]
    assert texts("pack-dedup") == usual[:4]
    assert texts("pack-doubled") == [text for text in usual for _ in range(2)]
    assert texts("pack-unnumbered") == usual[::-1]
    assert texts("n-ignored") == usual[::2]
    assert texts("surplus-choice") == [*usual, usual[-1]]
    assert [choice["text"] for choice in choices(shared(), "a", 1, "surplus-choice")] == [usual[0], usual[0]]


@pytest.mark.parametrize("first", ["pack-null-choice", "pack-unnumbered", "no-choices", "error-200"])
@pytest.mark.parametrize("second", [*INDICES, "blanked", "text-lines"])
def test_one_fault_bears_what_another_left(shared: Start, first: str, second: str) -> None:
    body = {"prompt": PROMPTS, "n": 2, "max_tokens": 5}
    assert ask(shared(), body, headers=PASSED, fault=f"{first},{second}").status == 200


@pytest.mark.parametrize("is_stream", [False, True])
def test_parameters_that_are_ignored(shared: Start, *, is_stream: bool) -> None:
    body = {"prompt": "ab", "echo": True, "logprobs": 1, "stop": "e", "max_tokens": 30, "stream": is_stream}

    def of(fault: str | None) -> tuple[str, bool]:
        answer = ask(shared(), body, headers=PASSED, fault=fault)
        parts = answer.events[:-1] if is_stream else [answer.json()]
        found = [choice for part in parts for choice in part["choices"]]
        return "".join(choice["text"] for choice in found), any(choice.get("logprobs") for choice in found)

    text, has_figures = of(None)
    assert text.startswith("ab")
    assert (has_figures, "e" in text) == (True, False)
    assert of("echo-ignored") == (text[2:], True)
    assert of("logprobs-ignored") == (text, False)
    assert "e" in of("stop-ignored")[0]
