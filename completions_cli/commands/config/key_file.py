"""The key of a profile in a file of its own, for machines without a keyring: made when it is asked for."""

import shlex
from pathlib import Path
from urllib.parse import quote

from completions_cli import atomic, paths
from completions_cli.auth.secret import Secret
from completions_cli.commands.common_options import CommonOptions
from completions_cli.commands.config import file as files
from completions_cli.errors import ConfigError, OutputError
from completions_cli.settings import key_sources
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.streams import Streams


def place(profile: str, file: ProfileFile) -> tuple[str, Path]:
    """Return what `key_file` of a profile says, or would say, and the path that this is."""
    named = file.profiles.get(profile, {}).get("key_file") or _own_name(profile)
    return named, paths.expanded(key_sources.key_file(named, file.path.parent))


def writable_place(profile: str, file: ProfileFile) -> tuple[str, Path]:
    """Return the same. Raises ConfigError where a pipe or device would take the key from whoever is to read it."""
    named, path = place(profile, file)
    if path.exists() and not path.is_file():
        raise ConfigError(
            f"the key file {paths.on_a_line(path)} is not a regular file",
            hint=f"Remove it, or name another file: completions config set -p {shlex.quote(profile)} key_file FILE",
        )
    return named, path


def own_place(profile: str, file: ProfileFile) -> Path:
    """Return the path that the key file of a profile has when this command chose it."""
    return file.path.parent / _own_name(profile)


def shared_with(profile: str, file: ProfileFile) -> str | None:
    """Name another profile that has its key in the same file, None if there is none."""
    _, mine = place(profile, file)
    others = (other for other, says in file.profiles.items() if other != profile and "key_file" in says)
    return next((other for other in others if place(other, file)[1] == mine), None)


def _own_name(profile: str) -> str:
    return f"{quote(profile, safe='')}.key"


def store(profile: str, key: Secret, common: CommonOptions, streams: Streams) -> None:
    """Write the key where the profile says, or beside the profile file, for its owner's eyes alone; name it there."""
    with files.edited(common, streams) as edit:
        files.must_have(edit.before, profile)
        named, target = writable_place(profile, edit.before)
        atomic.write(target, f"{key.reveal()}\n".encode(), mode=0o600)
        edit.set(("profiles", profile, "key_file"), named)
    streams.stderr.note(f"stored the key for {profile} in {paths.on_a_line(target)}, which only you can read")


def delete(profile: str, common: CommonOptions, streams: Streams) -> bool:
    """Delete the key file of a profile, unless another uses it, and its mention; false when there is none."""
    with files.edited(common, streams) as edit:
        if "key_file" not in edit.before.profiles.get(profile, {}):
            return False
        _, target = place(profile, edit.before)
        other = shared_with(profile, edit.before)
        try:
            if other is None:
                target.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{target} cannot be deleted: {error.strerror}", hint="Check its folder.") from error
        edit.unset(("profiles", profile, "key_file"))
    if other is None:
        streams.stderr.note(f"deleted {paths.on_a_line(target)}")
    else:
        streams.stderr.note(
            f"{profile} no longer uses {paths.on_a_line(target)}, which is still the key file of {other}"
        )
    return True
