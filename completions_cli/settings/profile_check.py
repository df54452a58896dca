"""What a profile file may hold: names, types, and where in the text a mistake is."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from completions_cli import limits
from completions_cli.api import headers
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS
from completions_cli.errors import ConfigError
from completions_cli.models import Json
from completions_cli.settings.table import POOL_SETTINGS, POOL_TABLES, PROFILE_SETTINGS, PROFILE_TABLES, SETTINGS

BUILT_IN = "local"
CORRECT = "Correct it with: completions config edit"
_MOST_BITS = 14_000  # of a whole number, which Python must be able to write as text
_IS_KEY = re.compile(r"(^|[_-]|api)(key|secret|token|password)$")
_OTHER_NAMES = dict.fromkeys(("url", "base_url", "api_base", "api_url", "host", "server"), "endpoint") | {
    "engine": "model",
    "model_name": "model",
}


def nearest(word: str, words: Iterable[str]) -> str:
    """Make the hint that names the most similar of the valid words, or all of them."""
    import difflib

    words = list(dict.fromkeys(words))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Valid here: {', '.join(words)}."


def parameter_hint(name: str) -> str:
    """Make the hint about what is no parameter of the API: a slip, or one of the model's own."""
    return f"{nearest(name, PARAMETERS)} A parameter of the model's own goes into extra."


class Checker:
    """Checks names and types, and finds the place to blame; a text that is planned has no places yet."""

    def __init__(self, text: str, path: Path, *, is_planned: bool) -> None:
        self._text = text
        self._path = path
        self._is_planned = is_planned

    def names(self, table: Mapping[str, Json], valid: Iterable[str], where: tuple[str, ...]) -> None:
        """Check that a table has no keys but the valid ones. Raises ConfigError."""
        for name in table:
            if name not in valid:
                hint = parameter_hint(name) if valid is PARAMETERS else unknown_key_hint(name, valid)
                raise self.error(f"unknown key {name!r}", (*where, name), hint=hint)

    def profile(self, name: str, profile: Json) -> None:
        """Check the name of a profile, its keys and their types. Raises ConfigError."""
        where = ("profiles", name)
        if not isinstance(profile, dict):
            raise self.error(f"profile {name!r} must be a table", where, hint="Write [profiles.NAME].")
        if not name or not name.isprintable():
            raise self.error(f"profile name {name!r} is empty or has control characters", where)
        self.names(profile, (*PROFILE_SETTINGS, *PROFILE_TABLES), where)
        for key, value in profile.items():
            if key in PROFILE_TABLES:
                self._table(key, value, (*where, key))
                continue
            try:
                SETTINGS[key].kind.check(value)
            except ValueError as error:
                raise self.error(f"{key} must be {error}", (*where, key)) from error

    def pool(self, name: str, profiles: Mapping[str, Mapping[str, Json]]) -> None:
        """Check that a pool names profiles that are none, and says nothing that only a member can."""
        pool, where = profiles[name], ("profiles", name)
        for key in pool:
            if key not in (*POOL_SETTINGS, *POOL_TABLES):
                raise self.error(f"{key} cannot be used with members", (*where, key), hint="Set it in each member.")
        for member in pool["members"]:
            if member not in profiles and member != BUILT_IN:
                raise self.error(
                    f"the member {member!r} is not a profile of this file",
                    (*where, "members"),
                    hint=nearest(member, [other for other in profiles if other != name]),
                )
            if "members" in profiles.get(member, {}):
                raise self.error(
                    f"the member {member!r} is itself a pool", (*where, "members"), hint="Name its members instead."
                )

    def _table(self, kind: str, table: Json, where: tuple[str, ...]) -> None:
        if not isinstance(table, dict):
            raise self.error(f"{kind} must be a table", where)
        if kind == "params":
            self.names(table, PARAMETERS, where)
        for name, value in table.items():
            reason = table_error(kind, name, value)
            if reason:
                raise self.error(reason, (*where, name))

    def error(self, message: str, where: tuple[str, ...], hint: str | None = None) -> ConfigError:
        """Build the error for what stands at a path of keys, with its line and column in the file."""
        table = ".".join(where[:-1])
        message += f" in [{table}]" if table else ""
        if self._is_planned:
            return ConfigError(f"that would make the file invalid: {message}", hint=hint or "Nothing was changed.")
        from completions_cli.settings import positions

        place = positions.locate(self._text).get(where)
        shown = f"{self._path}:{place[0]}:{place[1]}" if place else str(self._path)
        return ConfigError(f"{shown}: {message}", hint=hint or CORRECT)


def table_error(kind: str, name: str, value: Json) -> str | None:
    """Return what is wrong with an entry of one of a profile's tables, or None."""
    if kind == "params":
        wrong = PARAMETERS[name].type_error(value)
        return f"{name} must be {wrong}" if wrong else None
    if kind == "headers":
        return headers.error(name, value)
    if name in DOCUMENTED:
        return f"{name} is not an extra parameter" + ("; it belongs in params" if name in PARAMETERS else "")
    deepest = limits.PROFILE_FILE_DEPTH
    return None if _is_json(value) else f"{name} must be something that JSON can hold, nested {deepest} deep at most"


def _is_json(value: Json, depth: int = limits.PROFILE_FILE_DEPTH) -> bool:
    """Return whether TOML and JSON can both hold a value: no dates, times or infinities, no extreme depth or size."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_json(item, depth - 1) for item in items)
    if isinstance(value, float):
        return value - value == 0
    if isinstance(value, int):
        return value.bit_length() <= _MOST_BITS
    return isinstance(value, str)


def unknown_key_hint(name: str, valid: Iterable[str]) -> str:
    """Make the hint about a key that a table does not have."""
    is_of_profile = "key_command" in valid
    if is_of_profile and name in PARAMETERS and "params" in valid:
        return f"It is sent with every request from [profiles.NAME.params]: {name} = …"
    if is_of_profile and _IS_KEY.search(name.lower()):
        return "Keys are not kept in this file; store one with `completions config key set`."
    if is_of_profile and name == "default_profile" and name not in valid:
        return "Put it at the top of the file, before the first line in brackets."
    if not is_of_profile and name in (*PROFILE_SETTINGS, *PROFILE_TABLES):
        return "It belongs to a profile: write it below a line [profiles.NAME]."
    return nearest(_OTHER_NAMES.get(name, name), valid)
