"""A run on a cluster resumes as one on a machine does: failures asked again, a lost description, other models, totals."""

import sys
from pathlib import Path

import pytest

from tests.batch.conftest import Rows, records, summary
from tests.batch.on_a_cluster import Joined
from tests.batch.scripted_answers import BUSY, REFUSED, answer
from tests.command import Result
from tests.emulator_process import Start
from tests.scripted_server import ScriptedServer

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc"),
    pytest.mark.xdist_group("ray"),
]


def by_row(folder: Path) -> dict[int, str]:
    found = [record for part in sorted(folder.glob("part-*.jsonl")) for record in records(part)]
    assert len({record["row"] for record in found}) == len(found)
    return {record["row"]: record["error"]["kind"] if record["error"] else record["model"] for record in found}


def test_runs_of_one_folder(joined: Joined, scripted_server: ScriptedServer, rows: Rows, tmp_path: Path) -> None:
    server, folder, source = scripted_server, tmp_path / "out", rows(12)
    joined.cli.service(server.url)

    def run(*options: str) -> Result:
        return joined.run(source, "-o", folder, "-j", "1", "--retries", "0", *options)

    server.play([answer()], [REFUSED], [BUSY], [answer()])
    first = run("--limit", "4")
    assert (first.code, sorted(by_row(folder).values())) == (13, ["a", "a", "rejected", "server"]), first.stderr
    assert "worth retrying: 1 row, with --retry-failed=retryable" in first.stderr

    server.play([answer("b")])
    before = {part: part.read_bytes() for part in folder.glob("part-*")}
    other = run("--limit", "6")
    assert (other.code, "from the model b, those in OUTPUT from a" in other.stderr) == (2, True), other.stderr
    assert {part: part.read_bytes() for part in folder.glob("part-*")} == before

    server.play([answer()], [answer("b")])
    again = run("--limit", "6", "--retry-failed=retryable", "--max-errors", "50%")
    assert (again.code, sorted(by_row(folder).values())) == (13, ["a", "a", "a", "b", "b", "rejected"]), again.stderr
    assert "warning: the model b answers now; earlier answers came from a" in again.stderr
    told = summary(again)
    assert (told["rows"], told["models"], told["resumed"]) == (3, {"a": 1, "b": 2}, 3)
    assert (told["all_runs"]["rows"], told["all_runs"]["models"]) == (6, {"a": 3, "b": 2})
    assert told["all_runs"]["requests"] == 4 + other_requests(other) + 3

    (folder / "_run.json").unlink()
    assert "--adopt" in run().stderr
    adopted = run("--adopt", "--retry-failed")
    assert (adopted.code, set(by_row(folder))) == (0, set(range(12))), adopted.stderr
    assert summary(adopted)["all_runs"]["ok"] == 12

    with source.open("a") as file:
        file.write('"one more"\n"and another"\n')
    grown = run()
    assert (grown.code, set(by_row(folder))) == (0, set(range(14))), grown.stderr
    assert "grew from 12 to 14 rows" in grown.stderr
    server.play([answer("b")])
    source.write_text(source.read_text().replace("one more", "one less"))
    changed = run()
    assert (changed.code, "another input" in changed.stderr) == (2, True), changed.stderr


def test_a_folder_may_gain_files(joined: Joined, emulator: Start, tmp_path: Path) -> None:
    joined.cli.service(emulator().url)
    source, folder = tmp_path / "in", tmp_path / "out"
    source.mkdir()

    def write(**prompts: str) -> None:
        for name, letters in prompts.items():
            (source / f"{name}.jsonl").write_text(
                "".join(f'{{"id": "{letter}", "prompt": "x"}}\n' for letter in letters)
            )

    def ids() -> list[str]:
        return [record["id"] for part in sorted(folder.glob("part-*.jsonl")) for record in records(part)]

    write(b="kl", d="m")
    assert joined.run(source, "-o", folder).code == 0
    before = {part: part.read_bytes() for part in folder.glob("part-*")}
    write(a="op", d="mn")
    planned = joined.run(source, "-o", folder, "--plan")
    assert b"rows: 3 to send, 0 bad, 3 already done\n" in planned.stdout, planned.stderr
    grown = joined.run(source, "-o", folder)
    assert (grown.code, ids()) == (0, list("klmnop")), grown.stderr
    assert all(part.read_bytes().startswith(content) for part, content in before.items())
    assert ("grew from 3 to 6 rows" in grown.stderr, summary(grown)["rows"]) == (True, 3)
    write(b="xl")
    for plan in ((), ("--plan",)):
        changed = joined.run(source, "-o", folder, *plan)
        assert (changed.code, "b.jsonl in it now of other content" in changed.stderr) == (2, True), changed.stderr


def other_requests(stopped: Result) -> int:
    """Count what a run that was refused has asked: it is paid, recorded or not."""
    return int(summary(stopped)["requests"])
