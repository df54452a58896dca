"""The endpoint of the profile `local`: weights fetched on first use, llama.cpp running for the length of the call."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from completions_cli.api import endpoint as endpoints
from completions_cli.api.endpoint import Endpoint
from completions_cli.auth.credentials import Credentials, KeyCredentials
from completions_cli.auth.secret import Secret
from completions_cli.render.spinner import Spinner
from completions_cli.streams import Streams


@contextmanager
def endpoint(model_path: str | None, streams: Streams, spinner: Spinner) -> Iterator[tuple[Endpoint, Credentials]]:
    """Run the embedded model for the length of a block; give where it listens and its key."""
    from completions_cli.local import engine, weights

    path = Path(model_path).expanduser() if model_path else weights.ensure(_Watcher(streams, spinner))
    with engine.running(path) as running:
        yield endpoints.resolve(running.endpoint), KeyCredentials(Secret(running.key))


class _Watcher:
    """Tells on stderr how the weights are fetched."""

    def __init__(self, streams: Streams, spinner: Spinner) -> None:
        self._streams = streams
        self._spinner = spinner

    def note(self, text: str) -> None:
        """Say a line."""
        self._spinner.stop()
        self._streams.stderr.note(text)

    def progress(self, done: int, total: int) -> None:
        """Leave it at the notes."""
