"""Tokens of a credential that a program brings along, such as those of azure-identity."""

import inspect
from dataclasses import dataclass
from typing import Any, Protocol

from completions_cli.auth.secret import Secret
from completions_cli.auth.token import Token
from completions_cli.errors import ConfigError


class AccessToken(Protocol):
    """A token, and when it expires in Unix time."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def expires_on(self) -> int:
        """When it is no longer good."""


class TokenCredential(Protocol):
    """An object that issues tokens: a credential of azure-identity, or any object with this method."""

    def get_token(self, *scopes: str) -> AccessToken:
        """Get a token for these scopes."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a program itself signs in with: a key or client secret, or what issues tokens."""

    secret: Secret | None = None
    credential: TokenCredential | None = None


class GivenCredential:
    """Asks a program's credential. What that raises goes through to the program as it is."""

    def __init__(self, credential: TokenCredential, scope: str) -> None:
        self._credential = credential
        self._scope = scope

    def fetch(self, now: float) -> Token:
        """Get a token. Raises ConfigError for one of azure.identity.aio, which belongs to a loop of its own."""
        issued: Any = self._credential.get_token(self._scope)
        if inspect.iscoroutine(issued):
            issued.close()
            raise ConfigError(
                "the credential is asynchronous",
                hint="Use the one from azure.identity, not from azure.identity.aio; it is called in another thread.",
            )
        return Token(Secret.checked(issued.token, "credential"), now, float(issued.expires_on))
