"""`--share NAME`: another user of the machine learns nothing from the runs and can tell them nothing."""

import contextlib
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from completions_cli.batch.sharing import private_folder
from completions_cli.errors import OutputError
from tests.batch.conftest import Rows, row_numbers
from tests.command import Cli
from tests.emulator_process import Start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes of POSIX")

TOKEN = "6f" * 16
SHARED = ("--share", "night", "-M", "4", "-q")
STATE = b'["state", 16, true, 0.0, null]\n'


@pytest.fixture
def place(emulator: Start, cli: Cli, tmp_path: Path) -> Path:
    """Return the folder in which the runs find each other; a server without a limit is running."""
    cli.service(emulator("--latency", "0.02").url).env["XDG_RUNTIME_DIR"] = str(tmp_path)
    folder = tmp_path / "completions" / "share"
    folder.mkdir(mode=0o700, parents=True)
    return folder


def proof(role: str, *nonces: str) -> str:
    """Give the proof of somebody who knows the token."""
    return hmac.new(TOKEN.encode(), json.dumps([role, *nonces]).encode(), hashlib.sha256).hexdigest()


class Impostor:
    """Listens where the address file says that a leader does."""

    def __init__(self, place: Path, answer: Callable[["Impostor", socket.socket], None]) -> None:
        self.heard = b""
        self.connections = 0
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        file = place / "night.json"
        file.write_text(json.dumps({"port": self._server.getsockname()[1], "token": TOKEN}), encoding="utf-8")
        file.chmod(0o600)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)

    def listen(self, connection: socket.socket) -> bytes:
        """Receive, and keep what was said."""
        said = connection.recv(1 << 16)
        self.heard += said
        return said

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                connection.settimeout(10)
                self.connections += 1
                with connection, contextlib.suppress(OSError, ValueError):
                    self._answer(self, connection)


def says(answer: bytes) -> Callable[[Impostor, socket.socket], None]:
    """Answer with some bytes, whatever comes, until the other side is gone."""

    def answering(impostor: Impostor, connection: socket.socket) -> None:
        connection.sendall(answer)
        while impostor.listen(connection):
            connection.sendall(STATE)

    return answering


def echoes(impostor: Impostor, connection: socket.socket) -> None:
    """Send everything back."""
    while said := impostor.listen(connection):
        connection.sendall(said)


def leads_badly(said: bytes) -> Callable[[Impostor, socket.socket], None]:
    """Know the token, welcome the member, then say something that is no message."""

    def answering(impostor: Impostor, connection: socket.socket) -> None:
        nonce = json.loads(impostor.listen(connection))[1]
        mine = "ab" * 16
        connection.sendall(json.dumps(["proof", mine, proof("leader", nonce, mine)]).encode() + b"\n")
        assert json.loads(impostor.listen(connection).splitlines()[0])[1] == proof("member", nonce, mine)
        connection.sendall(b'["welcome"]\n' + said)
        while impostor.listen(connection):
            pass

    return answering


@pytest.fixture
def impostor(place: Path) -> Iterator[Callable[[Callable[[Impostor, socket.socket], None]], Impostor]]:
    """Start impostors that are stopped in the end."""
    with contextlib.ExitStack() as stack:

        def start(answer: Callable[[Impostor, socket.socket], None]) -> Impostor:
            started = Impostor(place, answer)
            stack.callback(started.close)
            return started

        yield start


