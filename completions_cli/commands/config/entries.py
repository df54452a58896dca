"""`completions config get|set|unset`: one entry of the profile file."""

from typing import Annotated

import typer

from completions_cli.api import endpoint as endpoints
from completions_cli.api import wire
from completions_cli.commands import resolution
from completions_cli.commands.common_options import OneProfileOptions
from completions_cli.commands.config import file as files
from completions_cli.commands.option_groups import with_options
from completions_cli.errors import ConfigError, UsageError
from completions_cli.models import Json
from completions_cli.settings import key_path, profile_edit, shown
from completions_cli.settings.key_path import KeyPath
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.streams import Streams


def complete_key(incomplete: str) -> list[str]:
    """List the keys that start so, for the shell's tab completion."""
    from completions_cli.api.parameters import PARAMETERS
    from completions_cli.settings.table import PROFILE_SETTINGS

    known = ["default_profile", *PROFILE_SETTINGS, *(f"params.{name}" for name in PARAMETERS), "extra.", "headers."]
    return [name for name in known if name.startswith(incomplete)]


Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help="For example: default_profile, profiles.NAME.endpoint, or endpoint (of the profile in use).",
        autocompletion=complete_key,
    ),
]


@with_options
def get(streams: Streams, common: OneProfileOptions, key: Key) -> None:
    """Print a value from the profile file: text as it is, lists and tables as JSON."""
    file = resolution.read_profile_file(common, streams)
    path = _path(key, common, streams, file)
    if path[0] == "profiles" and len(path) > 1:
        files.must_have(file, path[1])
    found = profile_edit.look_up(file, path)
    if found is None:
        raise ConfigError(
            f"{'.'.join(path)} is not set in {file.path}",
            hint="`completions config show` lists the values that are set.",
        )
    visible = shown.setting(path[-1], found, path[-2] if len(path) > 1 else "")
    if isinstance(visible, str):
        streams.stdout.line(visible)
    else:
        streams.stdout.json_line(wire.dumps(visible))


@with_options
def set_(
    streams: Streams,
    common: OneProfileOptions,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value; lists and tables as JSON.")],
) -> None:
    """Set a value in the profile file. For API keys, use `config key set` instead."""
    with files.edited(common, streams) as edit:
        path = _path(key, common, streams, edit.before)
        found = key_path.value(path, value)
        if path[2:] == ("endpoint",):
            endpoints.refuse_user(str(found))
        _set(edit, path, found)


@with_options
def unset(streams: Streams, common: OneProfileOptions, key: Key) -> None:
    """Remove a value from the profile file."""
    with files.edited(common, streams) as edit:
        path = _path(key, common, streams, edit.before)
        if key_path.holds_profiles(path):
            raise UsageError("unset removes single values, not a profile", hint="Use: completions config remove NAME")
        edit.unset(path)


def _path(key: str, common: OneProfileOptions, streams: Streams, file: ProfileFile) -> KeyPath:
    """Find the path of a typed key. A bare one needs a profile that exists; a whole path may make a new one."""
    path = key_path.parse(key, files.chosen(common, streams, file))
    if path[0] == "profiles" and len(path) > 1 and not key.lstrip().startswith("profiles"):
        files.must_have(file, path[1])
    return path


def _set(edit: profile_edit.Edit, path: KeyPath, value: Json) -> None:
    if path == ("default_profile",):
        files.must_have(edit.before, value)
    edit.set(path, value)
