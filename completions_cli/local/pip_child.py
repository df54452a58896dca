"""Runs pip; a script, started by `download` and never imported by it.

Arguments: the folder for pip's temporary files, a folder to import pip from ("" for the usual places), the bytes of
memory that it may take, then pip's own. It ends when descriptor 0 does, so a download cannot outlive the command that
wanted it.
"""

import contextlib
import os
import runpy
import sys
import tempfile
import threading


def main() -> None:
    """Run pip in this process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    scratch, pip_folder, memory, *arguments = sys.argv[1:]
    _limit_memory(int(memory))
    # Where its growing download can be watched, and found again if everything is killed.
    tempfile.tempdir = scratch
    if pip_folder:
        sys.path.insert(0, pip_folder)
    sys.argv = ["pip", *arguments]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def _limit_memory(most: int) -> None:
    """Let pip read a page without an end until it holds so much; Windows has no such limit."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
