"""Files are as they were or whole: through every way a write can end, and every kind of thing a path can name."""

import contextlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from completions_cli.atomic import AtomicFile
from completions_cli.errors import OutputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_is_seen_before_the_commit_and_all_of_it_after(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    file = AtomicFile(path)
    file.write(b"ne")
    file.write(b"")
    file.write(b"w")
    assert path.read_bytes() == b"old"
    file.commit()
    assert contents(folder) == {"out": b"new"}


def test_a_new_file_appears_with_the_commit(folder: Path) -> None:
    file = AtomicFile(folder / "out")
    assert "out" not in contents(folder)
    file.commit()
    assert contents(folder) == {"out": b""}


def test_discard_leaves_everything_as_it_was(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    file = AtomicFile(path)
    file.write(b"new")
    file.discard()
    file.discard()
    assert contents(folder) == {"out": b"old"}


def test_a_discard_after_the_commit_takes_nothing_away(folder: Path) -> None:
    file = AtomicFile(folder / "out")
    file.write(b"new")
    file.commit()
    file.discard()
    assert contents(folder) == {"out": b"new"}


def test_what_came_is_kept_beside_the_file(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    (folder / "out.partial").write_bytes(b"of an earlier run")
    file = AtomicFile(path)
    file.write(b"half")
    assert file.keep_partial() == folder / "out.partial"
    assert contents(folder) == {"out": b"old", "out.partial": b"half"}


def test_nothing_is_kept_of_nothing(folder: Path) -> None:
    assert AtomicFile(folder / "out").keep_partial() is None
    assert contents(folder) == {}


def test_keeping_what_came_hides_no_error_by_one_of_its_own(folder: Path) -> None:
    (folder / "out.partial").mkdir()
    file = AtomicFile(folder / "out")
    file.write(b"half")
    assert file.keep_partial() is None
    assert [path.name for path in folder.iterdir()] == ["out.partial"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o400])
def test_the_mode_of_the_file_is_kept(folder: Path, mode: int) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    path.chmod(mode)
    AtomicFile(path).commit()
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_mode_that_the_umask_leaves(folder: Path) -> None:
    for mask in (0o022, 0o077):
        with umask(mask):
            AtomicFile(folder / f"{mask}").commit()
            assert os.umask(mask) == mask
        assert stat.S_IMODE((folder / f"{mask}").stat().st_mode) == 0o666 & ~mask


def test_a_mode_that_is_asked_for_is_set_from_the_start(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    path.chmod(0o644)
    file = AtomicFile(path, mode=0o600)
    (temporary,) = set(folder.iterdir()) - {path}
    assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
    file.commit()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symbolic_link_stays_one_and_its_target_is_written(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    (folder / "middle").symlink_to(target)
    (folder / "link").symlink_to("middle")
    file = AtomicFile(folder / "link")
    file.write(b"new")
    file.commit()
    assert (folder / "link").is_symlink()
    assert (folder / "middle").is_symlink()
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()


def test_a_link_to_nothing_makes_its_target(folder: Path, tmp_path: Path) -> None:
    (folder / "link").symlink_to(tmp_path / "target")
    file = AtomicFile(folder / "link")
    file.write(b"half")
    assert file.keep_partial() == tmp_path / "target.partial"
    AtomicFile(folder / "link").commit()
    assert (tmp_path / "target").read_bytes() == b""


def test_the_null_device_is_written_to_and_not_replaced() -> None:
    file = AtomicFile(Path(os.devnull))
    file.write(b"x" * 100_000)
    file.commit()
    assert not Path(os.devnull).is_file()
    file = AtomicFile(Path(os.devnull))
    file.write(b"x")
    assert file.keep_partial() is None
    assert not Path(os.devnull + ".partial").exists()


def test_a_fifo_is_written_to_and_not_replaced(folder: Path) -> None:
    path = folder / "fifo"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    file = AtomicFile(path)
    file.write(b"a" * 300_000)
    file.commit()
    reader.join(timeout=10)
    assert received == [b"a" * 300_000]
    assert path.is_fifo()


def test_a_pipe_by_its_descriptor_is_written_to() -> None:
    """As in `-o /dev/stdout` or `-o >(cmd)`: a link whose target has no place in any folder."""
    out, into = os.pipe()
    try:
        file = AtomicFile(Path(f"/dev/fd/{into}"))
        file.write(b"through")
        file.commit()
        assert os.read(out, 100) == b"through"
    finally:
        os.close(into)
        os.close(out)


@pytest.mark.parametrize("name", ["missing/out", "file/out", "", "loop", "n" * 300])
def test_a_place_that_cannot_be_written_is_an_output_error_naming_it(folder: Path, name: str) -> None:
    (folder / "file").write_bytes(b"")
    (folder / "loop").symlink_to("loop")
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(OutputError, match="cannot be written") as caught:
        AtomicFile(folder / name)
    assert str(folder / name) in caught.value.message
    assert caught.value.hint
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "😀" * 63])
def test_the_longest_name_that_the_system_takes_can_be_written(folder: Path, name: str) -> None:
    file = AtomicFile(folder / name)
    file.write(b"new")
    file.commit()
    assert contents(folder) == {name: b"new"}
    file = AtomicFile(folder / name)
    file.write(b"half")
    assert file.keep_partial() is None
    assert contents(folder) == {name: b"new"}


def test_a_folder_that_is_gone_by_the_time_of_the_commit_is_an_output_error(folder: Path) -> None:
    file = AtomicFile(folder / "out")
    file.write(b"new")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    with pytest.raises(OutputError, match="cannot be written"):
        file.commit()


def test_a_full_device_is_an_output_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a device that is always full")
    file = AtomicFile(Path("/dev/full"))
    with pytest.raises(OutputError, match="No space left"):
        file.write(b"x")
    assert file.keep_partial() is None
    assert Path("/dev/full").exists()


FULL_DISK = """
import resource, sys
from pathlib import Path
from completions_cli.atomic import AtomicFile
from completions_cli.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = AtomicFile(Path(sys.argv[1]))
file.write(b"x" * 600)
try:
    file.write(b"x" * 600)
except OutputError as error:
    print(error.message)
print(file.keep_partial())
file.discard()
"""


def test_a_disk_that_is_full_leaves_the_file_as_it_was_and_nothing_beside_it(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == f"{path} cannot be written: File too large\nNone\n"
    assert done.stderr == ""
    assert contents(folder) == {"out": b"old"}


def test_writers_at_the_same_time_leave_one_whole_file(folder: Path) -> None:
    path = folder / "out"
    files = [AtomicFile(path) for _ in range(20)]
    for number, file in enumerate(files):
        file.write(bytes([65 + number]) * 10_000)
    threads = [threading.Thread(target=file.commit) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    (content,) = contents(folder).values()
    assert len(content) == 10_000
    assert len(set(content)) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from completions_cli.atomic import AtomicFile
AtomicFile(Path(sys.argv[1])).write(b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["out", "link", "n" * 255])
def test_what_a_killed_writer_left_is_removed_by_the_next(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(folder / "out")
    path = tmp_path / name if name == "link" else folder / name
    subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=30, check=False)
    (left,) = folder.iterdir()
    assert left.read_bytes() == b"half"
    file = AtomicFile(path)
    assert not left.exists()
    file.commit()
    assert list(contents(folder).values()) == [b""]


def test_what_others_left_or_still_write_stays(folder: Path) -> None:
    names = [".out.abcd1234.tmp", ".out.abcd1234x.completions.tmp", ".out2.abcd1234.completions.tmp"]
    others = dict.fromkeys([*names, "out.abcd1234.completions.tmp"], b"of others")
    for name, content in others.items():
        (folder / name).write_bytes(content)
    held = AtomicFile(folder / "out")
    held.write(b"held")
    AtomicFile(folder / "out").commit()
    held.commit()
    assert contents(folder) == others | {"out": b"held"}
