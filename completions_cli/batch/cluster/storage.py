"""Folders of parts, on a file system or in an object store: a file is there as a whole, or not at all."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from completions_cli import atomic, paths
from completions_cli.batch.cluster import conditional
from completions_cli.errors import OutputError, UsageError
from completions_cli.installation import install

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Version: TypeAlias = str | None  # of an object: what its store calls it; None while there is none

_EXTRAS = {"s3": "s3", "s3a": "s3", "abfs": "azure", "abfss": "azure", "az": "azure", "gs": "gcs", "gcs": "gcs"}


class File(NamedTuple):
    """A file as its folder lists it: its size in bytes, and when it was written.

    `modified` is in seconds of the file system's or store's clock, None if it does not say.
    """

    size: int
    modified: float | None = None

    def is_older_than(self, other: "File") -> bool:
        """Return whether it was written before another file; True where nobody knows."""
        return self.modified is None or other.modified is None or self.modified < other.modified


class Folder(Protocol):
    """A folder of small files. Every method raises OutputError if the place cannot be reached."""

    def files(self, below: str = "") -> dict[str, File]:
        """Return the files of the folder itself by their names."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None if there is none."""

    def put(self, name: str, content: bytes) -> None:
        """Write or replace a file as a whole."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


class LocalFolder:
    """A folder of this machine, or one that all machines have mounted: files are renamed into place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def files(self, below: str = "") -> dict[str, File]:
        """List it."""
        try:
            return {
                entry.name: File(found.st_size, found.st_mtime)
                for entry in (self._path / below).iterdir()
                if entry.is_file() and not entry.name.startswith(".") and (found := entry.stat())
            }
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._failure(error) from error

    def read(self, name: str) -> bytes | None:
        """Read a file."""
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failure(error) from error

    def put(self, name: str, content: bytes) -> None:
        """Write to another name, then rename."""
        path = self._path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(error) from error
        atomic.write(path, content)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with suppress(FileNotFoundError):
            (self._path / name).unlink()

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path} cannot be used: {error.strerror}", hint="Check the folder and its disk.")


class RemoteFolder:
    """A folder of an object store, through fsspec: there is no rename, but a file is visible only as a whole."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._filesystem, self._path = filesystem(url)

    def __reduce__(self) -> tuple[object, ...]:
        return RemoteFolder, (self._url,)  # each process connects for itself

    def __str__(self) -> str:
        return self._url

    def files(self, below: str = "") -> dict[str, File]:
        """List it."""
        self._filesystem.invalidate_cache()
        found = self._reached(lambda: self._filesystem.ls(self._join(below), detail=True)) or []
        return {
            str(entry["name"]).rpartition("/")[2]: File(int(entry["size"] or 0), _modified(entry))
            for entry in found
            if entry["type"] == "file" and not str(entry["name"]).endswith("/")
        }

    def below(self, below: str) -> list[str]:
        """Return the names of all files in a folder and below it."""
        self._filesystem.invalidate_cache()
        found = self._reached(lambda: self._filesystem.find(self._join(below))) or []
        root = self._path.strip("/") + "/"
        return [str(name).strip("/").removeprefix(root) for name in found]

    def read(self, name: str) -> bytes | None:
        """Download a file."""
        found: bytes | None = self._reached(lambda: self._filesystem.cat_file(self._join(name)))
        return found

    def load(self, name: str) -> tuple[bytes | None, Version]:
        """Download a file. Return its content and version."""
        while True:
            version = self._version(name)
            content = self.read(name) if version is not None else None
            if self._version(name) == version:
                return content, version

    def put(self, name: str, content: bytes) -> None:
        """Upload a file."""
        if self._reached(lambda: (self._filesystem.pipe_file(self._join(name), content), True)) is None:
            raise self._failure("there is no such place")

    def put_over(self, name: str, content: bytes, version: Version) -> bool:
        """Upload a file over the `expected` version, None if there must be none; false if it has changed."""
        try:
            conditional.put(self._filesystem, self._join(name), content, version)
        except conditional.ConflictError:
            return False
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own
            raise self._failure(error) from None
        return True

    def remove(self, name: str) -> None:
        """Delete a file."""
        self._reached(lambda: self._filesystem.rm_file(self._join(name)))

    def _version(self, name: str) -> Version:
        self._filesystem.invalidate_cache()
        found: Version = self._reached(lambda: conditional.version(self._filesystem, self._join(name)))
        return found

    def _join(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}" if name else self._path

    def _reached(self, call: Callable[[], object]) -> Any:  # noqa: ANN401 - drivers have no types
        try:
            return call()
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own
            raise self._failure(error) from None

    def _failure(self, error: object) -> OutputError:
        return OutputError(
            f"{self._url} cannot be used: {error}", hint="Check the address, and the store's credentials."
        )


def _modified(entry: Mapping[str, object]) -> float | None:
    """Return when an object was written, which each driver of fsspec lists under a name of its own."""
    found = next((entry[name] for name in ("LastModified", "last_modified", "mtime", "updated") if name in entry), None)
    return found.timestamp() if isinstance(found, datetime) else None


def open_folder(place: str) -> Folder:
    """Open a folder by its path or URL."""
    if is_remote(place):
        return RemoteFolder(place)
    return LocalFolder(local_path(place))


def local_path(place: str) -> Path:
    """Return the path of a folder of this machine."""
    return paths.expanded(place.removeprefix("file://")).absolute()


def is_remote(place: str) -> bool:
    """Return whether a text is a URL of an object store rather than a path."""
    return "://" in place and not place.startswith("file://")


def filesystem(place: str) -> tuple["AbstractFileSystem", str]:
    """Return the file system of a path or URL, and the path in it. Raises UsageError if its driver is missing."""
    from fsspec.core import url_to_fs

    scheme = place.partition("://")[0]
    try:
        found, path = url_to_fs(place)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        hint = f"On all machines, run: {install(extra)}" if extra else str(error)
        raise UsageError(f"{place}: the driver for {scheme}:// is not installed", hint=hint) from error
    except ValueError as error:
        raise UsageError(f"{place} is not an address that can be used: {error}") from error
    return found, str(path)
