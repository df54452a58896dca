"""The command's entry, also of `python -m completions_cli`: small, so that Ctrl-C finds a boundary early."""

import os
import sys


def run() -> None:
    """Load and run the command."""
    try:
        _speak_utf8()
        from completions_cli.main import main

        main()
    except KeyboardInterrupt:
        os._exit(130)


def _speak_utf8() -> None:
    """Start anew in Python's UTF-8 mode where the locale is not UTF-8: arguments and variables are UTF-8 everywhere.

    Python does so by itself in the locales C and POSIX, unless it is told not to.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.platform != "win32":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - it is ourselves


if __name__ == "__main__":
    run()
