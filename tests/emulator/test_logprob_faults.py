"""Faults of log-probabilities: what comes instead of the figures asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from completions_cli.emulator.faults.logprobs import logprobs
from tests.emulator.exchange import ask
from tests.emulator_process import EmulatorProcess, Start

PASSED = {"extra-parameters": "pass-through"}
BODY = {"prompt": "Ça va", "echo": True, "logprobs": 1}


def figures(server: EmulatorProcess, fault: str | None, max_tokens: int = 2) -> Any:
    answer = ask(server, {**BODY, "max_tokens": max_tokens}, headers=PASSED, fault=fault)
    return answer.json()["choices"][0]["logprobs"]


CHANGES: dict[str, Callable[[Any], Any]] = {
    "figures-generated": lambda f: {name: values[2:] for name, values in f.items()},
    "figures-null": lambda f: {**f, "token_logprobs": [*f["token_logprobs"][:-1], None]},
    "figures-nan": lambda f: {**f, "token_logprobs": [*f["token_logprobs"][:-1], "NaN"]},
    "figures-positive": lambda f: {**f, "token_logprobs": [*f["token_logprobs"][:-1], 0.5]},
    "figures-missing": lambda f: {name: values[:-1] for name, values in f.items()},
    "figures-uneven": lambda f: {**f, "token_logprobs": f["token_logprobs"][1:]},
    "figures-other": lambda f: {**f, "tokens": [f"{token}~" for token in f["tokens"]]},
    "figures-shifted": lambda f: {**f, "text_offset": [offset + 1 for offset in f["text_offset"]]},
    "figures-bytes": lambda f: {**f, "text_offset": [0, 3, 6, 10]},
}


def test_every_fault_is_here() -> None:
    assert set(CHANGES) | {"max-tokens-0"} == {fault.kind for fault in logprobs()}


@pytest.mark.parametrize("kind", list(CHANGES))
def test_it_changes_the_figures_as_said(shared: Start, kind: str) -> None:
    server = shared()
    found = figures(server, kind)
    shown = {
        name: ["NaN" if value != value else value for value in values]  # noqa: PLR0124 - NaN alone is unlike itself
        for name, values in found.items()
    }
    assert shown == CHANGES[kind](figures(server, None))


def test_nothing_is_refused_to_be_generated(shared: Start) -> None:
    server = shared()
    answer = ask(server, {"prompt": "a", "max_tokens": 0}, fault="max-tokens-0")
    assert (answer.status, answer.json()["error"]["param"]) == (400, "max_tokens")
    assert ask(server, {"prompt": "a", "max_tokens": 1}, fault="max-tokens-0").status == 200
