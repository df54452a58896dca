"""The standard streams: what they may show, what happens when they break, and what is read from them."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.errors import BrokenPipeExit, OutputError
from completions_cli.streams import Messages, Output, Streams, visible, visible_json

# Every character that can drive a terminal or reorder what it shows.
UNSAFE = [
    *(code for code in range(0x20) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    0x061C, 0x200E, 0x200F, 0x2028, 0x2029,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x2070),
]  # fmt: skip


@pytest.mark.parametrize("code", UNSAFE)
def test_no_character_that_drives_a_terminal_gets_through(code: int) -> None:
    shown = visible(f"a{chr(code)}b")
    assert shown == (f"a\\x{code:02x}b" if code < 0x100 else f"a\\u{code:04x}b")
    assert json.loads(f'"{visible_json(chr(code))}"') == chr(code)


@pytest.mark.parametrize(
    "attack",
    ["\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;ZXZpbA==\x07", "\x1b]8;;http://x\x1b\\", "\x9b31m", "\x90q\x9c", "a\rb",
     "a\x08b", "\u202etxt.exe", "\x0e", "\x05", "\x1bc"],
)  # fmt: skip
def test_sequences_are_harmless_however_they_are_cut(attack: str) -> None:
    whole = visible(attack)
    assert whole == "".join(map(visible, attack))
    assert not set(map(ord, whole)) & set(UNSAFE)


@pytest.mark.parametrize("text", ["", "plain", "a\nb\tc\n", "é😀漢字\u00a0", "[/foo] :smile:", "\ufeff\u200d\u200b"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert visible(text) == text
    assert visible_json(text) == text


@given(st.text(st.characters(codec=None, exclude_categories=[])))
def test_what_is_visible_can_be_encoded_and_drives_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not set(map(ord, shown)) & set(UNSAFE)
    assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text


class Pipe:
    """A pipe whose ends can be closed, each once."""

    def __init__(self) -> None:
        out, into = os.pipe()
        self._files = {out: os.fdopen(out, "rb", buffering=0), into: os.fdopen(into, "wb", buffering=0)}
        self.out = out
        self.into = into

    def close(self, *ends: int) -> None:
        for end in ends:
            self._files[end].close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close(made.out, made.into)


@pytest.mark.parametrize("blocking", [True, False])
def test_all_is_written_to_a_pipe_whose_reader_is_slow(pipe: Pipe, *, blocking: bool) -> None:
    os.set_blocking(pipe.into, blocking)
    data = bytes(range(256)) * 4000
    received = bytearray()

    def read() -> None:
        while len(received) < len(data):
            received.extend(os.read(pipe.out, 1000))

    reader = threading.Thread(target=read)
    reader.start()
    Output(pipe.into, "stdout").write(data)
    reader.join(timeout=30)
    assert bytes(received) == data


def test_a_reader_that_has_gone_ends_it_quietly(pipe: Pipe) -> None:
    output = Output(pipe.into, "stdout")
    output.write(b"a")
    pipe.close(pipe.out)
    with pytest.raises(BrokenPipeExit):
        output.write(b"b")


def test_a_full_device_is_an_output_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a device that is always full")
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OutputError, match="cannot write to stdout: No space left"):
            Output(fd, "stdout").write(b"a")
        Messages(fd).line("what cannot be said there cannot be said")
    finally:
        os.close(fd)


def test_writing_nothing_is_nothing(pipe: Pipe) -> None:
    Output(pipe.into, "stdout").write(b"")
    os.set_blocking(pipe.out, False)
    with pytest.raises(BlockingIOError):
        os.read(pipe.out, 1)


def test_a_terminal_is_known(pipe: Pipe) -> None:
    leader, follower = pty.openpty()
    try:
        assert Output(follower, "stdout").is_terminal
        assert not Output(pipe.into, "stdout").is_terminal
    finally:
        os.close(leader)
        os.close(follower)


def test_messages_are_lines_that_cannot_drive_the_terminal(pipe: Pipe) -> None:
    messages = Messages(pipe.into)
    messages.line("a\x1b[2J\udcff")
    messages.note("b")
    messages.quiet = True
    messages.note("hidden")
    messages.raw("\x1b[1mours\x1b[0m\n\ud83d")
    assert os.read(pipe.out, 1000) == b"a\\x1b[2J\\udcff\nb\n\x1b[1mours\x1b[0m\n?"


@pytest.mark.parametrize(
    ("choice", "environ", "is_terminal", "color"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ("auto", {"FORCE_COLOR": ""}, False, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colours_follow_the_option_then_the_environment_then_the_terminal(
    choice: str, environ: dict[str, str], *, is_terminal: bool, color: bool
) -> None:
    streams = Streams(environ)
    streams.color_choice = choice
    streams.stdout.is_terminal = is_terminal
    assert streams.color(streams.stdout) is color


def python(code: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    """Run code that has a `Streams` called `streams` in a process whose standard streams are the test's."""
    prelude = "import os\nfrom completions_cli.streams import Streams\nfrom completions_cli.errors import *\n"
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-c", prelude + "streams = Streams()\n" + code]
    return subprocess.run(command, timeout=30, check=False, **given)  # type: ignore[call-overload, no-any-return]  # `given` is any keyword


