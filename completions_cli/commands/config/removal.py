"""`completions config remove`: a profile goes, and its key with it."""

import shlex
from collections.abc import Mapping

from completions_cli import paths
from completions_cli.api import endpoint as endpoints
from completions_cli.api import wire
from completions_cli.auth.keyring_store import KeyringStore, NoKeyringError
from completions_cli.auth.token import entry_of
from completions_cli.commands.common_options import FileOptions
from completions_cli.commands.config import file as files
from completions_cli.commands.config import key_file
from completions_cli.commands.config.profiles import ProfileName
from completions_cli.commands.option_groups import with_options
from completions_cli.errors import CompletionsError, ConfigError
from completions_cli.models import Json
from completions_cli.settings.profile_check import BUILT_IN
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.streams import Streams


@with_options
def remove(streams: Streams, common: FileOptions, name: ProfileName) -> None:
    """Remove a profile and its key."""
    with files.edited(common, streams) as edit:
        before = edit.before
        if name not in before.profiles:
            files.must_have(before, name)
            raise ConfigError(
                f"{name} is built in and has nothing in {before.path} to remove",
                hint="To remove its weights: completions local remove",
            )
        _refuse_member(name, before)
        edit.unset(("profiles", name))
        was_default = before.default_profile == name and name != BUILT_IN
        if was_default:
            edit.unset(("default_profile",))
    _delete_key(name, before, streams)
    streams.stderr.note(f"removed the profile {name}")
    if was_default:
        streams.stderr.note("note: it was the default; choose another with: completions config use NAME")


def _refuse_member(name: str, file: ProfileFile) -> None:
    """Raise ConfigError for a profile that a pool needs."""
    pool = next((pool for pool, says in file.profiles.items() if name in says.get("members", ())), None)
    if pool is None or name == BUILT_IN:
        return
    others = [member for member in file.profiles[pool]["members"] if member != name]
    if others:
        first = f"config set -p {shlex.quote(pool)} members {shlex.quote(wire.dumps(others))}"
    else:
        first = f"config remove {shlex.quote(pool)}"
    raise ConfigError(f"{name} is a member of [profiles.{pool}]", hint=f"Run first: completions {first}")


def _delete_key(name: str, before: ProfileFile, streams: Streams) -> None:
    """Delete the key file and what the keyring holds, and say what had to stay."""
    profile = before.profiles[name]
    if "key_file" in profile:
        _delete_file(name, before, streams)
    try:
        entry = f"{name}@{endpoints.origin(str(profile.get('endpoint', '')))}"
    except CompletionsError:
        return
    keyring = KeyringStore(streams.environ)
    try:
        keyring.delete(entry_of(entry))
        if keyring.delete(entry):
            streams.stderr.note(f"deleted the key for {entry} from the keyring")
    except NoKeyringError as error:
        if error.may_hold_keys and _uses_keyring(profile):
            streams.stderr.note(f"note: {error.message}; if it holds a key for {entry}, that key is still there")


def _delete_file(name: str, before: ProfileFile, streams: Streams) -> None:
    """Delete a key file that `config key set --to-file` named; one that the user named may have other uses."""
    _, place = key_file.place(name, before)
    other = key_file.shared_with(name, before)
    if place != key_file.own_place(name, before) or other is not None:
        why = f": {other} uses it" if other is not None else ""
        streams.stderr.note(f"note: the key file {paths.on_a_line(place)} is still there{why}")
        return
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        streams.stderr.note(f"note: the key file {paths.on_a_line(place)} is still there: {error.strerror}")
    else:
        streams.stderr.note(f"deleted the key file {paths.on_a_line(place)}")


def _uses_keyring(profile: Mapping[str, Json]) -> bool:
    """Return whether a profile's key is one that would be kept in the keyring."""
    if profile.get("auth", "key") == "none" or {"key_file", "key_command"} & profile.keys():
        return False
    if profile.get("auth") == "entra":
        return "client_id" in profile
    return not {"authorization", "api-key"} & {header.lower() for header in profile.get("headers", ())}
