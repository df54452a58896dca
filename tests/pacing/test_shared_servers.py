"""The servers that several runs share: what each run is told adds up to the limit, and each is in the table."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_parts_that_runs_are_told_add_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    bank, shared = map(importlib.import_module, ("limiter_bank", "pacing_shared"))
    for cell in (shared.told(each) for each in bank.bank() if each.clients > 1):
        capacity = cell.make().capacity(0.0, 60.0)
        told = cell.in_flight * 60 if cell.in_flight else cell.rpm
        assert told * cell.clients == pytest.approx(capacity, rel=0.01)


def test_runs_that_start_apart_are_all_under_way_before_anything_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    bank, shared = map(importlib.import_module, ("limiter_bank", "pacing_shared"))
    for cell in (shared.apart(each) for each in bank.bank() if each.clients > 1):
        assert cell.warm >= (cell.clients - 1) * cell.apart + 15


def test_each_shared_server_is_in_a_row_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    bank, run, shared = map(importlib.import_module, ("limiter_bank", "pacing_run", "pacing_shared"))
    names = [cell.name for cell in bank.bank() if cell.clients > 1]
    figures = {way: dict.fromkeys(names, run.Figures(1.0, 0.01, 0.5)) for way in shared.WAYS}
    rows = [line for line in "".join(shared.section(figures)).splitlines() if line.endswith("1.0% |")]
    assert len(rows) * 3 == len(names)
