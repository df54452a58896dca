"""A choice is given for the prompt that it answers, or there is an error: for every server that answers wrongly."""

from collections.abc import Iterator
from typing import Any

import pytest

from completions_cli import Client
from completions_cli.errors import MalformedResponseError
from tests.answering_server import Answered, AnsweringServer, answering
from tests.batch.wrong_answers import WRONG, answers, encoded, prompts_of, right
from tests.command import Cli

PROMPTS = ["one", "two", "one"]
FORMS = ["document", "stream", "stream all at once"]


@pytest.fixture(scope="module")
def server() -> Iterator[AnsweringServer]:
    """Give a server whose `answer` the tests set."""
    with answering(lambda _: Answered({})) as running:
        yield running


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrong", list(WRONG))
@pytest.mark.parametrize("options", [{}, {"samples": 2}, {"samples": 2, "seed": 7}, {"extra": {"n": 2}}])
def test_every_choice_answers_its_own_prompt(
    options: dict[str, Any], wrong: str, form: str, server: AnsweringServer
) -> None:
    def answer(body: dict[str, Any]) -> Answered:
        prompts, n = prompts_of(body), body.get("n", 1)
        return Answered(encoded(WRONG[wrong](right(prompts, n), prompts, n), form))

    server.answer = answer
    with Client(endpoint=server.url, auth="none", retries=0) as client:
        try:
            completion = client.complete(PROMPTS, **options)
        except MalformedResponseError:
            assert wrong not in ("as asked", "reordered")
            return
    each = len(completion.choices) // len(PROMPTS)
    ignores_n = "extra" in options and wrong == "n ignored"
    assert each == (2 if options and not ignores_n else 1)
    for choice in completion.choices:
        assert answers(choice.text, PROMPTS[choice.index // each])


@pytest.mark.parametrize("command", ["complete", "stream"])
@pytest.mark.parametrize("wrong", ["joined", "strings", "unnumbered and reordered", "from 1", "one more"])
def test_the_commands_say_so(wrong: str, command: str, server: AnsweringServer, cli: Cli) -> None:
    def answer(body: dict[str, Any]) -> Answered:
        prompts = prompts_of(body)
        return Answered(
            encoded(WRONG[wrong](right(prompts), prompts, 1), "stream" if body.get("stream") else "document")
        )

    server.answer = answer
    result = cli.service(server.url).run(command, "--lines", stdin=b"one\ntwo\n")
    assert (result.code, "error: " in result.stderr) == (12, True)
