"""What a power cut may leave of the files of a folder, worked out from a record of the system calls that wrote them.

The model is that of POSIX, without the kindness of any one file system: what was written to a file since its last fsync
may be there up to any of its writes; names that were made, moved or removed since the last fsync of their folder may be
there up to any of these.
"""

import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = "openat,open,creat,write,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
_UNFINISHED = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
_FD = re.compile(r"^(\d+)<(.*?)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(slots=True, eq=False)
class File:
    """A file: what is on the disk for certain, and what may be there since."""

    versions: list[bytes] = field(default_factory=lambda: [b""])  # the first is certain

    @property
    def content(self) -> bytes:
        """What it holds while the power is on."""
        return self.versions[-1]


class Folder:
    """Files by name, as certain and as possible."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.names: dict[str, File] = {
            path.name: File([path.read_bytes()]) for path in folder.iterdir() if path.is_file()
        }
        self._certain = dict(self.names)
        self._since: list[dict[str, File]] = []

    def content(self, name: str) -> bytes:
        """Return what a file holds while the power is on; nothing where there is none."""
        return self.names[name].content if name in self.names else b""

    def changed(self) -> None:
        """Record that a name was made, moved or removed."""
        self._since.append(dict(self.names))

    def synced(self) -> None:
        """Record an fsync of the folder."""
        self._certain, self._since = dict(self.names), []

    def after_a_cut(self, *wanted: str) -> Iterator[dict[str, bytes | None]]:
        """Yield every content that the wanted names may have after a power cut now; None where there is no such name."""
        for names in (self._certain, *self._since):
            files = [names.get(name) for name in wanted]
            for contents in itertools.product(*[file.versions if file else [None] for file in files]):
                yield dict(zip(wanted, contents, strict=True))


def record(command: list[str], folder: Path, env: dict[str, str], log: Path) -> int:
    """Run a command under strace; return its exit code."""
    options = ["-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(log)]
    done = subprocess.run(["strace", *options, *command], cwd=folder, env=env, capture_output=True, check=False)  # noqa: S607 - looked for by the test
    return done.returncode


def replay(log: Path, folder: Folder) -> Iterator[str]:
    """Apply the recorded calls one by one; yield each that changed or synced something in the folder."""
    for name, arguments, result in _calls(log):
        what = _apply(folder, name, arguments, result)
        if what:
            yield what


def _calls(log: Path) -> Iterator[tuple[str, str, int]]:
    begun: dict[str, str] = {}
    for line in log.read_text(encoding="ascii").splitlines():
        if unfinished := _UNFINISHED.match(line):
            begun[unfinished[1]] = unfinished[2]
            continue
        if resumed := _RESUMED.match(line):
            line = f"{resumed[1]} {begun.pop(resumed[1])}{resumed[2]}"  # noqa: PLW2901 - put together again
        if (call := _CALL.match(line)) and int(call[4]) >= 0:
            yield call[2], call[3], int(call[4])


def _apply(folder: Folder, name: str, arguments: str, result: int) -> str | None:
    texts = [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments)]
    if name in {"openat", "open", "creat"}:
        return _opened(folder, texts[0], arguments)
    if name in {"rename", "renameat", "renameat2", "unlink", "unlinkat"}:
        return _renamed(folder, texts)
    found = _FD.match(arguments)
    if found is None:
        return None
    path = _decoded(found[2])
    if path == folder.path and name == "fsync":
        folder.synced()
        return "sync of the folder"
    file = folder.names.get(path.name) if path.parent == folder.path else None
    if file is None:
        return None
    if name in {"fsync", "fdatasync"}:
        file.versions = [file.content]
    elif name == "ftruncate":
        size = int(arguments.rsplit(",", 1)[1])
        file.versions.append(file.content[:size].ljust(size, b"\0"))
    else:
        data = texts[0][:result]
        # A page of it may be there and the rest not.
        file.versions += [file.content + data[: len(data) // 2], file.content + data]
    return f"{name} of {path.name}"


def _opened(folder: Folder, text: bytes, arguments: str) -> str | None:
    path = folder.path / text.decode()
    if path.parent != folder.path or "O_CREAT" not in arguments or path.name in folder.names:
        return None
    folder.names[path.name] = File()
    folder.changed()
    return f"creation of {path.name}"


def _renamed(folder: Folder, texts: list[bytes]) -> str | None:
    source, *targets = [folder.path / text.decode() for text in texts]
    if source.parent != folder.path or source.name not in folder.names:
        return None
    file = folder.names.pop(source.name)
    for target in targets:
        folder.names[target.name] = file
    folder.changed()
    return f"move of {shlex.join(path.name for path in (source, *targets))}"


def _decoded(text: str) -> Path:
    return Path(bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text)
