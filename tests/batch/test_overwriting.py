"""Nothing that a run uses, and no output of a batch, is replaced by a summary, an answer or a table."""

from pathlib import Path

import pytest

from tests.batch.conftest import batch
from tests.command import Cli
from tests.emulator_process import Start

Files = dict[str, bytes]

USED = {
    "INPUT": "rows.jsonl",
    "OUTPUT": "out.jsonl",
    "OUTPUT.run": "out.jsonl.run",
    "--template": "template.txt",
    "-x note": "note.txt",
}


def files(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with what a batch uses."""
    made = tmp_path / "work"
    made.mkdir()
    (made / "in.txt").write_text("a\nb\n", encoding="utf-8")
    (made / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n', encoding="utf-8")
    (made / "template.txt").write_text("{text}", encoding="utf-8")
    (made / "note.txt").write_text("n", encoding="utf-8")
    return made


def named(target: Path, how: str) -> Path:
    """Name a file in another way."""
    other = target.with_name("s.json")
    if how == "itself":
        return target
    if how == "another spelling":
        return target.parent / ".." / target.parent.name / target.name
    other.unlink(missing_ok=True)
    if how == "link":
        other.symlink_to(target)
    else:
        other.hardlink_to(target)
    return other


def arguments(folder: Path, summary: Path) -> list[str]:
    template, note = folder / "template.txt", folder / "note.txt"
    options = ["--template", f"@{template}", "-x", f"note=@{note}", "--summary", str(summary)]
    return [str(folder / "rows.jsonl"), "-o", str(folder / "out.jsonl"), *options]


@pytest.mark.parametrize("how", ["itself", "link", "hard link", "another spelling"])
def test_a_summary_replaces_nothing_that_its_run_uses(how: str, cli: Cli, emulator: Start, folder: Path) -> None:
    server = emulator()
    cli.service(server.url)
    for is_begun in (False, True):
        for name, file in USED.items():
            target = folder / file
            if how == "hard link" and not target.exists():
                continue
            summary = named(target, how)
            before, asked = files(folder), len(server.log())
            done = batch(cli, *arguments(folder, summary))
            assert (done.code, files(folder), len(server.log())) == (2, before, asked), name
            assert f"is the same file as {name}" in done.stderr
            assert "Choose another FILE for --summary" in done.stderr
        if not is_begun:
            assert batch(cli, *arguments(folder, folder / "good.json")).code == 0


@pytest.mark.parametrize(("summary", "said"), [(".", "is a folder"), ("none/s.json", "there is no folder")])
def test_a_summary_without_a_place_is_found_out_before_the_run(
    summary: str, said: str, cli: Cli, emulator: Start, folder: Path
) -> None:
    server = emulator()
    done = batch(cli.service(server.url), *arguments(folder, folder / summary))
    assert (done.code, len(server.log())) == (16, 0)
    assert f"--summary: {said}" in done.stderr.replace(f"{folder} ", "")


def test_a_summary_inside_the_folder_of_a_cluster(cli: Cli, folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "ins").mkdir()
    (folder / "ins" / "in.txt").write_text("a\n", encoding="utf-8")
    cli.service("http://127.0.0.1:9")
    for place in (str(folder / "out"), f"file://{folder / 'out'}"):
        options = ("--engine", "ray", "-o", place)
        done = batch(cli, folder / "in.txt", *options, "--summary", folder / "out" / "s.json")
        assert (done.code, "is inside OUTPUT" in done.stderr) == (2, True)
        done = batch(cli, folder / "ins", *options, "--summary", folder / "ins" / "in.txt")
        assert (done.code, "is inside INPUT" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.run", "link"])
def test_nothing_else_replaces_what_a_batch_wrote(name: str, cli: Cli, emulator: Start, folder: Path) -> None:
    server = emulator()
    cli.service(server.url)
    assert batch(cli, folder / "in.txt", "-o", folder / "out.jsonl").code == 0
    (folder / "link").symlink_to("out.jsonl")
    before, asked, target = files(folder), len(server.log()), str(folder / name)
    other = ["batch", str(folder / "template.txt"), "-o", str(folder / "other.jsonl")]
    for command in (
        ["complete", "hi", "-o", target],
        ["stream", "hi", "-o", target],
        ["score", "hi", "-c", " there", "-o", target],
        [*other, "--summary", target],
    ):
        done = cli.run(*command)
        assert (done.code, files(folder), len(server.log())) == (2, before, asked), command
        assert "the output of a batch" in done.stderr
    for command in (
        [*other[:3], str(folder / "out.jsonl.run"), "--overwrite"],
        ["batch", "merge", str(folder / "out.jsonl"), "-o", str(folder / "out.jsonl.run"), "--overwrite"],
        ["batch", "export", str(folder / "out.jsonl"), "-o", str(folder / "out.jsonl")],
    ):
        done = cli.run(*command)
        assert (done.code, files(folder), len(server.log())) == (2, before, asked), command
        assert "the output of a batch" in done.stderr


def test_an_input_is_not_replaced_by_the_record_of_its_output(cli: Cli, emulator: Start, folder: Path) -> None:
    path = (folder / "in.txt").rename(folder / "out.run")
    done = batch(cli.service(emulator().url), path, "--input-format", "txt", "-o", folder / "out")
    assert (done.code, path.read_bytes()) == (2, b"a\nb\n")


@pytest.mark.parametrize("command", [["in.txt"], ["merge", "out.jsonl", "--overwrite"]])
def test_an_output_that_is_a_pipe_is_called_so(command: list[str], cli: Cli, emulator: Start, folder: Path) -> None:
    cli.service(emulator().url)
    assert batch(cli, folder / "in.txt", "-o", folder / "out.jsonl").code == 0
    typed = [str(folder / word) if "." in word else word for word in command]
    done = batch(cli, *typed, "-o", "/dev/stdout")
    assert (done.code, done.stdout) == (2, b"")
    assert "/dev/stdout is not a regular file" in done.stderr


def test_a_table_replaces_no_input(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("id,prompt\n1,Once\n")
    cli.service(emulator().url)
    assert batch(cli, rows, "-o", tmp_path / "out.jsonl").code == 0
    refused = cli.run("batch", "export", str(tmp_path / "out.jsonl"), "-o", str(rows))
    assert (refused.code, "may be the input" in refused.stderr) == (2, True)
    assert rows.read_text() == "id,prompt\n1,Once\n"
    table = str(tmp_path / "table.csv")
    assert [cli.run("batch", "export", str(tmp_path / "out.jsonl"), "-o", table).code for _ in range(2)] == [0, 0]