ANSWERS = {
    "number": says(b"5\n"),
    "empty": says(b"[]\n"),
    "object": says(b"{}\n"),
    "nested": says(b"[" * 200_000 + b"\n"),
    "endless": says(b"x" * (1 << 21)),
    "digits": says(b"9" * 6000 + b"\n"),
    "no text": says(b"\xff\n"),
    "welcome": says(b'["welcome"]\n' + STATE),
    "differs": says(b'["differs", "--rpm 1"]\n'),
    "surrogate": says(b'["proof", "\\ud800", "\\ud800"]\n'),
    "no proof": says(json.dumps(["proof", "00" * 16, "00" * 32]).encode() + b'\n["welcome"]\n'),
    "silence": lambda impostor, connection: [None for _ in iter(lambda: impostor.listen(connection), b"")] and None,
    "echo": echoes,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_stranger_at_an_old_address_learns_nothing(
    answer: Any, impostor: Callable[..., Impostor], cli: Cli, place: Path, rows: Rows, output: Path
) -> None:
    stranger = impostor(answer)
    result = cli.run("batch", str(rows(5)), "-o", str(output), *SHARED)
    assert (result.code, result.stderr) == (0, "")
    assert row_numbers(output) == list(range(5))
    assert stranger.connections == 1
    assert b"greet" in stranger.heard
    for secret in (TOKEN.encode(), b"hello", b"ask"):
        assert secret not in stranger.heard
    assert not (place / "night.json").exists()


@pytest.mark.parametrize(
    "said",
    [
        b"5\n",
        b"[" * 200_000 + b"\n",
        b'["turn"]\n',
        b'["turn", [], 1, true]\n',
        b'["turn", 1, "x", true]\n',
        b'["state", "x", true, 0.0, null]\n',
        b'["state", 16, true, NaN, null]\n',
        b'["state", 16, true, 0.0, ' + b"9" * 400 + b"]\n",
        b'["hello"]\n',
    ],
)
def test_a_leader_that_talks_nonsense_is_left(
    said: bytes, impostor: Callable[..., Impostor], cli: Cli, rows: Rows, output: Path
) -> None:
    bad = impostor(leads_badly(said))
    result = cli.run("batch", str(rows(5)), "-o", str(output), *SHARED)
    assert (result.code, result.stderr) == (0, "")
    assert row_numbers(output) == list(range(5))
    assert bad.connections == 1


@contextlib.contextmanager
def as_member(
    cli: Cli, place: Path, path: Path, output: Path
) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """Start a run that leads; be a member of it that knows the token."""
    run = cli.start("batch", str(path), "-o", str(output), *SHARED, "--rpm", "1200")
    assert run.stdout is not None
    while not (place / "night.json").exists() and run.poll() is None:
        pass
    address = json.loads((place / "night.json").read_text(encoding="utf-8"))
    with socket.create_connection(("127.0.0.1", address["port"]), timeout=10) as connection:
        lines = connection.makefile("rb")
        connection.sendall(b'["greet", "cd"]\n')
        name, nonce, _ = json.loads(lines.readline())
        assert name == "proof"
        text = json.dumps(["member", "cd", nonce]).encode()
        mine = hmac.new(address["token"].encode(), text, hashlib.sha256).hexdigest()
        connection.sendall(json.dumps(["hello", mine, [None, 1200.0, None], [], None]).encode() + b"\n")
        assert json.loads(lines.readline()) == ["welcome"]
        yield connection, run


@pytest.mark.parametrize(
    "said",
    [
        b"5\n",
        b"[" * 200_000 + b"\n",
        b'["end", 1]\n',
        b'["narrow", "x"]\n',
        b'["pause", NaN]\n',
        b'["pause", 1e999]\n',
        b'["ask", [], 1, 1]\n',
        b'["drop", [[]]]\n',
        b'["welcome"]\n',
    ],
)
def test_a_member_that_talks_nonsense_is_left(said: bytes, cli: Cli, place: Path, rows: Rows, output: Path) -> None:
    with as_member(cli, place, rows(40), output) as (connection, run):
        connection.sendall(said)
        with contextlib.suppress(ConnectionError):
            while connection.recv(1 << 16):
                pass
        stderr = run.communicate(timeout=30)[1]
    assert (run.returncode, stderr) == (0, b"")


def test_folders_that_are_missing_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_folder.make(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]


@pytest.mark.parametrize(("mode", "is_safe"), [(0o755, True), (0o1777, True), (0o777, False), (0o775, False)])
def test_a_folder_above_that_others_may_change_is_refused(mode: int, *, is_safe: bool, tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "share").mkdir(mode=0o700, parents=True)
    above.chmod(mode)
    with contextlib.nullcontext() if is_safe else pytest.raises(OutputError, match="others"):
        private_folder.make(above / "share")


def test_what_a_link_leads_through_counts(tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "real").mkdir(parents=True)
    (tmp_path / "second").symlink_to(above / "real")
    (tmp_path / "first").symlink_to("second")
    private_folder.make(tmp_path / "first" / "share")
    above.chmod(0o777)
    with pytest.raises(OutputError, match="above"):
        private_folder.make(tmp_path / "first" / "share")


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("whose", ["folder", "link", "share"])
def test_what_belongs_to_another_user_is_refused(whose: str, tmp_path: Path) -> None:
    (tmp_path / "folder" / "share").mkdir(mode=0o700, parents=True)
    (tmp_path / "link").symlink_to("folder")
    path = {"share": tmp_path / "folder" / "share"}.get(whose, tmp_path / whose)
    os.chown(path, 65534, 65534, follow_symlinks=False)
    with pytest.raises(OutputError, match="belongs to another user"):
        private_folder.make(tmp_path / "link" / "share")


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError):
        private_folder.make(tmp_path / "loop" / "share")


@pytest.mark.skipif(
    sys.platform != "linux" or Path(f"/run/user/{os.getuid()}").exists(), reason="the system has a folder of its own"
)
@pytest.mark.usefixtures("place")
def test_a_link_in_the_folder_for_temporary_files_is_not_followed(
    cli: Cli, tmp_path: Path, rows: Rows, output: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / f"runtime-{os.getuid()}").symlink_to("/nonexistent")
    cli.env.pop("XDG_RUNTIME_DIR", None)
    cli.env["TMPDIR"] = str(tmp_path / "tmp")
    result = cli.run("batch", str(rows(1)), "-o", str(output), *SHARED)
    assert (result.code, "XDG_RUNTIME_DIR" in result.stderr, "bug" in result.stderr) == (16, True, False)
