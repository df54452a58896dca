"""Libraries that cannot be loaded, and a system that gives nothing more: what is missing is said, and it is no bug."""

from pathlib import Path

import pytest

from tests.command import Cli

RAISED = {
    "ImportError('libfoo.so.1: cannot open shared object file')": "a library cannot be loaded: libfoo.so.1",
    "ModuleNotFoundError('foo')": "a library cannot be loaded: foo",
    'RuntimeError("can\'t start new thread")': "the system refuses more resources to this process: can't start",
    "RuntimeError('odd')": "a library cannot be loaded: {library}: RuntimeError: odd",
    "SystemExit(0)": "a library cannot be loaded: {library}: it ended the program",
    "MemoryError()": "the system refuses more resources to this process: ",
}


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize(
    ("library", "command"),
    [("httpx", "complete P"), ("orjson", "batch ROWS -o OUT"), ("starlette", "emulator --list-faults")],
)
def test_a_library_that_cannot_be_loaded(raised: str, library: str, command: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise {raised}\n")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('"hi"\n')
    typed = command.replace("ROWS", str(rows)).replace("OUT", str(tmp_path / "out.jsonl")).split()
    result = cli.service("http://127.0.0.1:9").run(*typed, env={"PYTHONPATH": str(tmp_path)})
    assert result.code == 2, result.stderr
    assert RAISED[raised].format(library=library) in result.stderr
    assert "bug" not in result.stderr


@pytest.mark.parametrize("raised", ["SystemExit(0)", "RuntimeError('odd')", "ImportError('odd')"])
def test_a_library_without_which_nothing_can_be_said(raised: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(f"raise {raised}\n")
    result = cli.run("--version", env={"PYTHONPATH": str(tmp_path)})
    kind, _, reason = raised.replace("'", "").removesuffix(")").partition("(")
    assert (result.code, result.stdout) == (2, b"")
    assert result.stderr == (
        f"error: a library cannot be loaded: {kind}: {reason}\nhint: Install completions again, in a new environment.\n"
    )
