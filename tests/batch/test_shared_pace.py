"""`--share NAME`: several runs of one machine keep one pace, whatever becomes of one of them."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.answers import ANSWER
from tests.batch.conftest import Rows, row_numbers
from tests.command import Cli
from tests.emulator_process import EmulatorProcess, Start
from tests.scripted_server import Pause, ScriptedServer

RPM = 1200
RATE = RPM / 60
SHARED = ("--share", "night", "-M", "4", "-q")


@pytest.fixture
def server(emulator: Start, cli: Cli, tmp_path: Path) -> EmulatorProcess:
    """Start a server without a limit, which notes when requests come."""
    running = emulator("--latency", "0.02")
    cli.service(running.url).env["XDG_RUNTIME_DIR"] = str(tmp_path)
    return running


def shards(cli: Cli, rows: Path, tmp_path: Path, count: int = 2, *more: str) -> list[subprocess.Popen[bytes]]:
    """Start runs that share a pace."""
    return [
        cli.start(
            *("batch", str(rows), "-o", str(tmp_path / f"{shard}.jsonl"), "--shard", f"{shard}/{count}"),
            *(*SHARED, *(more or ("--rpm", str(RPM)))),
        )
        for shard in range(count)
    ]


def finish(*runs: subprocess.Popen[bytes]) -> list[tuple[int, str]]:
    """Wait for runs; give their exit codes and what they said."""
    said = [run.communicate(timeout=60)[1].decode() for run in runs]
    return [(run.returncode, text) for run, text in zip(runs, said, strict=True)]


def times(log: list[dict[str, Any]]) -> list[float]:
    """Give the moments of requests, in seconds after the first."""
    moments = sorted(request["time"] for request in log)
    return [moment - moments[0] for moment in moments]


def over(moments: list[float]) -> float:
    """Give by how many requests the rate was passed at the end, from the first request on.

    A run that was held up catches up with two seconds' worth. Two that do not share pass it by twice as many.
    """
    return len(moments) - 1 - RATE * (1.03 * moments[-1] + 2)


def best(moments: list[float]) -> float:
    """Give the highest rate of sixty requests in a row: half a share and a burst of two seconds come to 0.75 of all."""
    return max(59 / (last - first) for first, last in zip(moments, moments[59:], strict=False))


def test_together_they_keep_the_rate_of_one(cli: Cli, server: EmulatorProcess, rows: Rows, tmp_path: Path) -> None:
    ended = finish(*shards(cli, rows(160), tmp_path))
    assert ended == [(0, ""), (0, "")]
    assert sorted(row_numbers(tmp_path / "0.jsonl") + row_numbers(tmp_path / "1.jsonl")) == list(range(160))
    assert over(times(server.log())) <= 0


def test_a_run_that_is_alone_has_all_of_it(cli: Cli, server: EmulatorProcess, rows: Rows, tmp_path: Path) -> None:
    """The first shard has little to do: what it leaves goes to the other."""
    path = rows(120)
    (run,) = shards(cli, path, tmp_path, 1, "--rpm", str(RPM), "--limit", "20")
    other = cli.start("batch", str(path), "-o", str(tmp_path / "other.jsonl"), *SHARED, "--rpm", str(RPM))
    assert finish(run, other) == [(0, ""), (0, "")]
    assert best(times(server.log())[40:]) > 0.8 * RATE


@pytest.mark.parametrize("whom", [0, 1])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_run_that_is_killed_or_frozen_leaves_its_share_to_the_other(
    how: signal.Signals, whom: int, cli: Cli, server: EmulatorProcess, rows: Rows, tmp_path: Path
) -> None:
    """Whichever of them leads."""
    runs = shards(cli, rows(280), tmp_path)
    before = len(server.wait_for_log(60))
    runs[whom].send_signal(how)
    assert finish(runs[1 - whom]) == [(0, "")]
    moments = times(server.log())
    assert len(moments) - before >= 80
    assert best(moments[before:]) > 0.8 * RATE
    if how == signal.SIGSTOP:
        runs[whom].send_signal(signal.SIGCONT)
        assert finish(runs[whom]) == [(0, "")]
        assert sorted(row_numbers(tmp_path / "0.jsonl") + row_numbers(tmp_path / "1.jsonl")) == list(range(280))
    else:
        runs[whom].communicate(timeout=10)
    assert over(times(server.log())) <= 0


def test_they_share_what_they_learn(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    """Nobody says what the limit is; a second run begins at what the first found out."""
    server = emulator("--rpm", "1200", "--limit", "burstless", "--limit-headers", "none", "--latency", "0.02")
    cli.service(server.url).env["XDG_RUNTIME_DIR"] = str(tmp_path)
    path = rows(400)
    first = cli.start("batch", str(path), "-o", str(tmp_path / "0.jsonl"), "--shard", "0/2", *SHARED)
    server.wait_for_log(100)  # there are as many left: on a busy machine, too, it leads when the second comes
    options = ("--shard", "1/2", "--limit", "60", *SHARED)
    second = cli.start("batch", str(path), "-o", str(tmp_path / "1.jsonl"), *options)
    assert finish(first, second) == [(0, ""), (0, "")]
    statuses = [request["status"] for request in server.log()]
    assert statuses[:100].count(429) > 15  # what it takes to find out
    assert statuses[100:].count(429) < 15


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--share", "a/b"), "is not a name"),
        (("--share", ""), "is not a name"),
        (("--share", "a", "--engine", "ray"), "a common pace"),
    ],
)
def test_what_makes_no_sense(args: tuple[str, ...], words: str, cli: Cli, rows: Rows, output: Path) -> None:
    result = cli.run("batch", str(rows(1)), "-o", str(output), *args)
    assert (result.code, words in result.stderr) == (2, True)


def test_a_folder_that_others_may_read_is_refused(
    cli: Cli, server: EmulatorProcess, rows: Rows, tmp_path: Path, output: Path
) -> None:
    folder = tmp_path / "completions" / "share"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    result = cli.run("batch", str(rows(1)), "-o", str(output), *SHARED)
    assert (result.code, "chmod 700" in result.stderr) == (16, True)
    assert server.log() == []


@pytest.fixture
def pause() -> Pause:
    """Hold the leader's answers until the test has done what it came for."""
    return Pause()


