"""Changes to completions.toml: one writer at a time, comments and order kept, the file whole at any moment."""

import contextlib
import re
from collections.abc import Callable, Iterator, MutableMapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

from completions_cli import atomic, paths
from completions_cli.errors import ConfigError, OutputError
from completions_cli.models import Json
from completions_cli.settings import profile_file
from completions_cli.settings.key_path import KeyPath
from completions_cli.settings.profile_file import ProfileFile

Table: TypeAlias = MutableMapping[str, Any]

# How long to wait for another writer, in seconds: an edit takes milliseconds.
_PATIENCE = 30.0

# The depth of profiles.NAME.params and the like: what is below them is written inline.
_PROFILE_TABLE = 2


class Edit:
    """The changes of one visit to the file, by key path. Applied to the text and to its plain data alike."""

    def __init__(self, before: ProfileFile) -> None:
        self.before = before
        self._steps: list[Callable[[Table, bool], None]] = []

    def set(self, path: KeyPath, value: Json) -> None:
        """Set the value of a key; missing tables above it are made."""
        self._steps.append(lambda document, styled: _set(document, path, value, styled=styled))

    def unset(self, path: KeyPath) -> None:
        """Remove a key. Raises ConfigError when it is not set."""
        if look_up(self.before, path) is None:
            raise ConfigError(
                f"{'.'.join(path)} is not set in {self.before.path}",
                hint="`completions config show` lists the values that are set.",
            )
        self._steps.append(lambda document, _: _unset(document, path))

    def apply(self, document: Table, *, styled: bool) -> None:
        """Make the changes, to a tomlkit document when `styled`."""
        for step in self._steps:
            step(document, styled)


def look_up(file: ProfileFile, path: KeyPath) -> Json:
    """Find the value at a path of the file, None when it is not set."""
    found: Json = {"default_profile": file.default_profile, "profiles": file.profiles}
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


@contextlib.contextmanager
def edit(path: Path, lock_folder: Path) -> Iterator[Edit]:
    """Open the file for changes, which are written when the block ends well.

    Raises ConfigError when the file is broken before or would be after, OutputError when it cannot be written.
    """
    make_folder(path.parent)
    with locked(path, lock_folder):
        text = profile_file.read_text(path) or ""
        before = profile_file.parse(text, path)
        changes = Edit(before)
        yield changes
        changed = _changed(text, changes, path)
        if changed != text:
            write(path, changed if "\r\n" not in text else _in_crlf(changed))


def write(path: Path, text: str) -> None:
    """Put a text in the file's place, readable by its owner alone. The caller holds the lock. Raises OutputError."""
    atomic.write(path, text.encode(), mode=0o600)


@contextlib.contextmanager
def locked(path: Path, lock_folder: Path) -> Iterator[None]:
    """Keep other writers of the same file out. The lock ends with the process that holds it.

    Raises ConfigError while another one writes, OutputError where there can be no lock.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(_lock_file(path, lock_folder), timeout=_PATIENCE, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(f"{path} is being written by another process", hint="Try again when it is done.") from error
    except (OSError, NotImplementedError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its file system does not support locks"
        raise OutputError(
            f"{path} cannot be locked: {reason}", hint="Check the folder, its permissions and the disk."
        ) from error
    try:
        yield
    finally:
        lock.release()


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone, unless there is one. Raises OutputError."""
    try:
        paths.make_private(folder)
    except OSError as error:
        raise OutputError(
            f"the folder {folder} cannot be made: {error.strerror}",
            hint="Name another file with --config or COMPLETIONS_CONFIG.",
        ) from error


def _lock_file(path: Path, lock_folder: Path) -> Path:
    """Name the lock: in our own folder, where nobody else can put a link in its place, one for each file."""
    import hashlib

    digest = hashlib.sha256(str(paths.real(path)).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    with contextlib.suppress(OutputError):
        make_folder(lock_folder)
    # Where our folder cannot be made the file's own must do; we are about to write there anyway.
    folder = lock_folder if lock_folder.is_dir() else paths.real(path).parent
    return folder / f".{digest}.lock"


def _changed(text: str, changes: Edit, path: Path) -> str:
    from tomlkit.exceptions import TOMLKitError

    expected = deepcopy(profile_file.load(text, path))
    changes.apply(expected, styled=False)
    try:
        changed = _restyled(text, changes)
        is_right = _pruned(profile_file.load(changed, path)) == _pruned(expected)
    except (TOMLKitError, ConfigError, AttributeError, TypeError, KeyError, ValueError):
        is_right = False
    if not is_right:
        raise ConfigError(
            f"{path} cannot be changed in this way because of how it is written", hint="Use: completions config edit"
        )
    profile_file.parse(changed, path, is_planned=True)
    return changed


def _in_crlf(text: str) -> str:
    """End every line as Windows does, the new ones as well."""
    return re.sub(r"(?<!\r)\n", "\r\n", text)


def _pruned(data: Json) -> Json:
    """Leave out empty tables: tomlkit drops one that had no header of its own, and it says nothing."""
    if not isinstance(data, dict):
        return data
    return {name: _pruned(value) for name, value in data.items() if value != {} and _pruned(value) != {}}


def _restyled(text: str, changes: Edit) -> str:
    import tomlkit

    from completions_cli.settings.toml_comments import Comments

    document = tomlkit.parse(text)
    comments = Comments(document)
    changes.apply(document, styled=True)
    return comments.restore()


def _set(document: Table, path: KeyPath, value: Json, *, styled: bool) -> None:
    table = document
    for depth, name in enumerate(path[:-1]):
        if not isinstance(table.get(name), MutableMapping):
            table[name] = _new_table(table, depth) if styled else {}
        table = table[name]
    table[path[-1]] = _styled(table, value, len(path) - 1) if styled else value


def _new_table(parent: Table, depth: int) -> Table:
    """Make a table in the style of its place: [profiles] alone says nothing, and what is inline stays so."""
    import tomlkit
    from tomlkit.items import InlineTable

    if depth > _PROFILE_TABLE or isinstance(parent, InlineTable):
        return tomlkit.inline_table()
    return tomlkit.table(is_super_table=depth == 0)


def _styled(parent: Table, value: Json, depth: int) -> Json:
    import tomlkit

    if isinstance(value, list):  # tomlkit.item would make an array of tables of some
        array = tomlkit.array()
        array.extend(_styled(parent, item, _PROFILE_TABLE + 1) for item in value)
        return array
    if not isinstance(value, dict):
        return tomlkit.item(value)
    table = _new_table(parent, depth)
    for name, item in value.items():
        table[name] = _styled(table, item, depth + 1)
    return table


def _unset(document: Table, path: KeyPath) -> None:
    table = document
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]
