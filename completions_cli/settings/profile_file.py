"""completions.toml as it is read: found, parsed, and checked down to the last key."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from completions_cli import limits
from completions_cli.errors import ConfigError
from completions_cli.models import Json
from completions_cli.opening import without_waiting
from completions_cli.settings.profile_check import BUILT_IN, Checker, nearest


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


def warnings(found: ProfileFile) -> list[str]:
    """Return what to say of a file that any user may change, and so decide where keys go and what is run.

    /dev/null is open to all, and has to be.
    """
    try:
        mode = found.path.stat().st_mode if found.exists else 0
    except OSError:
        return []
    if os.name == "nt" or not (stat.S_ISREG(mode) and mode & stat.S_IWOTH):
        return []
    import shlex

    return [f"every user of this machine can change {found.path}; run: chmod 600 {shlex.quote(str(found.path))}"]


def parse(text: str, path: Path, *, is_planned: bool = False) -> ProfileFile:
    """Check the text of a profile file, or what it would be after a change that is planned. Raises ConfigError."""
    document = load(text, path)
    checker = Checker(text, path, is_planned=is_planned)
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
