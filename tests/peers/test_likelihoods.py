"""Scores are the log-likelihoods that other software computes from the same weights.

The reference is transformers, run by the Python that COMPLETIONS_REFERENCE_PYTHON names (it needs torch, transformers,
accelerate and gguf). `COMPLETIONS_TEST_PAIRS` sets how many of the pairs are compared.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from completions_cli import Client, Score
from tests.local_weights import weights_path
from tests.peers.pairs import LONG, PAIRS

_WHOLE = 330  # the id of a token that is whole words
_SCRIPT = Path(__file__).with_name("reference_likelihoods.py")
_COUNT = int(os.environ.get("COMPLETIONS_TEST_PAIRS", len(PAIRS)))
# With its default cache of 16-bit floats, llama.cpp's own figures differ by 0.02 with how it divides a text into batches.
_OF_DEFAULT = 0.03
_LONG_PROMPTS = {prompt for prompt, _ in LONG}
_STEP = 9 if "COMPLETIONS_TEST_PAIRS" in os.environ else 27  # of those asked token by token, seconds each
_COMPARED = [*PAIRS[: max(0, _COUNT - len(LONG))], *LONG]


@pytest.fixture(scope="module")
def reference_python() -> str:
    python = os.environ.get("COMPLETIONS_REFERENCE_PYTHON")
    if not python:
        pytest.skip("COMPLETIONS_REFERENCE_PYTHON names no Python with torch, transformers, accelerate and gguf")
    return python


@pytest.fixture(scope="module")
def widened(reference_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("widened") / "f32.gguf"
    subprocess.run([reference_python, str(_SCRIPT), "widen", str(weights_path()), str(target)], check=True)
    return target


@pytest.fixture(scope="module")
def expected(reference_python: str, widened: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [reference_python, str(_SCRIPT), "score", str(widened)],
        input=json.dumps(_COMPARED),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def serving(model: Path, precision: str) -> Iterator[str]:
    script = Path(__file__).with_name("llama_server.py")
    command = [sys.executable, "-P", str(script), str(model), precision]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.mark.parametrize(("precision", "tolerance"), [("exact", 0.001), ("default", _OF_DEFAULT)])
def test_scores_are_those_of_transformers(
    precision: str, tolerance: float, widened: Path, expected: list[dict[str, Any]]
) -> None:
    with serving(widened, precision) as address, Client(f"{address}/v1", auth="none") as client:
        scores = [client.score(prompt, [text]).continuations[0] for prompt, text in _COMPARED]
    worst = max(_difference(score, reference) for score, reference in zip(scores, expected, strict=True))
    print(f"{precision}: {len(scores)} pairs, worst difference {worst:.6f} nats a token")  # noqa: T201 - the table's figure
    assert worst <= tolerance


def _difference(score: Score, reference: dict[str, Any]) -> float:
    """Return the largest difference of a token's figure; the tokens themselves must be the same."""
    assert [token.id for token in score.tokens] == reference["ids"], score.text
    assert score.boundary_merged == reference["merged"], score.text
    pairs = list(zip(score.tokens, reference["figures"], strict=True))
    if max(abs((token.logprob or 0) - figure) for token, figure in pairs) < 1e-4:
        assert score.greedy == reference["greedy"], score.text
    return max((abs((token.logprob or 0) - figure) for token, figure in pairs), default=0.0)


def test_scores_of_the_weights_as_shipped_are_llama_cpps_own_token_by_token() -> None:
    pairs = [*PAIRS[::_STEP], *PAIRS[180 : 198 : _STEP // 3], LONG[0]]
    worst = 0.0
    with serving(weights_path(), "default") as address, Client(f"{address}/v1", auth="none") as client:
        for prompt, text in pairs:
            score = client.score(prompt, [text]).continuations[0]
            # With 4-bit weights, llama.cpp's own figures of a long prompt depend on how it divides it into batches, by
            # up to 0.15. Only the first token has the same prompt, and so the same batches, either way.
            compared = score.tokens[:1] if prompt in _LONG_PROMPTS else score.tokens
            own = _token_by_token(address, prompt + text, len(score.tokens))
            differences = [abs((token.logprob or 0) - figure) for token, figure in zip(compared, own, strict=False)]
            worst = max(worst, *differences)
    print(f"as shipped: {len(pairs)} pairs, worst difference {worst:.6f} nats a token")  # noqa: T201 - as above
    assert worst <= 0.001


def _token_by_token(address: str, text: str, count: int) -> Iterator[float]:
    """Yield the figures of the last tokens, each looked up among all in its place when it is asked for."""
    with httpx.Client(base_url=address, timeout=300) as http:
        ids = http.post("/tokenize", json={"content": text, "add_special": True, "parse_special": True}).json()[
            "tokens"
        ]
        for at in range(len(ids) - count, len(ids)):
            yield _forced(http, ids[:at], ids[at])


def _forced(http: httpx.Client, before: list[int], wanted: int) -> float:
    """Return the figure of one token, forced by a bias; one that ends amid a character is looked up beside another."""
    body = {"prompt": before, "n_predict": 1, "temperature": 0, "cache_prompt": False}
    for forced, count in ((wanted, 1), (_WHOLE, 60000)):
        answer = http.post("/completion", json={**body, "n_probs": count, "logit_bias": [[forced, 1000]]}).json()
        entries = answer.get("completion_probabilities") or [{"top_logprobs": []}]
        for entry in [entries[0], *entries[0]["top_logprobs"]]:
            if entry.get("id") == wanted:
                return float(entry["logprob"])
    raise AssertionError("no figure")
