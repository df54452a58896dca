"""What a request will use: `n` and `best_of` count in plans, rates and budgets."""

import json
from pathlib import Path
from typing import Any

import pytest

from completions_cli.models import CompletionRequest, Usage
from completions_cli.pacing.usage_estimate import UsageEstimate
from tests.answering_server import Answered, answering
from tests.batch.conftest import Rows, batch, summary
from tests.batch.wrong_answers import prompts_of, right
from tests.command import Cli


@pytest.mark.parametrize(
    ("prompt", "extra", "texts"),
    [
        ("a", {}, 1),
        ("a", {"n": 10}, 10),
        ("a", {"n": 2, "best_of": 5}, 5),
        (["a", "b", "c"], {"n": 2}, 6),
        ([[1], [2]], {"best_of": 3}, 6),
    ],
)
def test_each_text_counts(prompt: Any, extra: dict[str, Any], texts: int) -> None:
    estimate = UsageEstimate()
    request = CompletionRequest(prompt, {"max_tokens": 100}, extra)
    assert estimate.split(request)[1] == 100 * texts
    estimate.learn(request, Usage(4, 20 * texts, 20 * texts + 4))
    about, most = estimate.of(request)
    prompts = estimate.split(request)[0]
    assert (about - prompts, most - prompts) == (20 * texts, 100 * texts)
    assert estimate.of(CompletionRequest("a", {"max_tokens": 100}))[0] < 20 + 100 / 2


def test_a_plan_counts_them(cli: Cli, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.jsonl"
    lines: list[Any] = ["twelve chars", {"custom_id": "x", "body": {"prompt": "x", "n": 5, "best_of": 7}}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    cli.service("http://127.0.0.1:1")
    result = batch(cli, path, "-o", output, "--plan", "-M", "100", "-n", "2", "-x", "n:=10")
    assert "at most 3400 in completions" in result.text


def test_a_wide_run_of_many_samples_keeps_to_its_budget(cli: Cli, rows: Rows, output: Path) -> None:
    def answer(body: dict[str, Any]) -> Answered:
        usage = {"prompt_tokens": 0, "completion_tokens": 10 * body["n"], "total_tokens": 10 * body["n"]}
        return Answered({"choices": right(prompts_of(body), body["n"]), "usage": usage})

    with answering(answer) as server:
        args = ("-x", "n:=10", "--max-tokens-total", "1000", "-j", "50", "--summary", "-")
        result = batch(cli.service(server.url), rows(200), "-o", output, *args)
    assert (result.code, summary(result)["stopped_by"]) == (14, "max_tokens_total")
    assert 1000 <= summary(result)["total_tokens"] < 1400


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}])
@pytest.mark.parametrize(
    "budget", [("--max-tokens-total", "300"), ("--max-cost", "3e-4", "--price-in", "1", "--price-out", "1")]
)
def test_a_budget_holds_where_the_server_reports_no_usage(
    usage: Any, budget: tuple[str, ...], cli: Cli, rows: Rows, output: Path
) -> None:
    """An answer of 400 characters counts as some 100 tokens."""
    body = {"choices": [{"index": 0, "text": "word" * 100, "finish_reason": "stop"}]}
    if usage is not None:
        body["usage"] = usage
    with answering(lambda _: Answered(body)) as server:
        cli.service(server.url)
        result = batch(cli, rows(50), "-o", output, "-j", "1", "--summary", "-", *budget)
        assert (result.code, summary(result)["rows"]) == (14, 3)
        assert "usage: 3 answers came without it; their tokens are estimated" in result.stderr
        whole = batch(cli, rows(50), "-o", output, "--summary", "-")
    assert (whole.code, summary(whole)["total_tokens"]) == (0, 0)
    assert "usage: 47 answers came without it; their tokens are not counted" in whole.stderr
