"""What the server ignored stands in the lines and in the summary of a batch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.conftest import batch, records, summary
from tests.command import Cli
from tests.emulator_process import EmulatorProcess

ASKED = ("-x", "echo:=true", "-x", "logprobs:=1", "-s", "e", "-M", "30", "--summary", "-")


@pytest.mark.parametrize("pack", ["1", "4"])
def test_each_line_says_what_was_ignored_for_its_row(
    pack: str, cli: Cli, emulator: Callable[..., EmulatorProcess], rows: Callable[[int], Path], output: Path
) -> None:
    faults = ("--fault", "echo-ignored:0.5", "--fault", "logprobs-ignored:0.5", "--fault", "stop-ignored:0.5")
    result = batch(cli.service(emulator(*faults).url), rows(60), "-o", output, "--pack", pack, *ASKED)
    counted = {"echo": 0, "logprobs": 0, "stop": 0}
    for record in records(output):
        choice, prompt = record["choices"][0], f"Row {record['row']} says"
        found = {
            "echo": not choice["text"].startswith(prompt),
            "logprobs": not choice.get("logprobs"),
            "stop": "e" in choice["text"].removeprefix(prompt)[:-1],
        }
        names = [name for name, is_ignored in found.items() if is_ignored]
        assert record.get("ignored", []) == names
        for name in names:
            counted[name] += 1
    assert (result.code, summary(result)["ignored"]) == (0, counted)
    assert summary(result)["all_runs"]["ignored"] == counted
    assert all(counted.values())
    assert f"ignored: the server ignored echo in {counted['echo']} rows" in result.stderr


def test_nothing_is_said_where_all_was_kept(
    cli: Cli, emulator: Callable[..., EmulatorProcess], rows: Callable[[int], Path], output: Path
) -> None:
    result = batch(cli.service(emulator().url), rows(30), "-o", output, "-x", "n:=2", "--pack", "4", *ASKED)
    assert (result.code, summary(result)["ignored"]) == (0, {})
    assert not any("ignored" in record for record in records(output))
