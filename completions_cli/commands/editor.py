"""A text written in the user's own editor."""

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from completions_cli import processes
from completions_cli.commands import prompt_source
from completions_cli.errors import UsageError
from completions_cli.interruption import KEYS, exit_on_signals, held_back, keys_left_to_a_child
from completions_cli.settings.environment import without_secrets


def edit(text: str, environ: Mapping[str, str], *, suffix: str = ".txt") -> str:
    """Open `text` in $VISUAL or $EDITOR and return what was saved. Raises UsageError."""
    command = environ.get("VISUAL") or environ.get("EDITOR")
    if not command:
        raise UsageError("no editor is set", hint="Set VISUAL or EDITOR, as in EDITOR=vim.")
    with exit_on_signals():
        return _edited(text, command, environ, suffix)


def _edited(text: str, command: str, environ: Mapping[str, str], suffix: str) -> str:
    fd, name = tempfile.mkstemp(prefix="completions-", suffix=suffix)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        _run(command, name, environ)
        return prompt_source.read_text(name, "what the editor saved")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the editor {command} cannot be used: {reason}", hint="Set VISUAL or EDITOR.") from error
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()


def _run(command: str, name: str, environ: Mapping[str, str]) -> None:
    with keys_left_to_a_child():
        code = _wait(command, name, environ)
    if -code in KEYS:
        signal.raise_signal(-code)
    if code != 0:
        raise UsageError(f"the editor {command} ended with exit code {code}", hint="Nothing was done.")


def _wait(command: str, name: str, environ: Mapping[str, str]) -> int:
    process: subprocess.Popen[bytes] | None = None
    try:
        with held_back():  # until it is known what to end
            # The variable may hold options, as in "code --wait".
            process = subprocess.Popen([*shlex.split(command), name], env=without_secrets(environ))  # noqa: S603 - theirs
        return process.wait()
    except BaseException:
        if process is not None:
            processes.end(process)
        raise
