"""What must hold with any server of completions, whoever wrote it: a list of cases, each a run of the command."""

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.command import Cli

_PROMPT = "Once upon a time"
_EXACT = ("-M", "8", "-t", "0", "--seed", "1")


@dataclass(frozen=True)
class Server:
    """A server that is running, and what it is known not to do."""

    url: str
    key: str
    model: str
    streams: bool = True
    lists_models: bool = True
    takes_arrays: bool = True  # of prompts
    streams_arrays: bool = True  # with the indices of their choices
    is_repeatable: bool = True  # the same text for the same seed, streamed or not
    unknown_model: int | None = 5  # the exit code for a model that it does not have; None where it takes any name
    wrong_key: int | None = 4
    hot: int | None = 6  # the exit code for a temperature of 9

    @property
    def verbs(self) -> tuple[str, ...]:
        """The commands that it answers."""
        return ("complete", "stream") if self.streams else ("complete",)

    @property
    def ask(self) -> tuple[str, str]:
        """The options that name the model."""
        return ("-m", self.model)


def plain_and_streamed(server: Server, cli: Cli, _: Path) -> None:
    """Get the same text in one piece and in many."""
    texts = [cli.run(verb, _PROMPT, *server.ask, *_EXACT) for verb in server.verbs]
    assert not any(result.code for result in texts), texts
    assert all(result.text.strip() for result in texts)
    assert not server.is_repeatable or len({result.text for result in texts}) == 1, texts


def as_json(server: Server, cli: Cli, _: Path) -> None:
    """Get one choice with a reason for its end."""
    for verb in server.verbs:
        result = cli.run(verb, _PROMPT, *server.ask, *_EXACT, "-F", "json")
        assert result.code == 0, result
        assert [choice["finish_reason"] in ("length", "stop") for choice in result.json()["choices"]] == [True], result


def several_prompts(server: Server, cli: Cli, _: Path) -> None:
    """Get a choice for each, or an exit code that says that something is missing."""
    whole = {"complete": server.takes_arrays, "stream": server.takes_arrays and server.streams_arrays}
    for verb, is_whole in list(whole.items())[: len(server.verbs)]:
        result = cli.run(
            verb, "--lines", *server.ask, "-M", "3", "-F", "json", "--retries", "0", stdin=b"one\ntwo\nsix\n"
        )
        assert (result.code == 0) == is_whole, result
        assert not is_whole or [choice["index"] for choice in result.json()["choices"]] == [0, 1, 2], result


def rows(server: Server, cli: Cli, folder: Path) -> None:
    """Get one line for every row, alone or in packs."""
    (folder / "rows.txt").write_text("".join(f"row {number}\n" for number in range(24)), encoding="utf-8")
    for name, more in (("single", ()), ("packed", ("--pack", "4"))):
        out = folder / name
        result = cli.run("batch", str(folder / "rows.txt"), "-o", str(out), *server.ask, "-M", "3", "-j", "4", *more)
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        assert (result.code, sorted(line["row"] for line in lines)) == (0, list(range(24))), result


def refusals(server: Server, cli: Cli, _: Path) -> None:
    """Get an exit code for each, and a hint."""
    short = ("-M", "3", "--retries", "0")
    wrong = {**cli.env, "COMPLETIONS_API_KEY": "sk-wrong-key-0123456789"}
    for result, code in (
        (cli.run("complete", "x", "-m", "no-such-model", *short), server.unknown_model),
        (cli.run("complete", "x", *server.ask, *short, env=wrong), server.wrong_key),
        (cli.run("complete", "x", *server.ask, *short, "-t", "9"), server.hot),
    ):
        assert result.code == (code or 0), result
        assert code is None or ("error: " in result.stderr and "hint: " in result.stderr), result


def names_of_models(server: Server, cli: Cli, _: Path) -> None:
    """Find the model among those that it lists."""
    result = cli.run("models", "--retries", "0")
    assert (server.model in result.text.splitlines()) is server.lists_models, result


def interrupted(server: Server, cli: Cli, _: Path) -> None:
    """End a stream with Ctrl-C."""
    process = cli.start(server.verbs[-1], _PROMPT, *server.ask, "-M", "400")
    assert process.stdout
    first = process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert (first != b"", process.returncode in (0, 130)) == (True, True), said


# Each raises AssertionError when it does not hold.
CASES: tuple[Callable[[Server, Cli, Path], None], ...] = (
    plain_and_streamed,
    as_json,
    several_prompts,
    rows,
    refusals,
    names_of_models,
    interrupted,
)
