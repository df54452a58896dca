"""Assembles the command and is its only error boundary: every failure becomes text on stderr and an exit code here."""

import errno
import itertools
import os
import sys
from typing import Any, ClassVar, NoReturn

import typer

from completions_cli.commands.help_pages import PARSER_ERROR
from completions_cli.commands.lazy import LazyGroup
from completions_cli.errors import BrokenPipeExit, CompletionsError, OutputError, UsageError
from completions_cli.exit_codes import ExitCode
from completions_cli.interruption import raise_on_signals
from completions_cli.streams import Streams, taken_environment
from completions_cli.version import __version__

# Each is a module of `commands`, loaded when it is called; this is what the help shows, in its order.
COMMANDS = {
    "complete": "Complete a prompt: one request, one answer.",
    "stream": "Complete a prompt and print the text as it is generated.",
    "batch": "Complete every row of INPUT and write the answers to a file, one line per row.",
    "score": "Print how likely the model finds continuations of a prompt.",
    "models": "List the models that the endpoint serves, one id per line.",
    "config": "Set up, show, change and check profiles and keys.",
    "local": "Download, check or remove the embedded model of the profile local.",
    "emulator": "Run a local server that behaves like the service.",
}

# Files, for the process or all of them, memory, and processes: limits that somebody has set, and no bug.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

# Paths that the system does not take: of too many letters, of links in a circle, or closed to this user.
_NO_PATHS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM)
_NO_TEMPORARY = "No usable temporary directory"  # what the library says, with the folders it has tried

_INSTALL_AGAIN = "Install completions again, in a new environment."

_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


# What typer says of its own two options does not say that Tab is meant, and completion means another thing here.
_TYPERS_OPTIONS = {
    "install_completion": "Set up tab completion for the current shell.",
    "show_completion": "Print the script of that tab completion.",
}


class _Root(LazyGroup):
    package: ClassVar = "completions_cli.commands"
    summaries: ClassVar = COMMANDS

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page; typer's own options are described in our words."""
        for param in self.params:
            if param.name in _TYPERS_OPTIONS:
                param.help = _TYPERS_OPTIONS[param.name]  # type: ignore[attr-defined] # every option has one
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=_Root,
    name="completions",
    help="Text completions from Azure AI Foundry, or any compatible server, on the command line.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    *,
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    if version:
        ctx.obj.stdout.write(f"completions {__version__}\n".encode())
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        from completions_cli.commands import mistakes

        raise mistakes.no_command(ctx)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    streams = Streams(taken_environment())
    sys.stdout = streams.text_stdout()
    try:
        code = _run(streams)
    except BaseException as error:  # noqa: BLE001 - this is the boundary
        code = _report(error, streams)
    _leave(code, streams)


def _run(streams: Streams) -> int:
    raise_on_signals()
    if sys.argv[1:2] in (["--install-completion"], ["--show-completion"]):
        _require_shell(streams)
    color = streams.color(streams.stdout)
    result = app(prog_name="completions", standalone_mode=False, obj=streams, color=color)
    return result if isinstance(result, int) else ExitCode.DONE


def _require_shell(streams: Streams) -> None:
    """Refuse to set up tab completion for a shell that has none here. Raises UsageError."""
    import shellingham  # type: ignore[import-untyped] # it has no types

    try:
        name = (
            "" if "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION" in streams.environ else shellingham.detect_shell()[0]
        )
    except shellingham.ShellDetectionFailure:
        name = "this shell"
    if name and name not in _SHELLS:
        raise UsageError(f"there is no tab completion for {name}", hint="Run it from bash, zsh, fish or PowerShell.")


def _report(error: BaseException, streams: Streams) -> int:
    """Print what went wrong, once, and return the exit code for it."""
    if isinstance(error, SystemExit) and _failed_library(error) is None:
        return error.code if isinstance(error.code, int) else ExitCode.BUG
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return ExitCode.INTERRUPTED
    if isinstance(error, BrokenPipeExit):
        return error.exit_code
    if streams.verbosity > 1:
        import traceback

        # Frames only: the texts of chained exceptions may quote headers.
        for frame in traceback.format_tb(error.__traceback__):
            for row in frame.splitlines():
                streams.stderr.line(row)
    from completions_cli import quoting
    from completions_cli.commands import fitting_hints
    from completions_cli.render import failure

    known = _in_users_terms(error)
    known.hint = known.hint or (_see_help() if isinstance(known, UsageError) else known.next_step)
    known.message, known.hint = (quoting.without_secrets(text, sys.argv[1:]) for text in (known.message, known.hint))
    known.hint = fitting_hints.fitting(known.hint, streams.running)
    as_json = streams.wants_json or _typed_json(streams)
    usage = getattr(known, "usage", None)
    if usage and not as_json:
        streams.stderr.raw(f"{usage}\n\n")
    failure.show(known, streams.stderr, as_json=as_json, color=streams.color(streams.stderr))
    return known.exit_code


