"""completions.toml as it is read: found, parsed, and checked down to the last key."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from completions_cli.api.parameters import PARAMETERS
from completions_cli.errors import ConfigError
from completions_cli.models import Json
from completions_cli.settings.table import PROFILE_TABLES, SETTINGS

BUILT_IN = "local"

_POSITION = re.compile(r"(?P<reason>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
_AT_END = re.compile(r"(?P<reason>.*) \(at end of document\)", re.DOTALL)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """The checked contents of the file; `path` is where it is, or would be."""

    path: Path
    exists: bool = False
    default_profile: str | None = None
    profiles: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


def default_path(environ: Mapping[str, str], config_dir: Path) -> tuple[Path, bool]:
    """Name the file to read when no `--config` was given, and whether it must exist."""
    named = environ.get("COMPLETIONS_CONFIG")
    return (Path(named).expanduser(), True) if named else (config_dir / "completions.toml", False)


def read(path: Path, *, must_exist: bool) -> ProfileFile:
    """Read and check the file. Raises ConfigError with file, line and column where something is wrong."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise ConfigError(f"no such file: {path}", hint="Make it with: completions config init") from error
        return ProfileFile(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="Check its permissions.") from error
    return parse(content, path)


def parse(content: bytes, path: Path) -> ProfileFile:
    """Check the bytes of a profile file. Raises ConfigError."""
    import tomllib  # many a run has no file to read

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}", hint="Save the file as UTF-8.") from error
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _syntax_error(str(error), text, path) from error
    checker = _Checker(text, path)
    checker.names(document, ("default_profile", "profiles"), ())
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict):
        raise checker.error("profiles must be a table", ("profiles",))
    for name, profile in profiles.items():
        checker.profile(name, profile)
    default = document.get("default_profile")
    if default is not None and (not isinstance(default, str) or default not in {BUILT_IN, *profiles}):
        raise checker.error(f"default_profile {default!r} is not a profile of this file", ("default_profile",))
    return ProfileFile(path, exists=True, default_profile=default, profiles=profiles)


def nearest(word: str, words: Iterable[str]) -> str:
    """Make the hint that names the most similar of the valid words, or all of them."""
    import difflib

    words = list(words)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Valid here: {', '.join(words)}."


class _Checker:
    """Checks names and types, and finds the line to blame."""

    def __init__(self, text: str, path: Path) -> None:
        self._lines = text.splitlines()
        self._path = path

    def names(self, table: Mapping[str, Json], valid: Iterable[str], where: tuple[str, ...]) -> None:
        for name in table:
            if name not in valid:
                raise self.error(f"unknown key {name!r}", (*where, name), hint=nearest(name, valid))

    def profile(self, name: str, profile: Json) -> None:
        where = ("profiles", name)
        if not isinstance(profile, dict):
            raise self.error(f"profile {name!r} must be a table", where, hint=f"Write [profiles.{name}].")
        if not name or not name.isprintable():
            raise self.error(f"profile name {name!r} is empty or has control characters", where)
        settings = [setting.name for setting in SETTINGS.values() if setting.in_profile]
        self.names(profile, (*settings, *PROFILE_TABLES), where)
        for key, value in profile.items():
            if key in PROFILE_TABLES:
                self._table(key, value, (*where, key))
                continue
            try:
                SETTINGS[key].check(value)
            except ValueError as error:
                raise self.error(f"{key} must be {error}", (*where, key)) from error

    def _table(self, kind: str, table: Json, where: tuple[str, ...]) -> None:
        if not isinstance(table, dict):
            raise self.error(f"{kind} must be a table", where)
        if kind == "params":
            self.names(table, PARAMETERS, where)
            for name, value in table.items():
                wrong = PARAMETERS[name].type_error(value)
                if wrong:
                    raise self.error(f"{name} must be {wrong}", (*where, name))
        elif kind == "headers":
            for name, value in table.items():
                reason = header_error(name, value)
                if reason:
                    raise self.error(reason, (*where, name))

    def error(self, message: str, where: tuple[str, ...], hint: str | None = None) -> ConfigError:
        line = self._line_of(where)
        place = f"{self._path}:{line[0]}:{line[1]}" if line else str(self._path)
        dotted = ".".join(where[:-1])
        return ConfigError(f"{place}: {message}" + (f" in [{dotted}]" if dotted else ""), hint=hint)

    def _line_of(self, where: tuple[str, ...]) -> tuple[int, int] | None:
        """Find where a key stands: tomllib keeps no positions, so look for it below its table's header."""
        table, key = ".".join(where[:-1]), re.escape(where[-1]) if where else ""
        current = ""
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
            if header:
                current = re.sub(r"[\"'\s]", "", header[1])
                if current == ".".join(where):
                    return number, line.index("[") + 1
            found = re.match(rf"(\s*)[\"']?{key}[\"']?\s*[=.]", line)
            if found and current == table:
                return number, len(found[1]) + 1
        return None


def header_error(name: str, value: Json) -> str | None:
    """Say what is wrong with a header, or None. The value is not repeated: it may be a secret."""
    if not _HEADER_NAME.fullmatch(name):
        return f"{name!r} cannot be the name of a header"
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        return f"the value of header {name} must be a line of ASCII text"
    return None


def _syntax_error(reason: str, text: str, path: Path) -> ConfigError:
    """Say where the TOML breaks; the line itself is not shown, it may hold a secret."""
    lines = text.splitlines() or [""]
    place, what = f"{len(lines)}:{len(lines[-1]) + 1}", reason
    if found := _POSITION.fullmatch(reason):
        place, what = f"{found['line']}:{found['column']}", found["reason"]
    elif found := _AT_END.fullmatch(reason):
        what = found["reason"]
    return ConfigError(f"{path}:{place}: {what}", hint="The file is TOML; see completions.toml.example.")
