"""Write-ahead logs of parts: lines that wait for their part to be written survive their worker, and the driver.

They are appended to a file for each part, in the folder of the worker. Before a part is written, the next file
begins; once it is written, the files before that one are removed.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

_MARK = ".kept-"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class WriteAheadLog:
    """The files of one worker, written by one thread and rotated by others. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, int] = {}  # descriptors, by the names of parts
        self._paths = defaultdict[str, list[Path]](list)  # of all files of a part, the open one last
        self._files = 0
        self._lock = threading.Lock()

    def add(self, name: str, lines: bytes) -> None:
        """Append lines of a part."""
        with self._lock:
            if name not in self._open:
                path = self._folder / f"{name}{_MARK}{self._files:012}"
                self._open[name] = os.open(path, _FLAGS, 0o666)
                self._paths[name].append(path)
                self._files += 1
            write_all(self._open[name], lines)

    def rotate(self, name: str) -> None:
        """Begin another file for the next lines of a part."""
        with self._lock:
            fd = self._open.pop(name, None)
            if fd is not None:
                os.close(fd)

    def drop(self, name: str) -> None:
        """Remove all files of a part but the open one: their lines are in the part."""
        with self._lock:
            paths = self._paths[name]
            done, self._paths[name] = (paths[:-1], paths[-1:]) if name in self._open else (paths, [])
        for path in done:
            path.unlink(missing_ok=True)


def left_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the names of parts that have logs below a folder, each with its whole lines."""
    files = defaultdict[str, list[Path]](list)
    for path in sorted(folder.rglob(f"*{_MARK}*")) if not folder.is_symlink() else ():
        if path.is_symlink() or not path.is_file():
            continue
        files[path.name.partition(_MARK)[0]].append(path)
    for name, paths in files.items():
        texts = [path.read_bytes() for path in paths]
        yield name, b"".join(text[: text.rfind(b"\n") + 1] for text in texts)


def write_all(fd: int, content: bytes) -> None:
    """Write bytes to a descriptor, all of them."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
