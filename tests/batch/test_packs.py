"""Several rows in one request, and several completions of a row: everybody gets their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from completions_cli.batch.rows import Defaults, Row
from completions_cli.batch.units import Packer
from tests.batch.conftest import Rows, batch, records, row_numbers, summary
from tests.command import Cli
from tests.emulator_process import EmulatorProcess, Start


def prompts(server: EmulatorProcess) -> list[Any]:
    """Give the prompts of all requests."""
    return [json.loads(record["body"])["prompt"] for record in server.log()]


def texts(path: Path) -> dict[int, list[str]]:
    """Give the texts of each row."""
    return {record["row"]: [choice["text"] for choice in record["choices"]] for record in records(path)}


def test_a_pack_answers_what_single_requests_do(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    server = emulator()
    cli.service(server.url)
    assert batch(cli, rows(10), "-o", tmp_path / "single").code == 0
    result = batch(cli, rows(10), "-o", tmp_path / "packed", "--pack", "4", "--summary", "-")
    assert (result.code, sorted(len(prompt) for prompt in prompts(server)[10:])) == (0, [2, 4, 4])
    assert texts(tmp_path / "packed") == texts(tmp_path / "single")
    assert all(choice["index"] == 0 for record in records(tmp_path / "packed") for choice in record["choices"])
    assert summary(result)["total_tokens"] == sum(
        record["usage"]["total_tokens"] for record in records(tmp_path / "single")
    )


def test_a_pack_of_one_is_a_plain_string(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator()
    batch(cli.service(server.url), rows(3), "-o", output, "--pack", "2")
    assert sorted(prompts(server), key=str) == ["Row 2 says", ["Row 0 says", "Row 1 says"]]


def test_only_rows_with_equal_parameters_are_packed(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.jsonl"
    lines: list[Any] = [
        "a", "b", {"prompt": "c", "max_tokens": 9}, {"prompt": "d", "max_tokens": 9}, ["x"], {"prompt": ["e", "f"]},
        {"prompt": [1, 2]}, {"prompt": [3]}, "g",
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    server = emulator()
    result = batch(cli.service(server.url), path, "-o", output, "--pack", "5", "-j", "1")
    assert (result.code, row_numbers(output)) == (13, list(range(9)))
    assert sorted(prompts(server), key=str) == [["a", "b"], ["c", "d"], ["e", "f"], [[1, 2], [3]], "g"]
    assert {number: len(found) for number, found in texts(output).items()} == dict.fromkeys(range(9), 1) | {4: 0, 5: 2}


@pytest.mark.parametrize("fault", ["missing-choice:x3", "repeated-choice:x3", "shuffled-choices:0.7"])
def test_choices_find_their_rows_or_are_asked_again(
    fault: str, cli: Cli, emulator: Start, rows: Rows, tmp_path: Path
) -> None:
    batch(cli.service(emulator().url), rows(12), "-o", tmp_path / "right")
    server = emulator("--fault", fault)
    assert batch(cli.service(server.url), rows(12), "-o", tmp_path / "out", "--pack", "4").code == 0
    first = {row: found[0] for row, found in texts(tmp_path / "out").items()}
    assert first == {row: found[0] for row, found in texts(tmp_path / "right").items()}
    assert (len(prompts(server)) > 3) is (fault != "shuffled-choices:0.7")


def test_one_bad_prompt_of_a_pack_fails_alone(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.txt"
    lines = [f"Line {number}" for number in range(16)]
    lines[5] = "TRIGGER_CONTENT_FILTER"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    server = emulator()
    result = batch(cli.service(server.url), path, "-o", output, "--pack", "8")
    failed = [record for record in records(output) if record["error"]]
    assert (result.code, row_numbers(output)) == (13, list(range(16)))
    assert [(record["row"], record["error"]["kind"]) for record in failed] == [(5, "content_filter")]
    assert len(prompts(server)) == 8  # two packs, then halves of the one: 4+4, 2+2, 1+1


def test_a_server_without_arrays_gets_strings(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--behaviour", "managed")
    result = batch(cli.service(server.url), rows(200), "-o", output, "--pack", "4", "-j", "2")
    assert (result.code, row_numbers(output)) == (0, list(range(200)))
    assert sum(isinstance(prompt, list) for prompt in prompts(server)) < 12


def test_a_pack_that_keeps_failing_is_taken_apart(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--fault", "500:0.4")
    result = batch(cli.service(server.url), rows(40), "-o", output, "--pack", "8", "--retries", "3")
    assert result.code in (0, 13)
    assert row_numbers(output) == list(range(40))


@pytest.mark.parametrize("pack", ["1", "3"])
def test_samples_of_each_row(pack: str, cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator()
    assert batch(cli.service(server.url), rows(5), "-o", output, "-n", "3", "--pack", pack).code == 0
    for record in records(output):
        assert [choice["index"] for choice in record["choices"]] == [0, 1, 2]
        assert len({choice["text"] for choice in record["choices"]}) == 3
    assert len(prompts(server)) == (5 if pack == "1" else 2)


def test_samples_with_a_seed_are_requests_of_their_own(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    server = emulator()
    cli.service(server.url)
    args = (rows(4), "-n", "3", "--seed", "7")
    assert batch(cli, *args, "-o", tmp_path / "single").code == 0
    assert sorted(json.loads(record["body"])["seed"] for record in server.log()) == sorted([7, 8, 9] * 4)
    assert batch(cli, *args, "-o", tmp_path / "packed", "--pack", "2").code == 0
    assert len(server.log()) == 12 + 6
    assert texts(tmp_path / "packed") == texts(tmp_path / "single")
    found = records(tmp_path / "single")[0]
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2]
    assert found["usage"]["total_tokens"] == found["usage"]["prompt_tokens"] + found["usage"]["completion_tokens"]


def test_arrays_are_streamed_where_only_streams_count_them() -> None:
    packer = Packer(Defaults({"max_tokens": 3}), size=2, streams_arrays=True)
    units = list(packer.units([Row(0, prompt="a"), Row(1, prompt="b"), Row(2, prompt="c")]))
    assert [unit.request.stream for unit in units] == [True, False]
    again = packer.split(units[0])
    assert [(unit.request.prompt, unit.request.stream) for unit in again] == [("a", False), ("b", False)]