TELL = "streams.stderr.line(str(streams.stdin_holds_data()))\nstreams.stdout.write(streams.read_stdin())\n"


def test_stdin_is_read_to_its_end_byte_by_byte_as_it_is() -> None:
    data = bytes(range(256)) * 10_000
    assert python(TELL, stdin=None, input=data).stdout == data
    assert python(TELL).stdout == b""


ANNOUNCED = """
import os
from completions_cli.streams import Streams
real = os.read
def read(fd, size):
    try:
        return real(fd, size)
    except BlockingIOError:
        os.write(1, b"empty")
        raise
os.read = read
streams = Streams()
streams.stdout.write(streams.read_stdin())
"""


def test_stdin_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.out, False)
    with subprocess.Popen([sys.executable, "-c", ANNOUNCED], stdin=pipe.out, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.read(5) == b"empty"
        os.write(pipe.into, b"late")
        pipe.close(pipe.into)
        assert process.stdout.read() == b"late"
    assert process.returncode == 0


def test_whether_stdin_holds_data_is_seen_without_reading(tmp_path: Path, pipe: Pipe) -> None:
    look = "streams.stdout.write(str(streams.stdin_holds_data()).encode())"
    assert python(look, stdin=pipe.out).stdout == b"False"
    os.write(pipe.into, b"x")
    assert python(look, stdin=pipe.out).stdout == b"True"
    os.read(pipe.out, 1)
    pipe.close(pipe.into)
    assert python(look, stdin=pipe.out).stdout == b"False"
    assert python(look).stdout == b"False"
    file = tmp_path / "f"
    file.write_bytes(b"ab")
    with file.open("rb") as opened:
        assert python(look, stdin=opened).stdout == b"False"  # a file is what feeds the rest of a loop
        opened.seek(2)
        assert python(look, stdin=opened).stdout == b"False"


def test_stdin_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    code = "try:\n  streams.read_stdin()\nexcept UsageError as error:\n  print(error.message, '|', error.hint)"
    with (tmp_path / "f").open("wb") as for_writing_only:
        shown = python(code, stdin=for_writing_only).stdout
    assert shown.startswith(b"standard input cannot be read: Bad file descriptor | ")


CLOSED = """
import os, sys
os.close(int(sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_a_stream_that_was_closed_is_not_taken_by_the_next_file(fd: int, tmp_path: Path) -> None:
    code = f"""
import os
from completions_cli.errors import *
from completions_cli.streams import Streams
streams = Streams()
opened = os.open({str(tmp_path / "next")!r}, os.O_CREAT | os.O_WRONLY)
said = []
for act in (streams.read_stdin, lambda: streams.stdout.write(b"out\\n")):
    try:
        act()
    except CompletionsError as error:
        said.append(error.message)
streams.stderr.line("err")
os.write(opened, (str(opened > 2) + " " + "; ".join(said)).encode())
"""
    subprocess.run(
        [sys.executable, "-c", CLOSED, str(fd), code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=30,
    )
    wanted = {0: "True standard input is closed", 1: "True stdout is closed", 2: "True "}
    assert (tmp_path / "next").read_text(encoding="utf-8") == wanted[fd]


def test_libraries_that_print_fail_in_our_terms(pipe: Pipe) -> None:
    code = """
text = streams.text_stdout()
print("héllo \\udcff", file=text, flush=True)
os.write(2, b"printed")
"""
    done = python(code, stdout=pipe.into)
    assert done.stderr == b"printed"
    assert os.read(pipe.out, 100) == "héllo ?\n".encode()


LOUD = """
import ctypes, logging, os, sys, threading, warnings
from completions_cli.streams import Streams

def shout(when):
    libc = ctypes.CDLL(None)
    for fd in (1, 2):
        os.write(fd, f"raw {fd} {when}\\n".encode())
        libc.dprintf(fd, b"native\\n")
    print(f"printed {when}")
    print(f"printed {when}", file=sys.stderr)

streams = Streams()
sys.stdout = streams.text_stdout()
print("before")
try:
    with streams.apart():
        shout("inside")
        logging.getLogger("loud").error("logged")
        warnings.warn("warned")
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        streams.stdout.line("answer")
        streams.stderr.line("note")
        {ending}
except ValueError:
    pass
print("printed afterwards")
print("printed afterwards", file=sys.stderr)
streams.stdout.line("more")
streams.stderr.line("last")
"""


@pytest.mark.parametrize("ending", ["pass", "raise ValueError"])
def test_what_libraries_print_is_kept_apart(ending: str) -> None:
    code = LOUD.replace("{ending}", ending)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("before\nanswer\nmore\n", "note\nlast\n")
