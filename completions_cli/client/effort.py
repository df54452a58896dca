"""The attempts of one awaited call: each waits for its turn, and what it failed with decides about the next."""

from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.client.attempts import Attempts, Wait
from completions_cli.client.pacer import Unpaced, UnpacedCall
from completions_cli.client.sessions import Session
from completions_cli.errors import CompletionsError, NetworkError, RequestTimeoutError, ServiceError
from completions_cli.transport.patience import Patience


class Effort:
    """What all attempts to have one request answered share."""

    def __init__(
        self, session: Session, call: UnpacedCall, service: Service, policy: RetryPolicy, patience: Patience
    ) -> None:
        self.session = session
        self.attempts = Attempts(service, policy)
        self._call = call
        self._patience = patience

    async def turn(self) -> Unpaced:
        """Wait for the turn of the next attempt. Raises RequestTimeoutError when the call's time is over before."""
        self.attempts.number += 1
        try:
            turn = await self._call.turn(self._patience.remaining_in_all())
        except TimeoutError:
            raise self._patience.expired() from None
        self._patience.heard()
        return turn

    def of_server(self, error: RequestTimeoutError) -> CompletionsError | None:
        """Return the error if the server was silent for too long, None if only the time of the whole call is over."""
        return None if self._patience.is_overdue else error

    def wait_after(self, error: ServiceError | NetworkError) -> Wait:
        """Return how long to wait for the next attempt. Raises the error if there is none."""
        return self.attempts.wait_after(error, self._patience.remaining_in_all(), is_free=self._call.is_free(error))
