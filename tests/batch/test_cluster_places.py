"""What is settled before a cluster is asked for anything: where it is, and that INPUT and OUTPUT are apart."""

from collections.abc import Callable
from pathlib import Path

import pytest

from completions_cli.batch.cluster import bounds, environment
from tests.batch.conftest import batch
from tests.command import Cli

pytest.importorskip("ray")
HERE = "http://127.0.0.1:9"


def test_a_wrong_address_is_named_at_once(cli: Cli, rows: Callable[[int], Path], tmp_path: Path) -> None:
    cli.service(HERE)
    args = (rows(2), "-o", tmp_path / "out", "--engine", "ray")
    for address in ("127.0.0.1:1", "no-such-host.invalid:6379"):
        result = batch(cli, *args, "--address", address)
        assert (result.code, address in result.stderr) == (10, True), result.stderr
    cli.env["RAY_ADDRESS"] = "127.0.0.1:1"
    assert batch(cli, *args).code == 10
    cli.env["RAY_ADDRESS"] = "http://127.0.0.1:8265"
    assert "ray job submit" in batch(cli, *args).stderr
    assert batch(cli, *args, "--address", "").code == 2
    assert not (tmp_path / "out").exists()
    assert batch(cli, *args, "--address", "127.0.0.1:\u00b2").code == 10


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ('{"runtime_env": {"env_vars": {"COMPLETIONS_API_KEY": "k", "A": "b"}}}', ["COMPLETIONS_API_KEY"]),
        ('{"runtime_env": {"env_vars": {"COMPLETIONS_ENDPOINT": "http://h/?sig=k"}}}', ["COMPLETIONS_ENDPOINT"]),
        ('{"runtime_env": {"env_vars": {"COMPLETIONS_ENDPOINT": "http://h/v1"}}}', []),
        ('{"runtime_env": {"env_vars": {"AWS_SECRET_ACCESS_KEY": "k"}}}', ["AWS_SECRET_ACCESS_KEY"]),
        ('{"runtime_env": {"env_vars": {"COMPLETIONS_API_KEY_FILE": "k"}}}', []),
        ('{"runtime_env": {"env_vars": null}}', []),
        ('{"runtime_env": null}', []),
        ("[]", []),
        ("{", []),
    ],
)
def test_keys_that_a_job_was_submitted_with_are_named(
    told: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", told)
    assert environment.shown() == names


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in", "in"),
        ("in", "in/out"),
        ("in", "in/deep/out"),
        ("in/part-0.jsonl", "in"),
        ("in/deep/more.jsonl", "in"),
        ("in/*.jsonl", "in"),
        ("in/**/*.jsonl", "in/out"),
        ("in/deep/../deep", "in"),
        ("link", "in"),
        ("in", "link"),
    ],
)
def test_input_and_output_in_one_another_are_refused(source: str, output: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("part-0.jsonl", "deep/more.jsonl"):
        (tmp_path / "in" / name).write_text('"a"\n')
    (tmp_path / "link").symlink_to("in")
    cli.service(HERE)
    before = sorted(tmp_path.rglob("*"))
    result = batch(cli, tmp_path / source, "-o", tmp_path / output, "--engine", "ray", "--overwrite")
    assert (result.code, "apart" in result.stderr) == (2, True), result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_plan_needs_no_cluster(cli: Cli, tmp_path: Path) -> None:
    cli.service(HERE)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('"one"\n{"no": "prompt"}\n"two"\n')
    (tmp_path / "in" / "b.csv").write_text("prompt,note\nthree,1\nfour,2\n")
    planned = batch(cli, tmp_path / "in", "-o", tmp_path / "out", "--engine", "ray", "--plan", "--pack", "2")
    assert planned.code == 0, planned.stderr
    assert planned.stdout.startswith(b"rows: 4 to send, 1 bad\nbad row 1: no prompt (line 2)\nrequests: 2\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2:8", (2, 8)), (":8", (1, 8)), ("2:", (2, bounds.MOST_WORKERS)), ("3", (3, 3)), (":", (1, bounds.MOST_WORKERS))],
)
def test_numbers_of_workers(text: str, expected: tuple[int, int]) -> None:
    assert bounds.parse(text) == expected


@pytest.mark.parametrize("text", ["", "0", "3:2", "-1", "1:2:3", "two", "1e3", "٣", "99999999999999999999"])
def test_what_is_no_number_of_workers(text: str, cli: Cli, rows: Callable[[int], Path], tmp_path: Path) -> None:
    result = batch(cli, rows(1), "-o", tmp_path / "out", "--engine", "ray", f"--workers={text}")
    assert (result.code, "--workers" in result.stderr) == (2, True)
