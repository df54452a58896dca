"""What both clients have in common."""

import codecs
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Never, Self, Unpack, cast

from completions_cli.auth.given_credential import Proof
from completions_cli.auth.secret import Sealed, Secret
from completions_cli.client import arguments, configuration, wording
from completions_cli.client.arguments import ClientOptions, CompletionOptions, ScoreOptions
from completions_cli.client.attempts import Wait
from completions_cli.client.configuration import Configuration
from completions_cli.client.keywords import explicit, refuse_of_a_call, refuse_of_a_client
from completions_cli.client.search import Passed
from completions_cli.errors import CompletionsError, UsageError
from completions_cli.models import CompletionRequest, Prompt
from completions_cli.scoring.scores import Scores, TextScore
from completions_cli.scoring.steps import Scorer, Steps

# Python imports a codec when it is first used. A process that is forked meanwhile would wait for that import for ever.
for _codec in ("idna", "rot13", "utf-16-le"):
    codecs.lookup(_codec)


class ServiceClient(ABC):
    """A client of one service. How it calls is up to its kind."""

    _origin = "no service"  # until it has been made: a traceback with local variables shows it before that

    @explicit(ClientOptions)
    def __init__(self, endpoint: str = "", **options: Unpack[ClientOptions]) -> None:
        own, names = _options({**options, "endpoint": endpoint}), [*options]
        del endpoint, options  # lest a traceback with its variables shows them
        self._make(own, names, lambda proof: [self._explicit(own, proof)], has_profile=False)

    @classmethod
    @explicit(ClientOptions)
    def from_profile(
        cls, name: str | None = None, *, config: str | None = None, **options: Unpack[ClientOptions]
    ) -> Self:
        """Create the client that `completions -p NAME --config CONFIG` would use; arguments override the profile.

        Without a name, use the profile named by `COMPLETIONS_PROFILE` or the default of the file. With a pool, use the
        first member that answers. Unless `api_key` is given, look for a key at once: in the variables, with the
        profile's `key_command`, and in the keyring.
        """
        own, names = _options({**options}), [*options]
        del options
        self = cls.__new__(cls)
        self._make(
            own,
            names,
            lambda proof: configuration.of_profile(arguments.flags(name, own), config, proof),
            has_profile=True,
        )
        return self

    def __reduce__(self) -> Never:
        kind = type(self).__name__
        message = f"{kind} cannot be pickled or copied: it holds connections and a key. Make one in each process."
        raise TypeError(message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._origin}>"

    def _make(
        self,
        options: Sealed[ClientOptions],
        names: Sequence[str],
        configured: Callable[[Proof], Sequence[Configuration]],
        *,
        has_profile: bool,
    ) -> None:
        """Start with what `configured` makes of the options. Raises TypeError, UsageError or ConfigError."""
        handled = sys.exception()
        refuse_of_a_client(names, ClientOptions.__annotations__, CompletionOptions.__annotations__)
        try:
            with wording.ForPrograms(has_profile=has_profile):
                self._start(configured(_proof(options)), options)
        except CompletionsError as error:
            raise wording.without_frames(error, handled)  # noqa: B904 - it is the same error

    def _explicit(self, options: Sealed[ClientOptions], proof: Proof) -> Configuration:
        flags = arguments.flags(None, options)
        if not flags.arguments.get("endpoint"):
            raise UsageError("no endpoint", hint=f"Give it first; {type(self).__name__}.from_profile() finds one.")
        return configuration.explicit(flags, proof)

    def _start(self, configured: Sequence[Configuration], options: Sealed[ClientOptions]) -> None:
        self._settings = [member.settings for member in configured]
        self._origin = ", ".join(member.service.endpoint.origin for member in configured)
        self._engines = [member.engine for member in configured]
        self._process = os.getpid()
        self._scorers = [Scorer(is_llama_cpp=settings.is_local) for settings in self._settings]
        self._call_with(configured, options)

    def _requests(
        self, prompt: Prompt | None, options: CompletionOptions, *, stream: bool
    ) -> list[list[CompletionRequest]]:
        """Make the requests of a call, for each member of a pool."""
        with self._wording():
            refuse_of_a_call(options, CompletionOptions.__annotations__, ClientOptions.__annotations__)
            return [arguments.requests(settings, prompt, options, stream=stream) for settings in self._settings]

    def _dialogues(
        self, prompt: str, continuations: Sequence[str] | None, options: ScoreOptions
    ) -> list[Callable[[], Steps[Scores | TextScore]]]:
        """Make what begins a score by each member of a pool."""
        with self._wording():
            refuse_of_a_call(options, ScoreOptions.__annotations__, ClientOptions.__annotations__)
            asked = [arguments.scored(settings, prompt, continuations, options) for settings in self._settings]
        return [partial(scorer.score, *member) for scorer, member in zip(self._scorers, asked, strict=True)]

    def _close_engine(self) -> None:
        if self._process == os.getpid():  # in a fork it is another's child
            for engine in self._engines:
                engine.close()

    def _wording(self) -> wording.ForPrograms:
        return wording.ForPrograms(has_profile=self._settings[0].profile is not None)

    def _passed(self, passed: Passed, on_wait: Callable[[Wait], None]) -> None:
        """Tell the program that another member is asked, without a wait."""
        on_wait(Wait(passed.error, 0.0, passed.following + 1, len(self._settings)))

    @abstractmethod
    def _call_with(self, configured: Sequence[Configuration], options: Sealed[ClientOptions]) -> None:
        """Set what calls are made with. Raises UsageError."""


def _options(values: Mapping[str, object]) -> Sealed[ClientOptions]:
    """Return the options that were given, sealed: some are secrets."""
    return Sealed(cast("ClientOptions", {name: value for name, value in values.items() if value is not None}))


def _silent(_: Wait) -> None:
    """Ignore a wait."""


def wait_listener(options: Sealed[ClientOptions]) -> Callable[[Wait], None]:
    """Return what is called before each wait."""
    return options.reveal().get("on_wait") or _silent


def _proof(sealed: Sealed[ClientOptions]) -> Proof:
    """Remove the key or client secret from the options, so that nothing below sees it. Raises ConfigError."""
    options = sealed.reveal()
    key, client_secret = options.pop("api_key", None), options.pop("client_secret", None)
    secret, credential = client_secret if key is None else key, options.get("credential")
    if credential is not None and (secret is not None or options.get("auth") not in (None, "entra")):
        raise UsageError("a credential signs in by itself", hint="Leave out api_key, client_secret and auth.")
    source = "client_secret" if key is None else "api_key"
    if secret is not None and not isinstance(secret, str):
        raise UsageError(f"{source} must be a string")
    return Proof(None if secret is None else Secret.checked(secret, source), credential)
