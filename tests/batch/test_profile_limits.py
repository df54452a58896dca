"""Limits and prices that a profile has for batches: used where no option says otherwise."""

from pathlib import Path

import pytest

from tests.batch.conftest import Rows, summary
from tests.command import Cli
from tests.emulator_process import Start

TOML = '[profiles.p]\nendpoint = "{url}"\nconcurrency = 1\nprice_in = 0\nprice_out = 1_000_000\n'


def test_a_profile_limits_the_requests_in_flight(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--limit", "in-flight=1", "--latency", "0.02")
    cli.env["COMPLETIONS_API_KEY"] = "any"
    cli.profile(TOML.format(url=server.url))
    found = summary(cli.run("batch", str(rows(12)), "-o", str(output), "--summary", "-"))
    assert (found["rows"], found["throttled"]) == (12, 0)
    assert summary(cli.run("batch", str(rows(12)), "-o", str(output), "--summary", "-", "--overwrite", "-j", "6"))[
        "throttled"
    ]


def test_a_profile_has_prices(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.env["COMPLETIONS_API_KEY"] = "any"
    cli.profile(TOML.format(url=emulator().url))
    run = ("batch", str(rows(6)), "-o", str(output), "--summary", "-", "-M", "3")
    found = summary(cli.run(*run))
    assert found["cost"] == found["completion_tokens"] > 0
    stopped = cli.run(*run, "--overwrite", "--max-cost", "4")
    assert (stopped.code, summary(stopped)["stopped_by"]) == (14, "max_cost")
    assert summary(cli.run(*run, "--overwrite", "--price-in", "0", "--price-out", "0"))["cost"] == 0


@pytest.mark.parametrize("lacking", ["price_in", "price_out"])
def test_prices_of_a_profile_come_in_pairs(lacking: str, cli: Cli, rows: Rows, output: Path) -> None:
    lines = [line for line in TOML.format(url="http://127.0.0.1:9/v1").splitlines() if not line.startswith(lacking)]
    cli.profile("\n".join(lines))
    result = cli.run("batch", str(rows(1)), "-o", str(output))
    assert (result.code, output.exists()) == (2, False)
    assert "prices are given in pairs: price_in and price_out" in result.stderr
