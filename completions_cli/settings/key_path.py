"""Keys as they are typed for `config get|set|unset`: dotted paths into completions.toml, and their values."""

import math
from typing import TypeAlias

from completions_cli.api import near_names
from completions_cli.api.parameters import PARAMETERS
from completions_cli.errors import ConfigError, UsageError
from completions_cli.models import Json
from completions_cli.settings import positions
from completions_cli.settings.profile_check import parameter_hint, table_error, unknown_key_hint
from completions_cli.settings.table import PROFILE_SETTINGS, PROFILE_TABLES, SETTINGS

KeyPath: TypeAlias = tuple[str, ...]

_EXAMPLE = "Nothing was changed; `completions config show` lists what is set."
_BARE = (*PROFILE_SETTINGS, *PROFILE_TABLES)


def parse(typed: str, profile: str | None) -> KeyPath:
    """Find the path of a typed key; a bare one, such as `params.seed`, means the chosen profile.

    Raises UsageError for what is no key of the file, ConfigError when no profile is chosen.
    """
    path = positions.split_key(typed)
    if path is None:
        raise UsageError(f"{typed!r} is not a key", hint='Write it with dots, as in params.temperature or "a.b".c.')
    if path == ("default_profile",) or holds_profiles(path):
        return path
    in_profile = path[2:] if path[0] == "profiles" else path
    _check_name(typed, in_profile)
    if path[0] == "profiles":
        return path
    if profile is None:
        raise ConfigError(
            f"{typed} is a key of a profile, and none is chosen",
            hint="Name one with -p NAME, or make one the default with `completions config use NAME`.",
        )
    return ("profiles", profile, *path)


def holds_profiles(path: KeyPath) -> bool:
    """Return whether it is a profile as a whole, or all of them."""
    return path[0] == "profiles" and not path[2:]


def value(path: KeyPath, typed: str) -> Json:
    """Read a typed value in the type of its key. Raises UsageError, without the value: it may be a secret."""
    kind = path[2] if path[2:] else path[0]
    try:
        typed.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the value of {kind} is not UTF-8", hint="Give it as UTF-8 text.") from error
    if path == ("default_profile",):
        return typed
    if holds_profiles(path):
        raise UsageError(
            "a profile is set key by key", hint="For example: completions config set profiles.NAME.endpoint URL."
        )
    if kind not in PROFILE_TABLES:
        try:
            found = SETTINGS[kind].kind.parse(typed)
        except ValueError as error:
            raise UsageError(f"{kind} must be {error}", hint=_EXAMPLE) from error
        return int(found) if isinstance(found, float) and found.is_integer() else found
    return _entry(kind, path[3:], typed) if path[3:] else _whole_table(kind, typed)


def _check_name(typed: str, path: KeyPath) -> None:
    """Check a path below a profile."""
    name = path[0]
    meant = next((known for known in PARAMETERS if name == known or near_names.nearest(name, [known])), None)
    if name not in _BARE and meant is not None:
        raise UsageError(f"there is no key {typed!r}", hint=f"Did you mean params.{meant}?")
    if name not in _BARE:
        raise UsageError(
            f"there is no key {typed!r}", hint=unknown_key_hint(name, (*_BARE, "default_profile", "profiles"))
        )
    if name not in PROFILE_TABLES and len(path) > 1:
        raise UsageError(f"{name} is not a table: there is no key {typed!r}", hint=f"The key is {name} alone.")
    if name == "params" and len(path) > 1 and path[1] not in PARAMETERS:
        raise UsageError(f"there is no parameter {path[1]!r}", hint=parameter_hint(path[1]))
    if name in ("params", "headers") and path[2:]:  # their entries are no tables
        table = ".".join(path[:2])
        raise UsageError(f"{table} is not a table: there is no key {typed!r}", hint=f'Quote dots: {name}."a.b".')


def _whole_table(kind: str, typed: str) -> dict[str, Json]:
    table = _json(typed)
    if not isinstance(table, dict):
        raise UsageError(f"{kind} must be a table", hint=f"Give a JSON object, or set {kind}.NAME, one by one.")
    for name, item in table.items():
        if kind == "params" and name not in PARAMETERS:
            raise UsageError(f"there is no parameter {name!r}", hint=parameter_hint(name))
        _check_entry(kind, name, item)
    return table


def _entry(kind: str, names: KeyPath, typed: str) -> Json:
    found = _json(typed)
    is_stop = kind == "params" and PARAMETERS[names[0]].type == "stop"
    is_text = kind == "headers" or (is_stop and not isinstance(found, list))
    if is_text or (found is None and typed != "null"):
        found = typed
    _check_entry(kind, names[0], found)
    return found


def _check_entry(kind: str, name: str, item: Json) -> None:
    reason = table_error(kind, name, item)
    if reason:
        raise UsageError(reason, hint=_EXAMPLE)


def _json(typed: str) -> Json:
    """Read JSON; None for what is none, and for numbers that TOML has not either."""
    import json

    try:
        found = json.loads(typed)
    except (ValueError, RecursionError):
        return None
    return None if isinstance(found, float) and not math.isfinite(found) else found
