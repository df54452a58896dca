"""A power cut while a command writes a file leaves the file as it was or whole: strace's record, replayed."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from completions_cli.batch import run_file
from completions_cli.settings import profile_file
from tests.answers import answer
from tests.command import COMMAND, Cli
from tests.power_cut import Folder, record, replay
from tests.scripted_server import ScriptedServer

State = dict[str, bytes | None]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="strace, of Linux, is not installed"
)
ANSWER = answer("hello")
PROFILE = '# ours\n[profiles.p]\nendpoint = "https://contoso.example"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name a folder that nothing else is in."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


def cuts(cli: Cli, folder: Path, *args: str, check: Callable[[State], None]) -> int:
    """Run a command in the folder and check all that a power cut may leave there; return how many states that were."""
    model, log = Folder(folder), folder.parent / "strace"
    assert record([COMMAND, *args], folder, cli.env, log) == 0
    count = 0
    names = {path.name for path in folder.iterdir()} | set(model.names)
    for _ in replay(log, model):
        for state in model.after_a_cut(*names):
            count += 1
            check(state)
    left = [path for path in folder.iterdir() if path.is_file()]
    for state in model.after_a_cut(*(path.name for path in left)):  # now that it has ended, nothing is lost
        assert state == {path.name: path.read_bytes() for path in left}
    return count


def is_one_of(name: str, *contents: bytes | None) -> Callable[[State], None]:
    """Make the check that a file is as it was or as it is to be."""

    def check(state: State) -> None:
        assert state[name] in contents

    return check


@pytest.mark.parametrize("before", [None, b"an older answer"])
def test_an_answer_in_a_file(before: bytes | None, cli: Cli, scripted_server: ScriptedServer, folder: Path) -> None:
    cli.service(scripted_server.url)
    scripted_server.play([ANSWER])
    if before is not None:
        (folder / "answer").write_bytes(before)
    assert cuts(cli, folder, "complete", "P", "-o", "answer", check=is_one_of("answer", before, b"hello\n")) >= 4


def _outputs(cli: Cli, server: ScriptedServer, folder: Path, *shards: str) -> None:
    """Make outputs of shards of four rows beside the folder, and one of other parameters in it."""
    cli.service(server.url)
    server.play([ANSWER])
    (folder.parent / "in.txt").write_text("a\nb\nc\nd\n", encoding="utf-8")
    for shard in shards:
        target = folder.parent / f"part-{shard}.jsonl"
        source = str(folder.parent / "in.txt")
        assert cli.run("batch", source, "-o", str(target), "--shard", f"{shard}/2").code == 0
    assert cli.run("batch", str(folder.parent / "in.txt"), "-o", str(folder / "all.jsonl"), "-t", "1").code == 0


@pytest.mark.parametrize("is_known", [True, False])
def test_shards_joined_over_another_output(
    is_known: bool, cli: Cli, scripted_server: ScriptedServer, folder: Path
) -> None:
    """The lines of the parts never stand beside what OUTPUT.run said of the lines before them."""
    _outputs(cli, scripted_server, folder, "0", "1")
    before = (folder / "all.jsonl").read_bytes()
    if not is_known:
        (folder.parent / "part-1.jsonl.run").unlink()

    def check(state: State) -> None:
        output, beside = state["all.jsonl"], state["all.jsonl.run"]
        run = run_file.parse(beside) if beside else None
        assert beside is None or run is not None
        if output == before:
            assert run is None or run.parameters.get("temperature") == 1
        else:
            rows = [json.loads(line)["row"] for line in (output or b"").splitlines()]
            assert rows == [0, 1, 2, 3]
            assert run is None or "temperature" not in run.parameters

    parts = [str(folder.parent / f"part-{shard}.jsonl") for shard in "01"]
    assert cuts(cli, folder, "batch", "merge", *parts, "-o", "all.jsonl", "--overwrite", check=check) >= 6
    assert (folder / "all.jsonl.run").exists() == is_known


def test_a_table_and_a_summary(cli: Cli, scripted_server: ScriptedServer, folder: Path) -> None:
    _outputs(cli, scripted_server, folder)
    output = folder.parent / "out.jsonl"
    for suffix in ("", ".run"):
        (folder / f"all.jsonl{suffix}").rename(f"{output}{suffix}")
    assert cli.run("batch", "export", str(output), "-o", str(folder.parent / "whole.csv")).code == 0
    whole = (folder.parent / "whole.csv").read_bytes()
    (folder / "t.csv").write_bytes(b"old")
    assert cuts(cli, folder, "batch", "export", str(output), "-o", "t.csv", check=is_one_of("t.csv", b"old", whole)) > 4

    def check(state: State) -> None:
        assert state["s.json"] is None or json.loads(state["s.json"])["all_runs"]["ok"] == 4

    again = ("batch", str(folder.parent / "in.txt"), "-o", str(output), "-t", "1", "--summary", "s.json")
    assert cuts(cli, folder, *again, check=check) >= 4


@pytest.mark.parametrize(
    "words",
    [
        ("config", "init", "-p", "q", "--endpoint", "https://fabrikam.example", "--auth", "none"),
        ("config", "set", "profiles.p.timeout", "5"),
        ("config", "unset", "profiles.p.endpoint"),
        ("config", "use", "p"),
        ("config", "remove", "p"),
    ],
)
@pytest.mark.parametrize("before", [PROFILE, None])
def test_a_profile_file(before: str | None, words: tuple[str, ...], cli: Cli, tmp_path: Path) -> None:
    file = cli.profile(before or "")
    if before is None and words[1] != "init":
        pytest.skip("there is nothing to change")
    if before is None:
        file.unlink()
    after = tmp_path / "after.toml"
    if before is not None:
        after.write_text(before, encoding="utf-8")
    assert cli.run(*words, "--config", str(after)).code == 0
    was = None if before is None else before.encode()
    check = is_one_of("completions.toml", was, after.read_bytes())
    assert cuts(cli, file.parent, *words, check=check) >= 4


def test_a_key_file_is_there_before_its_profile_names_it(cli: Cli) -> None:
    file = cli.profile(PROFILE)
    key = "k-0123456789abcdef"

    def check(state: State) -> None:
        toml = state["completions.toml"]
        assert toml is not None
        named = profile_file.parse(toml.decode(), file).profiles["p"].get("key_file")
        content = state["p.key"]
        assert content == f"{key}\n".encode() if named else content in (None, f"{key}\n".encode())

    script = f"printf %s {key} | {COMMAND} config key set -p p --stdin --to-file"
    model, log = Folder(file.parent), cli.home / "strace"
    assert record(["sh", "-c", script], file.parent, cli.env, log) == 0
    states = [state for _ in replay(log, model) for state in model.after_a_cut("completions.toml", "p.key")]
    assert len(states) > 8
    for state in states:
        check(state)
    assert (file.parent / "p.key").stat().st_mode & 0o777 == 0o600
