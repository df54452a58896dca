"""`completions config list|use|path|edit`: the profiles as wholes, and the file they are in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from completions_cli import paths
from completions_cli.api import wire
from completions_cli.commands import editor, resolution, values
from completions_cli.commands.common_options import FileOptions, JsonOptions
from completions_cli.commands.config import file as files
from completions_cli.commands.config.asking import Questions
from completions_cli.commands.option_groups import with_options
from completions_cli.errors import CompletionsError, ConfigError, OutputError, UsageError
from completions_cli.models import Json
from completions_cli.render import listing
from completions_cli.settings import profile_edit, profile_file, shown
from completions_cli.settings.profile_check import BUILT_IN
from completions_cli.streams import Streams

_EMPTY = "# Profiles for the command completions; `completions config init` asks for what one needs.\n"

ProfileName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the profile.", autocompletion=values.complete_profile)
]


@with_options
def list_(
    streams: Streams,
    common: FileOptions,
    as_json: JsonOptions,
) -> None:
    """List the profiles: name, endpoint, sign-in, and which one is the default."""
    file = resolution.read_profile_file(common, streams)
    profiles = {**file.profiles, BUILT_IN: {"endpoint": "built in", "auth": "none", **file.profiles.get(BUILT_IN, {})}}
    rows = [{**_row(name, profile), "default": name == file.chosen[0]} for name, profile in profiles.items()]
    if as_json.json:
        streams.stdout.json_line(wire.dumps(rows))
        return
    cells = [
        [
            row["name"],
            ", ".join(row.get("members", ())) or row["endpoint"] or "",
            row["auth"] or "pool",
            "default" if row["default"] else "",
        ]
        for row in rows
    ]
    listing.show(("profile", "endpoint", "auth", ""), cells, streams.stdout, color=streams.color(streams.stdout))


def _row(name: str, profile: Mapping[str, Json]) -> dict[str, Json]:
    """Describe a profile; a pool has members, and they have endpoints."""
    if "members" in profile:
        return {"name": name, "endpoint": None, "auth": None, "members": profile["members"]}
    endpoint = profile.get("endpoint")
    return {"name": name, "endpoint": shown.setting("endpoint", endpoint), "auth": profile.get("auth", "key")}


@with_options
def use(streams: Streams, common: FileOptions, name: ProfileName) -> None:
    """Make a profile the default."""
    with files.edited(common, streams) as edit:
        files.must_have(edit.before, name)
        edit.set(("default_profile",), name)
    streams.stderr.note(f"{name} is the default profile now")


@with_options
def path(streams: Streams, common: FileOptions) -> None:
    """Print the path of the profile file, whether or not it exists."""
    name = resolution.profile_path(common, streams)
    streams.stdout.line(str(name))


@with_options
def edit(streams: Streams, common: FileOptions) -> None:
    """Edit the profile file in $VISUAL or $EDITOR. Only a valid file is saved."""
    place = resolution.profile_path(common, streams)
    before = profile_file.read_text(place)
    text = _edited(before or _EMPTY, place, streams)
    if text == (before or _EMPTY):
        streams.stderr.note("nothing was changed")
        return
    try:
        _replace(place, before, text, streams)
    except CompletionsError as error:
        error.hint = f"Your version is in {_keep(text)}."
        raise
    streams.stderr.note(f"wrote {paths.on_a_line(place)}")


def _replace(place: Path, before: str | None, text: str, streams: Streams) -> None:
    """Write the file, unless it is no longer what the user saw."""
    profile_edit.make_folder(place.parent)
    with profile_edit.locked(place, files.lock_folder(place, streams)):
        if profile_file.read_text(place) != before:
            raise ConfigError(f"{place} was changed in the meantime by someone else")
        profile_edit.write(place, text)


def _edited(text: str, place: Path, streams: Streams) -> str:
    """Let the user write until the text is valid. Without a terminal to ask on, the first mistake is the last."""
    questions = Questions(streams)
    while True:
        before, text = text, editor.edit(text, streams.environ, suffix=".toml").removeprefix("\ufeff")
        if before.strip() and not text.strip():  # as an editor leaves it on a full disk
            raise UsageError("the editor saved an empty file; nothing was changed", hint="Try again.")
        try:
            profile_file.parse(text, place)
        except ConfigError as error:
            if questions.can_ask:
                streams.stderr.line(f"error: {error.message}")
                if questions.yes("Edit again?"):
                    continue
            draft = _keep(text)
            raise ConfigError(f"{error.message}; nothing was saved", hint=f"Your version is in {draft}.") from error
        else:
            return text


def _keep(text: str) -> str:
    """Keep what the user wrote where only they can read it."""
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="completions-", suffix=".toml", encoding="utf-8", delete=False
        ) as draft:
            draft.write(text)
    except OSError as error:
        raise OutputError(
            f"your version cannot be kept: {error.strerror}", hint="Make room in the folder for temporary files."
        ) from error
    return draft.name
