"""The servers that the pace is played against: halves, and reasons for what is missed."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_a_cell_misses_its_target_for_a_reason_whatever_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    bank, reasons, run = map(importlib.import_module, ("limiter_bank", "pacing_reasons", "pacing_run"))
    poor = [run.Figures(0.5, 0.01, 1.0), run.Figures(1.0, 0.5, 1.0), run.Figures(0.0, 0.0, 0.0)]
    unfair = run.Figures(1.0, 0.01, 0.5)
    for cell in bank.bank():
        assert reasons.reason(cell, run.Figures(0.95, 0.01, 0.95)) is None
        for figures in [*poor, unfair] if cell.clients > 1 else poor:
            assert figures.meets(cell) or reasons.reason(cell, figures) is not None


def test_each_server_is_in_one_half_and_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    bank = importlib.import_module("limiter_bank")
    names = [cell.name for half in bank.halves(bank.bank()) for cell in half]
    assert sorted(names) == sorted({cell.name for cell in bank.bank()})
