"""The process's own streams: stdin, stdout, stderr, what they are connected to, and what happens when they break.

The only room, with `main` and `settings`, that touches `sys` and the environment.
"""

import contextlib
import errno
import io
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from completions_cli import descriptors, limits
from completions_cli.errors import BrokenPipeExit, OutputError, UsageError

_BROKEN = (errno.EPIPE, errno.ESHUTDOWN)
# C0 but newline and tab, DEL, C1, bidirectional controls and their deprecated kin, line and paragraph separators,
# surrogates. What is only invisible, such as a joiner in an emoji, drives nothing and stays.
_ONE_BYTE = 0xFF
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff\ufff9-\ufffb]"
)


def visible(text: str) -> str:
    """Show control characters as escapes, so that text of others cannot drive the terminal.

    Works on each character by itself: a sequence cut over several calls is as harmless as a whole one.
    """
    # Nothing unsafe is printable, and most pieces of a stream are no more than a word.
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def visible_json(text: str) -> str:
    """Do the same to JSON, with escapes that it reads back as the characters they stand for."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if _UNSAFE.search(text) else text


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= _ONE_BYTE else f"\\u{code:04x}"


OWN_VARIABLES = ("COMPLETIONS_", "AZURE_INFERENCE_")  # the beginnings of their names
_KEYS = frozenset({"COMPLETIONS_API_KEY", "AZURE_INFERENCE_CREDENTIAL"})


class Output:
    """An output stream as bytes.

    Raises BrokenPipeExit when its reader has gone, OutputError when it can take no more.
    """

    def __init__(self, fd: int, name: str, *, is_dumb: bool = False) -> None:
        self._fd = fd
        self._name = name
        self._is_closed = descriptors.occupy(fd)
        self.is_terminal = descriptors.is_terminal(fd)
        self._is_dumb = is_dumb
        self._put = descriptors.writer(fd)
        self.is_midline = False  # whether a terminal shows a line that has not ended

    def move(self, fd: int) -> None:
        """Write to another descriptor of the same stream from now on."""
        self._put, self._fd = descriptors.writer(fd), fd

    @property
    def can_draw(self) -> bool:
        """Whether boxes, bars and what moves have a place: a pipe wants lines, and so may a screen reader."""
        return self.is_terminal and not self._is_dumb

    def write(self, data: bytes | memoryview) -> None:
        """Write all of it, at once: nothing is held back."""
        if self._is_closed:
            raise OutputError(f"{self._name} is closed", hint="Send it to a file or a pipe; -o FILE writes one.")
        if self.is_terminal and data:
            self.is_midline = bytes(data[-1:]) != b"\n"
        while data:
            try:
                written = self._put(data)
            except BlockingIOError:
                descriptors.wait_writable(self._fd)
                continue
            except OSError as error:
                raise self._failure(error) from error
            if written == len(data):
                return
            data = memoryview(data)[written:]

    def line(self, text: str) -> None:
        """Write a line of text, as it is in a pipe; on a terminal control characters are made visible."""
        self.write((visible(text) if self.is_terminal else text).encode("utf-8", "surrogateescape") + b"\n")

    def json_line(self, text: str) -> None:
        """Write JSON, on a terminal so that it stays the same JSON and drives nothing."""
        self.write((visible_json(text) if self.is_terminal else text).encode() + b"\n")

    def _failure(self, error: OSError) -> BrokenPipeExit | OutputError:
        # On Windows a closed pipe is EINVAL.
        if error.errno in _BROKEN or (sys.platform == "win32" and error.errno == errno.EINVAL):
            return BrokenPipeExit(f"{self._name} was closed by its reader")
        return OutputError(
            f"cannot write to {self._name}: {error.strerror}", hint="Is the disk full, or the stream closed?"
        )


class _RawOutput(io.RawIOBase):
    """An output as Python's own file layers want it, failing in our terms instead of the system's."""

    def __init__(self, output: Output, fd: int) -> None:
        self._output = output
        self._fd = fd

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._output.is_terminal

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._output.write(bytes(data))
        return len(data)


class _Drawn(io.TextIOBase):
    """Messages as libraries that draw want them."""

    def __init__(self, messages: "Messages") -> None:
        self._messages = messages

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._messages.is_terminal

    def write(self, text: str) -> int:
        self._messages.raw(text)
        return len(text)


class Messages(Output):
    """stderr: notes, warnings, errors. Never fails: what cannot be said there cannot be said."""

    def __init__(self, fd: int, *, is_dumb: bool = False, quiet: bool = False) -> None:
        super().__init__(fd, "stderr", is_dumb=is_dumb)
        self.quiet = quiet
        self.mask: Callable[[str], str] = str  # hides secrets; whoever knows any puts it here

    def line(self, text: str) -> None:
        """Print a line, control characters made visible."""
        self.raw(visible(text) + "\n")

    def note(self, text: str) -> None:
        """Print a line unless --quiet was given."""
        if not self.quiet:
            self.line(text)

    def drawn(self) -> io.TextIOBase:
        """Return it as a text stream for libraries that draw on a terminal, wherever it leads by then."""
        return _Drawn(self)

    def raw(self, text: str) -> None:
        """Write text that may hold escape sequences of our own."""
        with contextlib.suppress(OutputError, BrokenPipeExit):
            self.write(self.mask(text).encode("utf-8", "replace"))


class Running(NamedTuple):
    """The command that runs: its name, and the options that its help shows."""

    name: str
    options: frozenset[str]


class Streams:
    """The three standard streams and how they are to be used."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self._stdin_is_closed = descriptors.occupy(0)
        is_dumb = self.environ.get("TERM") == "dumb"
        self.stdout = Output(1, "stdout", is_dumb=is_dumb)
        self.stderr = Messages(2, is_dumb=is_dumb)
        self.stdin_is_terminal = descriptors.is_terminal(0)
        self.color_choice = "auto"
        self.verbosity = 0
        self.wants_json = False  # errors too
        self.running: Running | None = None

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Hide whatever libraries print to stdout and stderr, also past Python, for the length of a block.

        What is written to these streams by us still reaches the user. Prints of Python stay hidden afterwards: threads
        of such a library may outlive the block.
        """
        sys.stdout.flush()
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for the process
        moved = [(output, number, os.dup(number)) for output, number in ((self.stdout, 1), (self.stderr, 2))]
        for output, number, kept in moved:
            output.move(kept)
            os.dup2(sys.stderr.fileno(), number)
        try:
            yield
        finally:
            for output, number, kept in moved:
                os.dup2(kept, number)
                output.move(number)
                os.close(kept)

    def text_stdout(self) -> io.TextIOWrapper:
        """Make a text stream on stdout for libraries that print, such as typer its help."""
        return io.TextIOWrapper(io.BufferedWriter(_RawOutput(self.stdout, 1)), encoding="utf-8", errors="replace")

    def read_stdin(self, most: int = limits.PROMPT_BYTES) -> bytes:
        """Read standard input to its end, or until it is more than `most` bytes.

        Raises UsageError when it is closed or unreadable.
        """
        if self._stdin_is_closed:
            raise UsageError("standard input is closed", hint="Give a PROMPT or -f.")
        parts: list[bytes] = []
        read = descriptors.reader(0)
        while True:
            try:
                part = read(1 << 20)
            except BlockingIOError:  # whoever started us shares it with something that does not wait
                descriptors.wait_readable(0)
                continue
            except OSError as error:
                raise UsageError(
                    f"standard input cannot be read: {error.strerror}", hint="Give a PROMPT or -f."
                ) from error
            parts.append(part)
            most -= len(part)
            if not part or most < 0:
                return b"".join(parts)

    def open_stdin(self) -> BinaryIO:
        """Return standard input as a file, to be read piece by piece. Raises UsageError when it is closed."""
        if self._stdin_is_closed:
            raise UsageError("standard input is closed", hint="Name a file, or pipe something in.")
        return os.fdopen(os.dup(0), "rb")

    def stdin_holds_data(self) -> bool:
        """Return whether a pipe on stdin has something to read that nobody but this process is there for.

        A pipe that the parent reads, too, feeds a `while read` loop; so does a file. Never blocks, and is false
        where it cannot be known.
        """
        try:
            if not stat.S_ISFIFO(os.fstat(0).st_mode) or sys.platform == "win32" or descriptors.is_the_parents_too():
                return False
            import select

            readable, _, _ = select.select([0], [], [], 0)
            return bool(readable) and descriptors.pending_bytes() > 0
        except (OSError, ValueError):
            return False

    def color(self, output: Output) -> bool:
        """Decide on colours for a stream: --color, then NO_COLOR, FORCE_COLOR, then what it is connected to."""
        if self.color_choice != "auto":
            return self.color_choice == "always"
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return output.can_draw


def secret_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the names of our variables that hold a key, or may: those with a query. No child has a use for them."""
    return [
        name for name, value in environ.items() if name in _KEYS or (name.startswith(OWN_VARIABLES) and "?" in value)
    ]


def taken_environment() -> dict[str, str]:
    """Return the environment of this process, and leave it without our keys: what it starts inherits the rest."""
    environ = dict(os.environ)
    for name in secret_variables(environ):
        os.environ.pop(name, None)
    return environ
