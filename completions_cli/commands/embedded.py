"""The endpoint of the profile `local`: weights fetched on first use, llama.cpp running for the length of the call."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from completions_cli.api import endpoint as endpoints
from completions_cli.api.endpoint import Endpoint
from completions_cli.auth.credentials import Credentials, KeyCredentials
from completions_cli.auth.secret import Secret
from completions_cli.render.progress import Download
from completions_cli.render.spinner import Spinner
from completions_cli.streams import Streams


@contextmanager
def endpoint(model_path: str | None, streams: Streams, spinner: Spinner) -> Iterator[tuple[Endpoint, Credentials]]:
    """Run the embedded model for the length of a block; give where it listens and its key."""
    from completions_cli.local import engine

    engine.require()  # before 93 MB are fetched for nothing
    path = Path(model_path).expanduser() if model_path else _weights(streams, spinner)
    with engine.running(path) as running:
        yield endpoints.resolve(running.endpoint), KeyCredentials(Secret(running.key))


def _weights(streams: Streams, spinner: Spinner) -> Path:
    from completions_cli.local.weights import Store

    store = Store()
    if not store.is_installed():
        spinner.stop()
    with Download(streams.stderr, color=streams.color(streams.stderr)) as watcher:
        return store.ensure(watcher)
