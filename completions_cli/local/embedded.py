"""The endpoint of the profile `local`: weights fetched on first use, llama.cpp running for the length of a block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from completions_cli import paths
from completions_cli.api import endpoint as endpoints
from completions_cli.api.endpoint import Endpoint
from completions_cli.auth.credentials import Credentials, KeyCredentials
from completions_cli.auth.secret import Secret
from completions_cli.local import engine
from completions_cli.local.weights import Store


@contextmanager
def endpoint(
    model_path: str | None, fetch: Callable[[Store], Path] = lambda store: store.ensure(Unwatched())
) -> Iterator[tuple[Endpoint, Credentials]]:
    """Run a model, or else the embedded one, for the length of a block; give where it listens and its key.

    `fetch` sees to the weights of the embedded one.
    """
    engine.require()  # before 93 MB are fetched for nothing
    path = paths.expanded(model_path) if model_path else fetch(Store())
    with engine.running(path) as running:
        yield endpoints.resolve(running.endpoint), KeyCredentials(Secret(running.key))


class Unwatched:
    """Ignores the progress of a download."""

    def note(self, text: str) -> None:
        """Print nothing."""

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""
