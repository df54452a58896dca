"""The command's entry, also of `python -m completions_cli`: small, so that Ctrl-C finds a boundary early."""

import os
import sys

TYPE_CHECKING = False  # what `typing` calls so is the same to type checkers, and costs its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def run() -> None:
    """Load and run the command."""
    try:
        _speak_utf8()
        _loaded()()
    except KeyboardInterrupt:
        os._exit(130)
    except MemoryError:  # also for the modules that report errors
        _refuse("the system refuses more memory to this process", "Raise its limits; see ulimit -a.")


def _loaded() -> "Callable[[], NoReturn]":
    """Import the command, which reports every later error by itself."""
    try:
        from completions_cli.main import main
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - libraries may fail in any way
        reason = f"{type(error).__name__}: {error}"
        _refuse(f"a library cannot be loaded: {reason}", "Install completions again, in a new environment.")
    return main


def _refuse(message: str, hint: str) -> "NoReturn":
    try:
        os.write(2, f"error: {message}\nhint: {hint}\n".encode("utf-8", "replace"))
    finally:
        os._exit(2)


def _speak_utf8() -> None:
    """Start anew in Python's UTF-8 mode where the locale is not UTF-8: arguments and variables are UTF-8 everywhere.

    Python does so by itself in the locales C and POSIX, unless it is told not to.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.platform != "win32":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - it is ourselves


def _leave_out_working_folder() -> None:
    """Look for modules where Python and its packages are: `python -m` looks in the working folder first.

    A `typing.py` that lies there would be run in place of Python's own. Our own folder stays, as in a checkout.
    """
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - as Python writes it there
        ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes long
        if sys.path[0] != ours:
            del sys.path[0]


if __name__ == "__main__":
    _leave_out_working_folder()
    run()
