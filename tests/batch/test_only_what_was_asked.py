"""For every server that answers wrongly, a row's line holds the answer to its own prompt, or an error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import document
from completions_cli.batch import outcomes
from completions_cli.batch.exchange import Reply
from completions_cli.batch.rows import Defaults, Row
from completions_cli.batch.units import Packer
from completions_cli.client.incoming import Head
from completions_cli.errors import CompletionsError
from completions_cli.models import CompletionRequest
from tests.answering_server import Answered, answering
from tests.batch.conftest import batch, records, row_numbers
from tests.batch.wrong_answers import WRONG, answers, encoded, prompts_of, right
from tests.command import Cli

PROMPTS = st.lists(st.sampled_from(["a", "b", "a b", ""]), min_size=1, max_size=5)
TOKENS = st.lists(st.sampled_from([[1], [2], [1, 2]]), min_size=1, max_size=5)
FORMS = ["document", "document without usage", "stream", "stream all at once"]


def reply(request: CompletionRequest, wrong: str, form: str) -> Reply:
    """Return what is made of the answer of such a server."""
    prompts = prompts_of({"prompt": request.prompt})
    choices = WRONG[wrong](right(prompts, request.choices_each), prompts, request.choices_each)
    whole = document.read(encoded(choices, form), request.choice_count)
    return Reply(request, whole.response, whole.usage, Head(200, {}))


@given(
    PROMPTS | TOKENS,
    st.sampled_from([{}, {"n": 2}, {"n": 3}, {"n": "2"}, {"n": 2.0}, {"best_of": 3}, {"n": 2, "best_of": 4}]),
    st.integers(1, 3),
    st.sampled_from([{}, {"seed": 7}]),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(list(WRONG)), st.sampled_from(FORMS)), min_size=3, max_size=3),
)
def test_a_row_gets_the_answer_to_its_own_prompt_or_none(
    prompts: list[Any],
    extra: dict[str, Any],
    samples: int,
    seed: dict[str, Any],
    is_one_row: bool,
    wrongs: list[tuple[str, str]],
) -> None:
    rows = [Row(0, prompt=prompts)] if is_one_row else [Row(i, prompt=prompt) for i, prompt in enumerate(prompts)]
    packer = Packer(Defaults(seed, extra), samples, len(prompts))
    for unit in packer.units(rows):
        try:
            for request, wrong in zip(list(unit.requests), wrongs, strict=False):
                came = reply(request, *wrong)
                if outcomes.misfit(unit, came):
                    return
                unit.replies.append(came)
        except CompletionsError:
            return
        for outcome in outcomes.of(unit):
            own = outcome.row.prompt if is_one_row else [outcome.row.prompt]
            asked = [prompt for prompt in own or () for _ in range(samples * unit.requests[0].choices_each)]
            assert [choice["index"] for choice in outcome.choices] == list(range(len(asked)))
            for choice, prompt in zip(outcome.choices, asked, strict=True):
                assert answers(choice["text"], prompt)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrong", ["as asked", "reordered"])
@pytest.mark.parametrize("extra", [{}, {"n": 3}, {"n": 2, "best_of": 3}])
def test_what_was_asked_is_taken(extra: dict[str, Any], wrong: str, form: str) -> None:
    packer = Packer(Defaults(extra=extra), 2, 3)
    (unit,) = packer.units([Row(0, prompt="a"), Row(1, prompt="b"), Row(2, prompt="a")])
    came = reply(unit.request, wrong, form)
    assert outcomes.misfit(unit, came) is None
    unit.replies.append(came)
    each = 2 * extra.get("n", 1)
    assert [len(outcome.choices) for outcome in outcomes.of(unit)] == [each] * 3


@pytest.mark.parametrize("wrong", ["all 0", "strings", "null", "unnumbered and reordered", "from 1", "huge"])
def test_the_numbers_of_one_prompts_choices_do_not_matter(wrong: str) -> None:
    (unit,) = Packer(Defaults(extra={"n": 3})).units([Row(0, prompt="a")])
    came = reply(unit.request, wrong, "document")
    assert outcomes.misfit(unit, came) is None


@pytest.mark.parametrize("samples", ["1", "2"])
@pytest.mark.parametrize("n", [1, 2])
def test_a_server_that_is_wrong_in_every_way(n: int, samples: str, cli: Cli, tmp_path: Path, output: Path) -> None:
    """Each request is answered in another way; what a single row is told wrongly it asks again."""
    prompts = [f"row {number // 2}" for number in range(60)]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts), encoding="utf-8")
    ways = list(WRONG.values())

    def answer(body: dict[str, Any]) -> Answered:
        asked, count = prompts_of(body), body.get("n", 1)
        way = ways[len(server.requests) * 7 % len(ways)] if len(server.requests) % 3 else WRONG["as asked"]
        return Answered(json.loads(encoded(way(right(asked, count), asked, count), "document")))

    with answering(answer) as server:
        extra = ["-x", f"n:={n}"] if n > 1 else []
        args = ("-o", output, "--pack", "4", "-n", samples, "-j", "4", "--retries", "2", "-q")
        assert batch(cli.service(server.url), path, *args, *extra).code in (0, 13)
    assert row_numbers(output) == list(range(len(prompts)))
    for record in records(output):
        assert all(answers(choice["text"], prompts[record["row"]]) for choice in record["choices"])
        assert len(record["choices"]) == (0 if record["error"] else n * int(samples))
    assert any(not record["error"] for record in records(output))


@pytest.mark.parametrize(
    ("wrong", "form"),
    [
        ("joined", "document"),
        ("each twice, numbered anew", "document"),
        ("strings", "document"),
        ("none", "document"),
        ("a null for the first", "document"),
        ("joined", "stream"),
        ("from 1", "stream"),
        ("null", "stream"),
    ],
)
def test_after_three_wrong_packs_rows_are_asked_singly(
    wrong: str, form: str, cli: Cli, rows: Callable[[int], Path], output: Path
) -> None:
    def answer(body: dict[str, Any]) -> Answered:
        prompts = prompts_of(body)
        way = WRONG[wrong] if len(prompts) > 1 else WRONG["as asked"]
        return Answered(encoded(way(right(prompts), prompts, 1), form))

    with answering(answer) as server:
        result = batch(cli.service(server.url), rows(40), "-o", output, "--pack", "4", "-j", "1", "--retries", "0")
        asked = [len(prompts_of(body)) for body in server.requests]
    assert (result.code, row_numbers(output)) == (0, list(range(40)))
    assert all(answers(record["choices"][0]["text"], f"Row {record['row']} says") for record in records(output))
    assert sorted(asked) == [1] * 40 + [4] * 3


def test_a_server_that_ignores_n_is_not_asked_again(cli: Cli, rows: Callable[[int], Path], output: Path) -> None:
    with answering(lambda body: Answered({"choices": right(prompts_of(body))})) as server:
        result = batch(cli.service(server.url), rows(6), "-o", output, "-x", "n:=2", "--pack", "3")
        assert len(server.requests) == 2 + 6
    assert result.code == 13
    assert {record["error"]["message"] for record in records(output)} == {
        "the server ignored n: the response contains 1 choice, not 2"
    }
    assert {record["error"]["kind"] for record in records(output)} == {"malformed"}


def test_n_in_a_pack_gives_each_row_its_own_samples(cli: Cli, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.jsonl"
    lines = [{"custom_id": f"c{i}", "body": {"prompt": f"p{i}", "n": 2 + i // 4, "best_of": 4}} for i in range(8)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with answering(lambda body: Answered({"choices": right(prompts_of(body), body["n"])})) as server:
        result = batch(cli.service(server.url), path, "-o", output, "--pack", "4", "--output-format", "openai")
        assert sorted(len(prompts_of(body)) for body in server.requests) == [4, 4]
    assert result.code == 0
    for record in records(output):
        number = int(record["custom_id"][1:])
        texts = [choice["text"] for choice in record["response"]["body"]["choices"]]
        assert texts == [f'"p{number}" #{sample}' for sample in range(2 + number // 4)]
