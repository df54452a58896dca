"""completions.toml as it is read: found, parsed, and checked down to the last key."""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from completions_cli import limits
from completions_cli.api import headers
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS
from completions_cli.errors import ConfigError
from completions_cli.models import Json
from completions_cli.opening import without_waiting
from completions_cli.settings.table import POOL_SETTINGS, POOL_TABLES, PROFILE_SETTINGS, PROFILE_TABLES, SETTINGS

BUILT_IN = "local"

_MOST_BITS = 14_000  # of a whole number, which Python must be able to write as text
_CORRECT = "Correct it with: completions config edit"
_KEY_WORDS = ("key", "secret", "token", "password")


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """The checked contents of the file; `path` is where it is, or would be."""

    path: Path
    exists: bool = False
    default_profile: str | None = None
    profiles: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    @property
    def chosen(self) -> tuple[str | None, str]:
        """The profile that is used unless another is asked for, and who says so; the only one needs no default."""
        if self.default_profile is not None:
            return self.default_profile, f"default_profile in {self.path}"
        if len(self.profiles) == 1:
            return next(iter(self.profiles)), f"the only profile in {self.path}"
        return None, "default"


class NoHomeError(ConfigError):
    """Nobody knows where this user's files are, as for a bare user id in a container."""

    def __init__(self) -> None:
        super().__init__(
            "there is no home folder to keep profiles in",
            hint="Set HOME, or name the file with --config or COMPLETIONS_CONFIG.",
        )


def default_path(environ: Mapping[str, str]) -> tuple[Path, bool]:
    """Name the file to read when no `--config` was given, and whether it must exist. Raises ConfigError."""
    named = environ.get("COMPLETIONS_CONFIG")
    return (expanded(named), True) if named else (config_folder(environ) / "completions.toml", False)


def find(named: str | None, environ: Mapping[str, str], *, may_wait: bool = True) -> ProfileFile:
    """Read the file that is `named`, or else the one in use; without a home there is none. Raises ConfigError.

    One that is named may be a pipe, unless this must not wait.
    """
    if named is not None:
        return read(expanded(named), must_exist=may_wait)
    try:
        path, must_exist = default_path(environ)
    except NoHomeError:
        return ProfileFile(Path("completions.toml"))  # variables and flags may do
    return read(path, must_exist=must_exist and may_wait)


def expanded(path: str) -> Path:
    """Replace a leading ~ by the home folder. Raises ConfigError when there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{path}: there is no such home folder", hint="Give the full path.") from error


def config_folder(environ: Mapping[str, str]) -> Path:
    """Name the user's folder for completions.toml. Raises NoHomeError."""
    configured = environ.get("XDG_CONFIG_HOME")
    if configured and Path(configured).is_absolute():
        return Path(configured) / "completions"
    import platformdirs

    try:
        folder = Path(platformdirs.user_config_dir("completions", appauthor=False))
    except (RuntimeError, KeyError) as error:
        raise NoHomeError from error
    if not folder.is_absolute():  # a ~ that stands for nothing; the working folder is nobody's home
        raise NoHomeError
    return folder


def read(path: Path, *, must_exist: bool) -> ProfileFile:
    """Read and check the file. Raises ConfigError with file, line and column where something is wrong.

    One that `must_exist` has been named, and may be a pipe whose writer is waited for.
    """
    text = read_text(path, may_wait=must_exist)
    if text is not None:
        return parse(text, path)
    if must_exist:
        raise ConfigError(f"no such file: {path}", hint=f"Create it with: completions config init --config {path}")
    return ProfileFile(path)


def read_text(path: Path, *, may_wait: bool = False) -> str | None:
    """Read the file's text, None when there is no file. Raises ConfigError.

    Unless it `may_wait` for a writer, all but a regular file is refused.
    """
    try:
        with open(path, "rb", opener=None if may_wait else without_waiting) as file:
            if not may_wait and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path} is not a regular file", hint="A profile file must be one.")
            content = file.read(limits.PROFILE_FILE_BYTES + 1)
        if len(content) > limits.PROFILE_FILE_BYTES:
            raise ConfigError(f"{path} is too large to be a profile file", hint="Is it the right file?")
        return content.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}", hint="Save the file as UTF-8.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder, not a file", hint="Name the file in it.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name contains a NUL byte"
        raise ConfigError(f"{path} cannot be read: {reason}", hint="Check its name and permissions.") from error


