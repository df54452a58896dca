"""`completions models`: what the endpoint serves."""

from typing import TYPE_CHECKING, Annotated

import typer

from completions_cli.commands.common_options import CommonOptions, format_option
from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import with_options
from completions_cli.commands.options import ListingOptions
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.api.model_list import ModelList
    from completions_cli.settings.table import Format

app = typer.Typer(add_completion=False)

# An id stays on its line, whatever it holds.
_LINE_ENDS = str.maketrans({"\n": "\\n", "\r": "\\r"})


@app.command(cls=Command)
@with_options
def models(
    streams: Streams,
    connection: ListingOptions,
    common: CommonOptions,
    *,
    format: Annotated[  # noqa: A002 - its name in the table of settings
        str | None, format_option("text, json (the server's document) or jsonl (one model per line).")
    ] = None,
) -> None:
    """List the models that the endpoint serves, one id per line.

    Sends GET /models to the endpoint.
    """
    from completions_cli.commands import model_names, resolution
    from completions_cli.render.spinner import Spinner
    from completions_cli.settings.resolve import resolve

    flags = resolution.connection_flags(connection, common, format=format)
    settings = resolve(flags, streams.environ, resolution.read_profile_file(common, streams))
    streams.wants_json = settings.values["format"] != "text"
    spinner = Spinner("waiting for the list of models", streams)
    with spinner.turning(), resolution.caller(settings, streams, spinner) as caller:
        found = caller.models()
        model_names.remember(settings, found.ids)
    _show(found, settings.values["format"], streams)
    if not found.ids:
        streams.stderr.note("note: the endpoint lists no models")


def _show(found: "ModelList", format: "Format", streams: Streams) -> None:  # noqa: A002 - as above
    from completions_cli.render.json_output import write_document, write_line

    match format:
        case "json":
            write_document(streams.stdout, found.document)
        case "jsonl":
            for entry in found.entries:
                write_line(streams.stdout, entry)
        case "text":
            for name in found.ids:
                streams.stdout.line(name.translate(_LINE_ENDS).encode("utf-8", "replace").decode())
