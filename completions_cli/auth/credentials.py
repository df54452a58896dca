"""What proves to a service who is asking: the headers of a key or a token."""

from collections.abc import Iterable
from typing import Protocol

from completions_cli.api import headers
from completions_cli.api.endpoint import Endpoint
from completions_cli.auth.secret import Sealed, Secret, SecretHeaders
from completions_cli.errors import ConfigError


class Credentials(Protocol):
    """Makes the authentication headers of each request."""

    def headers(self) -> SecretHeaders:
        """Return the headers, names in lower case. May fetch a token."""

    def refresh(self) -> bool:
        """Get a new token after a 401; return False if there is none newer."""


class NoCredentials:
    """For servers that require no credentials."""

    def headers(self) -> SecretHeaders:
        """Return no headers."""
        return Sealed({})

    def refresh(self) -> bool:
        """Return False: there is nothing to renew."""
        return False


class KeyCredentials:
    """A key, in both headers: which one is read depends on the kind of endpoint."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def headers(self) -> SecretHeaders:
        """Return `authorization` and `api-key`."""
        return Sealed({"authorization": f"Bearer {self._key.reveal()}", "api-key": self._key.reveal()})

    def refresh(self) -> bool:
        """Return False: a key stays what it is."""
        return False


def refuse_plain_http(endpoint: Endpoint) -> None:
    """Keep keys and tokens off unencrypted connections that leave this machine. Raises ConfigError."""
    if _is_overheard(endpoint):
        raise ConfigError(
            f"a key is not sent over unencrypted http to {endpoint.host}",
            hint="Use https, or --auth none if that server needs no key.",
        )


def refuse_plain_secrets(endpoint: Endpoint, sent: Iterable[str]) -> None:
    """Keep headers `sent`, and parameters of the endpoint, off such connections if they may hold a secret.

    Raises ConfigError.
    """
    if not _is_overheard(endpoint):
        return
    named = [f"the header {name}" for name in sent if headers.is_sensitive(name)]
    named += [f"the parameter {name}" for name, _ in headers.secret_parameters(endpoint.url)]
    if named:
        raise ConfigError(
            f"{named[0]} is not sent over unencrypted http to {endpoint.host}",
            hint="By its name it may hold a key. Use https, or leave it out.",
        )


def _is_overheard(endpoint: Endpoint) -> bool:
    return not endpoint.is_encrypted and not endpoint.is_loopback
