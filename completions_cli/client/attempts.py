"""The attempts of one call: whether to make another, and when. No I/O: failures and times come in as values."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from completions_cli.api.retry import OVERLOADED_STATUSES, RetryPolicy
from completions_cli.api.service import Service
from completions_cli.errors import (
    AuthError,
    CompletionsError,
    NetworkError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
)

_UNAUTHORIZED = 401


def is_overload(error: CompletionsError) -> bool:
    """Return whether a failure says that the server has too much to do, by a status, by silence, or by its connections.

    A server that takes no more connections refuses or closes them.
    """
    if isinstance(error, ServiceError):
        return error.status in OVERLOADED_STATUSES
    return isinstance(error, RequestTimeoutError) or (isinstance(error, NetworkError) and error.retryable)


@dataclass(frozen=True, slots=True)
class Wait:
    """Why and how long, in seconds, the client waits before its attempt number `attempt`, of `attempts` at most."""

    error: CompletionsError
    seconds: float
    attempt: int
    attempts: int


class Attempts:
    """Counts the attempts of a call, and judges what each of them failed with."""

    def __init__(self, service: Service, policy: RetryPolicy, chance: Callable[[], float] = random.random) -> None:
        self.number = 0
        self._free = 0  # attempts that cost none of the retries
        self._service = service
        self._policy = policy
        self._chance = chance
        self._has_renewed = False

    def wants_renewal(self, error: CompletionsError) -> bool:
        """Return whether new credentials may help. They are tried once."""
        wanted = isinstance(error, AuthError) and error.status == _UNAUTHORIZED and not self._has_renewed
        self._has_renewed |= wanted
        return wanted

    def last(self, error: ServiceError | NetworkError) -> CompletionsError:
        """Add a hint to an error that came after text was shown, so that no attempt may follow."""
        if error.retryable:
            error.hint = "The failure came after text was printed, so it was not retried. Run the command again."
        return self._service.advised(error)

    def wait_after(self, error: ServiceError | NetworkError, left: float | None, *, is_free: bool = False) -> Wait:
        """Return how long to wait for the next attempt, `left` seconds being left of the call's time.

        A failure that is free costs no retry, and its next attempt waits for its turn and as long as the server asks.
        Raises the error, with its hint, when there is to be no attempt.
        """
        self._free += is_free
        tries = self.number - self._free
        if not error.retryable or tries > self._policy.retries:
            raise self._service.advised(error) from None
        retry_after = error.retry_after if isinstance(error, ServiceError) else None
        backoff = 0.0 if is_free else self._policy.backoff(tries - 1, self._chance())
        seconds = backoff if retry_after is None else retry_after
        if seconds > self._policy.max_wait:
            raise self._too_long(error, retry_after) from None
        if left is not None and seconds >= left:
            if isinstance(error, ServiceError):
                error.hint = (
                    error.hint or "The next attempt would begin after --deadline. Raise it, or try again later."
                )
            raise self._service.advised(error) from None
        return Wait(error, seconds, self.number + 1, self._policy.retries + 1 + self._free)

    def _too_long(self, error: ServiceError | NetworkError, retry_after: float | None) -> CompletionsError:
        limit = f"--max-wait {self._policy.max_wait:g}"
        if retry_after is None:
            error.hint = error.hint or f"Another attempt has to wait, and {limit} does not allow it: try again later."
        elif isinstance(error, ServiceError):
            error = error.recast(RateLimitError)
            error.hint = (
                f"The server asks to wait {retry_after:g} s, longer than {limit}: try again then, or allow the wait."
            )
        return error
