"""What the server ignored is said once, and `--fail-on ignored` makes it an error."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.answering_server import Answered, answering
from tests.command import Cli
from tests.emulator_process import EmulatorProcess

ASKED = ("-x", "echo:=true", "-x", "logprobs:=1", "-s", "e", "-M", "30", "Row 5 says")


@pytest.mark.parametrize("command", ["complete", "stream"])
@pytest.mark.parametrize(
    ("faults", "names"),
    [
        ([], None),
        (["echo-ignored"], "echo"),
        (["echo-ignored", "logprobs-ignored", "stop-ignored"], "echo, logprobs, stop"),
    ],
)
def test_one_warning_names_them(
    command: str, faults: list[str], names: str | None, cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    cli.service(emulator(*[part for fault in faults for part in ("--fault", fault)]).url)
    result = cli.run(command, *ASKED)
    assert result.code == 0
    said = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert said == ([f"warning: the server ignored: {names}"] if names else [])
    failing = cli.run(command, *ASKED, "--fail-on", "ignored")
    assert (failing.code, failing.stdout) == (15 if names else 0, result.stdout)
    quiet = cli.run(command, *ASKED, "-q")
    assert "warning" not in quiet.stderr


@pytest.mark.parametrize("command", ["complete", "stream"])
@pytest.mark.parametrize("prompts", [["--lines"], ["one"]])
def test_a_server_that_ignores_n(command: str, prompts: list[str], cli: Cli) -> None:
    def answer(body: dict[str, Any]) -> Answered:
        asked = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        choices = [{"index": at, "text": f"to {prompt}", "finish_reason": "stop"} for at, prompt in enumerate(asked)]
        if not body.get("stream"):
            return Answered({"choices": choices})
        events = [json.dumps({"choices": [choice]}) for choice in choices]
        return Answered("".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode())

    with answering(answer) as server:
        cli.service(server.url)
        result = cli.run(command, *prompts, "-x", "n:=2", stdin=b"one\ntwo\n")
        assert result.code == 0, result.stderr
        assert result.text.splitlines() == (["to one", "to two"] if prompts == ["--lines"] else ["to one"])
        assert "warning: the server ignored: n\n" in result.stderr
        assert cli.run(command, *prompts, "-x", "n:=2", "--fail-on", "ignored", stdin=b"one\ntwo\n").code == 15


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_each_choice_is_shown_behind_its_own_prompt(command: str, cli: Cli, emulator: Callable[..., Any]) -> None:
    cli.service(emulator().url)
    asked = ("--lines", "-x", "n:=2", "-x", "echo:=true", "-M", "0")
    result = cli.run(command, *asked, "--echo", "-n", "2", stdin=b"one\ntwo\n")
    assert result.text.splitlines() == ["oneone"] * 4 + ["twotwo"] * 4
