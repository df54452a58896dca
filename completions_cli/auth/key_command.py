"""A key from a program of the user's own, such as a password manager's command line."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from completions_cli import limits, processes
from completions_cli.api.masking import Mask
from completions_cli.errors import ConfigError
from completions_cli.interruption import handled, held_back
from completions_cli.settings.environment import without_secrets

TIMEOUT = 30.0

# How long its pipes are read after it ended: an agent that it started may hold them open for ever.
_DRAIN = 1.0
_MOST_SHOWN = 300
_MOST_LINES = 100


def run(words: Sequence[str], environ: Mapping[str, str], *, timeout: float = TIMEOUT) -> str:
    """Run the command and return the first line that it prints.

    It gets no stdin and a session of its own, so that it ends with all its children when it takes longer
    than `timeout` seconds or the user interrupts. Raises ConfigError, with its stderr when it failed.
    """
    command = _Command(words, environ)
    try:
        with command.ends_with_us():
            command.start()
            output, messages = command.read()
            code = command.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise _too_slow(words[0], timeout) from error
    printed = output.text(_DRAIN)
    line = printed.lstrip("\ufeff").partition("\n")[0]
    if code != 0:
        raise _failure(words[0], code, messages.text(_DRAIN), printed)
    if not line.strip():
        raise ConfigError(
            f"key_command {words[0]} printed no key", hint="Its first line must be the key; run it by hand to see."
        )
    return line


class _Command:
    """The user's program, which ends with all that it started when we do, whatever we end of."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._words, self._environ = words, environ
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. A signal that comes meanwhile counts once it is known what to end."""
        with held_back():
            self._process = _start(self._words, self._environ)

    def read(self) -> "tuple[_Reader, _Reader]":
        """Begin to read what it prints, and what it complains of."""
        process = self._started()
        return _Reader(process.stdout), _Reader(process.stderr)

    def wait(self, timeout: float) -> int:
        """Return its exit code. Raises TimeoutExpired after so many seconds."""
        return self._started().wait(timeout)

    @contextlib.contextmanager
    def ends_with_us(self) -> Iterator[None]:
        """End it when the block is left by an exception, and before a signal ends this process."""
        with handled(signal.SIG_DFL, self._die):
            try:
                yield
            except BaseException:
                if self._process is not None:
                    processes.end(self._process)
                raise

    def _started(self) -> subprocess.Popen[bytes]:
        assert self._process is not None  # noqa: S101 - the callers have started it
        return self._process

    def _die(self, number: int) -> None:
        if self._process is not None:
            processes.end(self._process)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def _start(words: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - the user's own command, from the user's own file
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=without_secrets(environ),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a NUL byte in it"
        raise ConfigError(
            f"key_command {words[0]} cannot be run: {reason}", hint="Check key_command in the profile."
        ) from error


def _too_slow(name: str, timeout: float) -> ConfigError:
    return ConfigError(
        f"key_command {name} took longer than {timeout:g} s and was stopped",
        hint="It gets no terminal to ask questions on; unlock the password manager first.",
    )


def _failure(name: str, code: int, messages: str, printed: str) -> ConfigError:
    mask = Mask(line.strip() for line in printed.splitlines()[:_MOST_LINES])
    said = " ".join(mask.text(messages).split())[-_MOST_SHOWN:]
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
    return ConfigError(
        f"key_command {name} {how}" + (f": {said}" if said else ""), hint="Run it by hand to see what it wants."
    )


class _Reader:
    """Reads a pipe to its end, in a thread that may be left behind."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._data = b""
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes] | None) -> None:
        with contextlib.suppress(OSError, ValueError):
            while pipe is not None and (more := os.read(pipe.fileno(), limits.KEY_SOURCE_BYTES)):
                self._data = (self._data + more)[: limits.KEY_SOURCE_BYTES]
        if pipe is not None:
            pipe.close()

    def text(self, seconds: float) -> str:
        """Return what came, waiting so long for the end of it."""
        self._thread.join(seconds)
        return self._data.decode("utf-8", "replace")
