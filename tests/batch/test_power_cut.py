"""A power cut at any moment leaves what the same command finishes: strace's record, replayed against what may be lost."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from completions_cli.batch import entry, recovery, run_file
from tests.answers import answer
from tests.batch.conftest import Rows, batch, records
from tests.command import COMMAND, Cli
from tests.power_cut import Folder, record, replay
from tests.scripted_server import ScriptedServer, response

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="strace, of Linux, is not installed"
)
RUN = "out.jsonl.run"
READER = partial(entry.read, output_format="native")
REFUSED = response(b'{"error":{"message":"no","code":"x"}}', "422 Unprocessable Entity")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name the folder of the output, which nothing else is in."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


def _answered(content: bytes) -> dict[int, str]:
    """Read the answers that are whole in an output."""
    lines = [json.loads(line) for line in content.split(b"\n")[:-1] if READER(line)]
    return {line["row"]: line["choices"][0]["text"] for line in lines if not line["error"]}


def _cuts(cli: Cli, folder: Path, *args: str | Path) -> int:
    """Run under strace and look at all that a power cut may leave; return how many states that were."""
    model, log = Folder(folder), folder.parent / "strace"
    durable = _answered(model.content("out.jsonl"))
    assert record([COMMAND, "batch", *map(str, args), "-o", "out.jsonl", "-j", "1"], folder, cli.env, log) in {0, 13}
    count = 0
    for step in replay(log, model):
        if step == "fsync of out.jsonl":
            durable |= _answered(model.content("out.jsonl"))
        elif step == "ftruncate of out.jsonl" and not model.content("out.jsonl"):
            durable = {}
        for state in model.after_a_cut("out.jsonl", RUN):
            count += 1
            _check(state["out.jsonl"], state[RUN], durable, step, folder.parent / "cut")
    final = list(model.after_a_cut("out.jsonl", RUN))
    assert {state["out.jsonl"] for state in final} == {(folder / "out.jsonl").read_bytes()}
    assert {state[RUN] for state in final} == {(folder / RUN).read_bytes()}
    return count


def _check(output: bytes | None, beside: bytes | None, durable: dict[int, str], step: str, place: Path) -> None:
    """Check that the same command can finish what is there: no synced answer lost, none under other parameters."""
    answered = _answered(output or b"")
    assert durable.items() <= answered.items(), step
    if not output:
        return
    place.write_bytes(output)
    recovery.scan(place, READER)  # nothing in it is foreign
    assert beside is not None, step
    run = run_file.parse(beside)
    assert run is not None, step
    wanted = "new" if run.parameters.get("temperature") == 1 else "old"
    assert set(answered.values()) <= {wanted}, step
    assert run.rows is None or max(answered, default=0) < run.rows, step  # no row that the run does not know of


def test_an_output_that_is_adopted_gets_its_run_file_before_new_answers(
    cli: Cli, scripted_server: ScriptedServer, rows: Rows, folder: Path
) -> None:
    cli.service(scripted_server.url)
    scripted_server.play([answer("old")])
    assert batch(cli, rows(6), "-o", folder / "out.jsonl", "--limit", "3").code == 0
    (folder / RUN).unlink()
    model, log = Folder(folder), folder.parent / "strace"
    command = [COMMAND, "batch", str(folder.parent / "in.jsonl"), "-o", "out.jsonl", "-j", "1", "--adopt"]
    assert record(command, folder, cli.env, log) == 0
    states = [state for _ in replay(log, model) for state in model.after_a_cut("out.jsonl", RUN)]
    assert len(states) > 10
    for state in states:
        assert set(_answered(state["out.jsonl"] or b"")) >= {0, 1, 2}
        assert len(_answered(state["out.jsonl"] or b"")) == 3 or run_file.parse(state[RUN] or b"") is not None


def test_a_power_cut_loses_nothing_that_was_synced(
    cli: Cli, scripted_server: ScriptedServer, rows: Rows, folder: Path
) -> None:
    source = rows(6)
    cli.service(scripted_server.url)
    scripted_server.play([answer("old")], [REFUSED], [answer("old")])
    assert _cuts(cli, folder, source, "--limit", "3") > 10  # begun
    whole = (folder / "out.jsonl").read_bytes()
    (folder / "out.jsonl").write_bytes(whole + b'{"id":"r3","ro')
    assert _cuts(cli, folder, source, "--limit", "4") > 10  # a torn end mended, resumed
    assert _cuts(cli, folder, source, "--retry-failed") > 10  # a failure replaced
    (folder / "out.jsonl").write_bytes(b"".join(reversed((folder / "out.jsonl").read_bytes().splitlines(True))))
    assert _cuts(cli, folder, source, "--ordered") > 4  # put into order
    assert len(records(folder / "out.jsonl")) == 6
    assert _cuts(cli, folder, rows(8)) > 10  # an input that grew
    assert len(records(folder / "out.jsonl")) == 8
    scripted_server.play([answer("new")])
    assert _cuts(cli, folder, source, "-t", "1", "--overwrite") > 10  # begun anew over what there was
    assert batch(cli, source, "-o", folder / "out.jsonl", "-t", "1").code == 0