@pytest.fixture
def leader(
    cli: Cli, scripted_server: ScriptedServer, pause: Pause, rows: Rows, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run that leads and cannot end before `pause` does."""
    scripted_server.play([pause, ANSWER])
    cli.service(scripted_server.url).env["XDG_RUNTIME_DIR"] = str(tmp_path)
    with shards(cli, rows(60), tmp_path, 1)[0] as process:
        scripted_server.wait_for_requests(1)
        yield process
        process.kill()
        pause.go.set()


def address_of_leader(tmp_path: Path) -> tuple[str, int]:
    """Give where the leader listens, which only this user may read."""
    file = tmp_path / "completions" / "share" / "night.json"
    assert file.stat().st_mode & 0o777 == 0o600
    return "127.0.0.1", json.loads(file.read_text(encoding="utf-8"))["port"]


def test_other_limits_are_refused(leader: subprocess.Popen[bytes], cli: Cli, rows: Rows, tmp_path: Path) -> None:
    result = cli.run("batch", str(rows(1)), "-o", str(tmp_path / "b.jsonl"), *SHARED, "--rpm", "60")
    assert (leader.poll(), result.code, f"--rpm {RPM}" in result.stderr) == (None, 2, True)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[" * 500_000 + b"\n",
        b'["hello", "00", [null, null, null], [], null]\n',
        b'["greet", 1]\n',
        b'["hello"',
        b"x" * (1 << 21) + b"\n",
        b'["ask", 1, 1, 1]\n',
        b"9" * 6000 + b"\n",
        b'{"a":1}\n',
        b"\xff\n",
    ],
)
def test_others_of_this_machine_are_not_heard(
    said: bytes, leader: subprocess.Popen[bytes], pause: Pause, tmp_path: Path
) -> None:
    """Anybody may connect to a port of the loopback interface; only this user's runs know the secret."""
    with socket.create_connection(address_of_leader(tmp_path)) as connection, contextlib.suppress(OSError):
        connection.sendall(said)
        if said.endswith(b"\n"):
            assert connection.recv(100) == b""
    pause.go.set()
    assert finish(leader) == [(0, "")]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process")
def test_a_crowd_of_strangers_takes_neither_files_nor_turns(
    leader: subprocess.Popen[bytes], pause: Pause, tmp_path: Path
) -> None:
    """Connections that prove nothing are bounded: the oldest makes room for the next."""
    import resource

    resource.prlimit(leader.pid, resource.RLIMIT_NOFILE, (256, 256))
    address = address_of_leader(tmp_path)
    with contextlib.ExitStack() as crowd:
        for _ in range(400):
            crowd.enter_context(socket.create_connection(address))
        pause.go.set()
        assert finish(leader) == [(0, "")]