def is_open_to_all(path: Path) -> bool:
    """Return whether any user of this machine may change the file, and so decide where keys go and what is run.

    /dev/null is open to all, and has to be.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.name != "nt" and stat.S_ISREG(mode) and bool(mode & stat.S_IWOTH)


def parse(text: str, path: Path, *, is_planned: bool = False) -> ProfileFile:
    """Check the text of a profile file, or what it would be after a change that is planned. Raises ConfigError."""
    document = load(text, path)
    checker = _Checker(text, path, is_planned=is_planned)
    checker.names(document, ("default_profile", "profiles"), ())
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict):
        raise checker.error("profiles must be a table", ("profiles",), hint="Write [profiles.NAME].")
    for name, profile in profiles.items():
        checker.profile(name, profile)
    for name, profile in profiles.items():
        if "members" in profile:
            checker.pool(name, profiles)
    default = document.get("default_profile")
    if default is not None and (not isinstance(default, str) or default not in {BUILT_IN, *profiles}):
        raise checker.error(
            f"default_profile {default!r} is not a profile of this file",
            ("default_profile",),
            hint=nearest(str(default), [*profiles, BUILT_IN]),
        )
    return ProfileFile(path, exists=True, default_profile=default, profiles=profiles)


def load(text: str, path: Path) -> dict[str, Json]:
    """Parse the TOML. Raises ConfigError that says where it breaks; the line itself may hold a secret."""
    import tomllib  # many a run has no file to read

    _refuse_long_keys(text, path)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        from completions_cli.settings import toml_errors

        place, message, hint = toml_errors.located(error, text)
        raise ConfigError(f"{path}:{place}: {message}", hint=hint) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply", hint="No setting needs that.") from error


def _refuse_long_keys(text: str, path: Path) -> None:
    """Raise ConfigError for a dotted key of too many parts: the time that tomllib takes grows with their square."""
    most = limits.PROFILE_FILE_DEPTH
    if text.count(".") < most:
        return
    part = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+"""
    long = re.search(rf"(?:^|[\[{{,])[ \t]*+(?P<key>{part})(?:\.[ \t]*+{part}){{{most}}}", text, re.MULTILINE)
    if long:
        line = text.count("\n", 0, long.start("key")) + 1
        raise ConfigError(f"{path}:{line}: a key has more than {most} parts", hint="No setting needs that.")


def nearest(word: str, words: Iterable[str]) -> str:
    """Make the hint that names the most similar of the valid words, or all of them."""
    import difflib

    words = list(dict.fromkeys(words))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Valid here: {', '.join(words)}."


def parameter_hint(name: str) -> str:
    """Make the hint about what is no parameter of the API: a slip, or one of the model's own."""
    return f"{nearest(name, PARAMETERS)} A parameter of the model's own goes into extra."


class _Checker:
    """Checks names and types, and finds the place to blame; a text that is planned has no places yet."""

    def __init__(self, text: str, path: Path, *, is_planned: bool) -> None:
        self._text = text
        self._path = path
        self._is_planned = is_planned

    def names(self, table: Mapping[str, Json], valid: Iterable[str], where: tuple[str, ...]) -> None:
        for name in table:
            if name not in valid:
                hint = parameter_hint(name) if valid is PARAMETERS else _unknown_key_hint(name, valid)
                raise self.error(f"unknown key {name!r}", (*where, name), hint=hint)

    def profile(self, name: str, profile: Json) -> None:
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
        table = ".".join(where[:-1])
        message += f" in [{table}]" if table else ""
        if self._is_planned:
            return ConfigError(f"that would make the file invalid: {message}", hint=hint or "Nothing was changed.")
        from completions_cli.settings import positions

        place = positions.locate(self._text).get(where)
        shown = f"{self._path}:{place[0]}:{place[1]}" if place else str(self._path)
        return ConfigError(f"{shown}: {message}", hint=hint or _CORRECT)


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


def _unknown_key_hint(name: str, valid: Iterable[str]) -> str:
    if any(word in name.lower() for word in _KEY_WORDS) and "key_command" in valid and "command" not in name:
        return "Keys are not kept in this file; store one with `completions config key set`."
    if name in PARAMETERS and "params" in valid:
        return f"It is sent with every request from [profiles.NAME.params]: {name} = …"
    return nearest(name, valid)
