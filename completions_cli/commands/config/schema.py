"""`completions config schema`: what editors need to complete and check the profile file."""

from pathlib import Path
from typing import Annotated

import typer

from completions_cli import paths
from completions_cli.commands import resolution
from completions_cli.commands.common_options import FileOptions
from completions_cli.commands.config import file as files
from completions_cli.commands.option_groups import with_options
from completions_cli.settings import profile_edit, profile_file
from completions_cli.streams import Streams


@with_options
def schema(
    streams: Streams,
    common: FileOptions,
    *,
    save: Annotated[
        bool, typer.Option("--save", help="Save it next to the profile file and tell editors to use it.")
    ] = False,
) -> None:
    """Print the JSON Schema of the profile file. Editors use it to complete keys and mark mistakes."""
    from completions_cli.settings import schema as schemas

    if not save:
        streams.stdout.write(schemas.text().encode())
        return
    place = resolution.profile_path(common, streams)
    profile_edit.make_folder(place.parent)
    with profile_edit.locked(place, files.lock_folder(place, streams)):
        profile_edit.write(place.with_name(schemas.FILE_NAME), schemas.text())
        _point(place, schemas.DIRECTIVE)
    streams.stderr.note(
        f"saved {place.with_name(schemas.FILE_NAME)}; the first line of {paths.on_a_line(place)} names it"
    )


def _point(place: Path, directive: str) -> None:
    """Begin the profile file with the directive, unless it names a schema already."""
    text = profile_file.read_text(place) or ""
    if not any(line.startswith("#:schema") for line in text.splitlines()):
        profile_edit.write(place, directive.replace("\n", "\r\n" if "\r\n" in text else "\n") + text)
