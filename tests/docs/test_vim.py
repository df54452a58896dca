"""The page's function for Vim, typed into Vim on a terminal."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import COMMAND, Cli
from tests.emulator_process import EmulatorProcess

PAGE = Path(__file__).parents[2] / "docs" / "prompts.md"
_TIME_LIMIT = 30


@pytest.mark.skipif(shutil.which("vim") is None, reason="no vim here")
@pytest.mark.parametrize(
    ("text", "keys", "prefix", "suffix"),
    [
        ("one\ntwo four\nfive\n", "2G03li", "one\ntwo", " four\nfive\n"),
        ("ä ö ü\n", "0a", "ä", " ö ü\n"),
        ("last", "A", "last", "\n"),
    ],
)
def test_vim_fills_the_gap_at_the_cursor(
    text: str, keys: str, prefix: str, suffix: str, cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    found = re.search(r"```vim\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    service = emulator()
    cli.service(service.url)
    (cli.home / "infill.vim").write_text(found[1], encoding="utf-8")
    file = cli.home / "text.txt"
    file.write_text(text, encoding="utf-8")
    leader, follower = pty.openpty()
    editor = subprocess.Popen(
        ["/usr/bin/env", "vim", "-N", "-u", "infill.vim", "-i", "NONE", "-n", "text.txt"],
        cwd=cli.home,
        env={**cli.env, "PATH": f"{Path(COMMAND).parent}:{os.environ['PATH']}", "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    try:
        os.write(leader, f"{keys}\x07i\x1b:wq\r".encode())
        read_until_ended(leader, editor)
        (asked,) = service.log()
        sent = json.loads(asked["body"])
        assert (sent["prompt"], sent["suffix"]) == (prefix, suffix)
        written = file.read_text(encoding="utf-8")
        assert written.startswith(prefix)
        assert written.endswith(suffix)
        assert len(written) > len(prefix + suffix)
    finally:
        editor.kill()
        editor.wait()
        os.close(leader)


def read_until_ended(leader: int, editor: subprocess.Popen[bytes]) -> None:
    """Read what an editor draws until it has ended, or for long enough."""
    ends = time.monotonic() + _TIME_LIMIT
    while editor.poll() is None and time.monotonic() < ends:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                os.read(leader, 65536)
            except OSError:
                break
    editor.wait(timeout=_TIME_LIMIT)
