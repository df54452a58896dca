"""The endpoint of the profile `local`."""

from collections.abc import Iterator
from contextlib import contextmanager

from completions_cli.api.endpoint import Endpoint
from completions_cli.auth.credentials import Credentials
from completions_cli.errors import ConfigError
from completions_cli.render.spinner import Spinner
from completions_cli.streams import Streams


@contextmanager
def endpoint(
    model_path: str | None,  # noqa: ARG001 - the engine is still to come
    streams: Streams,
    spinner: Spinner,  # noqa: ARG001 - the engine is still to come
) -> Iterator[tuple[Endpoint, Credentials]]:
    """Run the embedded model for the length of a block; give where it listens and its key."""
    if not streams:
        yield NotImplemented
    raise ConfigError("the embedded model is not in this version yet")
