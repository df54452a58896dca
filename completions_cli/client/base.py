"""What both clients have in common: a service, and what is known about it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self, Unpack

from completions_cli.auth.given_credential import Proof
from completions_cli.auth.secret import Secret
from completions_cli.client import arguments, configuration, wording
from completions_cli.client.arguments import ClientOptions, CompletionOptions
from completions_cli.client.attempts import Wait
from completions_cli.client.configuration import Configuration
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest, Prompt


class ServiceClient(ABC):
    """A client of one service. How it calls is up to its kind."""

    def __init__(self, endpoint: str, **options: Unpack[ClientOptions]) -> None:
        with wording.for_programs(has_profile=False):
            proof = _proof(options)
            self._start(configuration.explicit(arguments.flags(None, options, endpoint), proof), options)

    @classmethod
    def from_profile(
        cls, name: str | None = None, *, config: str | None = None, **options: Unpack[ClientOptions]
    ) -> Self:
        """Make the client that `completions -p NAME --config CONFIG` would use; `options` override what is configured.

        Without a name it is the profile that `COMPLETIONS_PROFILE` or the file names. Unless `api_key` is given, a
        key is looked for at once: in the variables, by the profile's `key_command`, in the keyring.
        """
        self = cls.__new__(cls)
        with wording.for_programs(has_profile=True):
            proof = _proof(options)
            self._start(configuration.of_profile(arguments.flags(name, options), config, proof), options)
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._origin}>"

    def _start(self, configured: Configuration, options: ClientOptions) -> None:
        self._settings = configured.settings
        self._origin = configured.service.endpoint.origin
        self._engine = configured.engine
        self._call_with(configured, options.get("on_wait") or (lambda _: None))

    def _requests(self, prompt: Prompt | None, options: CompletionOptions, *, stream: bool) -> list[CompletionRequest]:
        with self._wording():
            return arguments.requests(self._settings, prompt, options, stream=stream)

    def _wording(self) -> AbstractContextManager[None]:
        return wording.for_programs(has_profile=self._settings.profile is not None)

    @abstractmethod
    def _call_with(self, configured: Configuration, on_wait: Callable[[Wait], None]) -> None:
        """Take what calls are made with."""


def _proof(options: ClientOptions) -> Proof:
    """Take the key, or the client secret, out of the options; from here on nobody sees it. Raises ConfigError."""
    key, client_secret = options.pop("api_key", None), options.pop("client_secret", None)
    secret, credential = client_secret if key is None else key, options.get("credential")
    if credential is not None and (secret is not None or options.get("auth") not in (None, "entra")):
        raise UsageError("a credential signs in by itself", hint="Leave out api_key, client_secret and auth.")
    source = "client_secret" if key is None else "api_key"
    return Proof(None if secret is None else Secret.checked(secret, source), credential)
