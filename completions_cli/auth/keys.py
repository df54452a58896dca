"""Looks for a key in the places that the settings allow, in their order."""

import os
import shlex
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from completions_cli import limits
from completions_cli.auth.keyring_store import KeyringStore, NoKeyringError, no_keyring_hint
from completions_cli.auth.secret import Secret
from completions_cli.errors import ConfigError
from completions_cli.opening import is_stream, read_stream, without_waiting
from completions_cli.quoting import HIDDEN, may_be_secret
from completions_cli.settings.key_sources import KeySource

_NO_PROFILE = (
    "Set COMPLETIONS_API_KEY or COMPLETIONS_API_KEY_FILE, or make a profile: completions config init. "
    "If the server needs no key, add --auth none."
)
_NOT_FOR_IT = "If the server needs no key, add --auth none. If the key is its own, unset COMPLETIONS_ENDPOINT."
_NEW_PROFILE = "completions config init -p NAME --endpoint URL"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What a place holds, as far as can be told without using it. `note` says why, where it is not plain."""

    source: KeySource
    state: Literal["present", "absent", "not tried", "unusable"]
    note: str = ""


def find(
    sources: Iterable[KeySource], environ: Mapping[str, str], store: KeyringStore, withheld: str | None = None
) -> Secret:
    """Return the first key found. Raises ConfigError if there is none, or the text cannot be a key.

    `withheld` names a variable whose key belongs to another endpoint; the error says so.
    """
    trouble: NoKeyringError | None = None
    sources = tuple(sources)
    for source in sources:
        try:
            key = _read(source, environ, store)
        except NoKeyringError as error:
            trouble = error
            continue
        if key is not None:
            return key
    raise missing("key", sources, trouble.reason if trouble else None, withheld)


def missing(what: str, sources: Iterable[KeySource], trouble: str | None, withheld: str | None = None) -> ConfigError:
    """Return the error for a missing key, with what will help. `trouble` says what is wrong with the keyring."""
    sources = tuple(sources)
    keyring = next((source for source in sources if source.kind == "keyring"), None)
    message = f"no {what} for {keyring.value if keyring else 'this endpoint'}"
    if withheld is not None:
        message += f"; {withheld} is for the endpoint in COMPLETIONS_ENDPOINT, which is a different one"
        if keyring is None:
            return ConfigError(message, hint=_NOT_FOR_IT)
        store = _store(keyring, to_file=trouble is not None)
        return ConfigError(message, hint=f"Run: {store}; or unset COMPLETIONS_ENDPOINT.")
    if keyring is not None and keyring.is_of_member:
        no_keyring = f", and no usable keyring: {trouble}" if trouble is not None else ""
        return ConfigError(f"{message}{no_keyring}", hint=f"Run: {_store(keyring, to_file=trouble is not None)}.")
    if trouble is not None:
        return ConfigError(f"{message}, and no usable keyring: {trouble}", hint=_without_keyring(keyring))
    if keyring is None:
        return ConfigError(message, hint=_NO_PROFILE)
    return ConfigError(message, hint=f"Run: {_store(keyring)}; or set COMPLETIONS_API_KEY or COMPLETIONS_API_KEY_FILE.")


def _without_keyring(keyring: KeySource | None) -> str:
    """Say where a key can be kept instead; a profile's key file is for the endpoint of that profile alone."""
    if keyring is None or keyring.is_own:
        return no_keyring_hint(str(keyring.value).rpartition("@")[0] if keyring else None)
    return f"Set COMPLETIONS_API_KEY to the key, or make a profile for that endpoint: {_NEW_PROFILE}"


def _store(keyring: KeySource, *, to_file: bool = False) -> str:
    """Write the command that stores the key that is missing."""
    profile, _, origin = str(keyring.value).rpartition("@")
    if to_file and not keyring.is_own:
        return _NEW_PROFILE
    how = " --to-file" if to_file else "" if keyring.is_own else f" --endpoint {shlex.quote(origin)}"
    return f"completions config key set -p {shlex.quote(profile)}{how}"


def status(source: KeySource, environ: Mapping[str, str], store: KeyringStore) -> SourceStatus:
    """Return whether a place holds a key that could be used. A command is not run for it."""
    if source.kind == "command":
        return SourceStatus(source, "not tried", "it runs when a key is needed")
    try:
        key = _read(source, environ, store)
    except NoKeyringError as error:
        return SourceStatus(source, "unusable", error.reason)
    except ConfigError as error:
        return SourceStatus(source, "unusable", error.message)
    return SourceStatus(source, "absent" if key is None else "present")


def _read(source: KeySource, environ: Mapping[str, str], store: KeyringStore) -> Secret | None:
    if source.kind == "variable":
        text: str | None = environ[str(source.value)]
    elif source.kind == "file":
        text = _file(str(source.value), source.name, is_private=source.is_private)
    elif source.kind == "command":
        from completions_cli.auth import key_command

        text = key_command.run(tuple(source.value), environ)
    else:
        text = store.get(str(source.value))
    return None if text is None else Secret.checked(text, source.name)


def _file(path: str, name: str, *, is_private: bool = False) -> str:
    shown = HIDDEN if may_be_secret(path) else path  # it may be the key itself
    try:
        place = Path(path).expanduser()
        if not is_private and is_stream(place):
            return read_stream(place, limits.KEY_SOURCE_BYTES).decode("utf-8-sig")
        # A pipe that has taken the file's place since then keeps nobody waiting.
        with open(place, "rb", opener=without_waiting) as file:
            found = os.fstat(file.fileno())
            if is_private and not stat.S_ISREG(found.st_mode):
                raise ConfigError(f"the key file {shown} is not a regular file", hint=f"Check {name} in the profile.")
            if is_private:
                _refuse_shared(found, path, place)
            return file.read(limits.KEY_SOURCE_BYTES).decode("utf-8-sig")
    except (OSError, RuntimeError) as error:  # RuntimeError: a ~ without a home
        reason = error.strerror if isinstance(error, OSError) else "there is no home folder"
        raise ConfigError(f"the key file {shown} ({name}) cannot be read: {reason}", hint=f"Check {name}.") from error
    except ValueError as error:
        raise ConfigError(f"the key file {shown} ({name}) is not text", hint=f"Check {name}.") from error


def _refuse_shared(found: os.stat_result, path: str, place: Path) -> None:
    """Refuse a file that others own or may read; on Windows its folder decides that."""
    if sys.platform == "win32":
        return
    if found.st_uid != os.geteuid():
        raise ConfigError(f"the key file {path} belongs to another user", hint="Create your own, readable only by you.")
    if found.st_mode & 0o077:
        raise ConfigError(
            f"the key file {path} can be read or written by others (mode {found.st_mode & 0o777:o})",
            hint=f"Run: chmod 600 {shlex.quote(str(place))}",
        )