def _in_users_terms(error: BaseException) -> CompletionsError:
    if isinstance(error, CompletionsError):
        return error
    if isinstance(error, PARSER_ERROR):
        from completions_cli.commands import mistakes

        return mistakes.explained(error)
    if isinstance(error, OSError | RuntimeError) and "--install-completion" in sys.argv[1:]:
        reason = error.strerror if isinstance(error, OSError) else "there is no home folder"
        return OutputError(
            f"the script for tab completion cannot be written: {reason}",
            hint="Print it with --show-completion, and put it where your shell looks for it.",
        )
    return _of_the_system(error) or CompletionsError(f"a bug in completions: {type(error).__name__}")


def _of_the_system(error: BaseException) -> CompletionsError | None:
    """Report what this machine or this installation lacks, which is no bug; None for anything else."""
    is_exhausted = isinstance(error, OSError) and error.errno in _EXHAUSTED
    if is_exhausted or isinstance(error, MemoryError) or _is_without_thread(error):
        reason = error.strerror if isinstance(error, OSError) else str(error) or os.strerror(errno.ENOMEM)
        return UsageError(
            f"the system refuses more resources to this process: {reason}", hint="Raise its limits; see ulimit -a."
        )
    if isinstance(error, ImportError) and not (error.name or "").startswith(__package__):
        return UsageError(f"a library cannot be loaded: {error}", hint=_INSTALL_AGAIN)
    if (library := _failed_library(error)) is not None:
        reason = "it ended the program" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
        return UsageError(f"a library cannot be loaded: {library}: {reason}", hint=_INSTALL_AGAIN)
    return _of_a_path(error) if isinstance(error, OSError) else None


def _of_a_path(error: OSError) -> CompletionsError | None:
    if isinstance(error, FileNotFoundError) and _is_nowhere():
        return UsageError("the folder that this runs in was removed", hint="Change to one that exists.")
    if isinstance(error, FileNotFoundError) and _NO_TEMPORARY in str(error.strerror):
        return UsageError("no folder for temporary files can be written to", hint="Set TMPDIR to one that can.")
    if error.errno in _NO_PATHS and error.filename is not None:
        return UsageError(f"{error.filename} cannot be used: {error.strerror}", hint="Check the path.")
    return None


def _failed_library(error: BaseException) -> str | None:
    """Name the module of others that failed, or ended the program, while it was loaded; None if none did."""
    frames, link = [], error.__traceback__
    while link is not None:
        frames.append(link.tb_frame)
        link = link.tb_next
    names = [str(frame.f_globals.get("__name__")) for frame in frames]
    if not names or names[-1].startswith(__package__):  # such as a signal, which may come at any time
        return None
    loaded = [name for name, frame in zip(names, frames, strict=True) if frame.f_code.co_name == "<module>"]
    return loaded[-1] if loaded and not loaded[-1].startswith(__package__) else None


def _is_nowhere() -> bool:
    """Return whether the working folder is gone, so that no relative path leads anywhere."""
    from pathlib import Path

    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _is_without_thread(error: BaseException) -> bool:
    """Return whether the system refused a thread; Python has no class of its own for this."""
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def _see_help() -> str:
    """Name the help of the command that was typed."""
    words = [word for word in sys.argv[1:2] if word in COMMANDS]
    return f"{' '.join(['completions', *words])} --help lists the options."


def _typed_json(streams: Streams) -> bool:
    """Return whether JSON was asked for, where the command line could not be parsed as a whole."""
    words = sys.argv[1:]
    wanted = any(
        word in ("-F", "--format") and following in ("json", "jsonl") for word, following in itertools.pairwise(words)
    )
    glued = any(word in ("-Fjson", "-Fjsonl", "--format=json", "--format=jsonl") for word in words)
    return wanted or glued or streams.environ.get("COMPLETIONS_FORMAT") in ("json", "jsonl")


def _leave(code: int, streams: Streams) -> NoReturn:
    """Flush what typer printed, and end at once: at this point an interpreter's tidying up is only waiting."""
    try:
        sys.stdout.flush()
    except CompletionsError as error:
        code = code or _report(error, streams)
    os._exit(code)
