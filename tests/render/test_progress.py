"""A download is shown as a bar on a terminal and as a few lines elsewhere."""

import os
import pty
import subprocess
import sys

from tests.command import read_terminal

_SHOW = """
import sys
from completions_cli.render.progress import Download
from completions_cli.streams import Messages
with Download(Messages(2, is_dumb="-dumb" in sys.argv, quiet="-q" in sys.argv), color=True) as download:
    download.note("Fetching")
    for done in range(0, 101, 5):
        download.progress(done * 1_000_000, 100_000_000)
        if done == 50 and "-x" in sys.argv:
            raise SystemExit(3)
    download.note("Installed")
"""


def on_terminal(*args: str) -> tuple[int, bytes]:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _SHOW, *args],
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
    )
    os.close(follower)
    screen = read_terminal(leader)
    os.close(leader)
    return process.wait(), screen


def test_elsewhere_each_quarter_is_a_line() -> None:
    done = subprocess.run([sys.executable, "-c", _SHOW], capture_output=True, check=True, text=True)
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "Fetching",
        "25 of 100 MB",
        "50 of 100 MB",
        "75 of 100 MB",
        "100 of 100 MB",
        "Installed",
    ]


def test_a_dumb_terminal_gets_lines_too() -> None:
    code, screen = on_terminal("-dumb")
    assert code == 0
    assert screen.splitlines()[:3] == [b"Fetching", b"25 of 100 MB", b"50 of 100 MB"]
    assert b"\x1b" not in screen


def test_quiet_says_nothing_anywhere() -> None:
    assert subprocess.run([sys.executable, "-c", _SHOW, "-q"], capture_output=True, check=True).stderr == b""
    assert on_terminal("-q") == (0, b"")


def test_a_terminal_gets_a_bar_that_vanishes_between_the_notes() -> None:
    code, screen = on_terminal()
    assert code == 0
    assert screen.startswith(b"Fetching\r\n")
    assert b"/100.0 MB" in screen
    assert screen.endswith(b"Installed\r\n")
    assert screen.count(b"\x1b[?25l") == screen.count(b"\x1b[?25h") == 1


def test_a_failure_leaves_no_bar_and_shows_the_cursor_again() -> None:
    code, screen = on_terminal("-x")
    assert code == 3
    assert screen.rindex(b"\x1b[?25h") > screen.rindex(b"\x1b[?25l")


_APART = """
from completions_cli.batch.totals import Totals
from completions_cli.render.batch_progress import Progress, Snapshot
from completions_cli.streams import Streams

streams = Streams()
with streams.apart():
    progress = Progress(streams)
    progress.show(Snapshot(Totals(ok=5, seconds=1.0), 3, 0.5, 10))
    progress.note("warning: east is left out")
    progress.stop()
"""


def test_the_bar_of_a_cluster_is_seen_though_what_libraries_print_is_not() -> None:
    leader, follower = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen([sys.executable, "-c", _APART], stderr=follower, env=environ)
    os.close(follower)
    screen = read_terminal(leader)
    os.close(leader)
    assert process.wait() == 0
    for words in (b"5 of 10 rows", b"warning: east is left out"):
        assert words in screen
