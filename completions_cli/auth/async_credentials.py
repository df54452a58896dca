"""The headers of credentials for many requests at once, on an event loop."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from completions_cli.api.retry import RetryPolicy
from completions_cli.auth.credentials import Credentials
from completions_cli.auth.secret import SecretHeaders
from completions_cli.errors import NetworkError, ServiceError

# A token is good for minutes: asking for the headers this often renews it in time.
_HEADERS_LAST = 20.0


class AsyncCredentials:
    """Credentials, awaited: headers are made away from the loop, and renewed once for all requests."""

    def __init__(
        self,
        credentials: Credentials,
        policy: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._policy = policy or RetryPolicy(retries=0)
        self._sleep = sleep
        self._headers: SecretHeaders | None = None
        self._made_at = 0.0
        self._turn = asyncio.Lock()

    def at_hand(self) -> SecretHeaders | None:
        """Return headers that are still good, if there are any."""
        return self._headers if time.monotonic() - self._made_at <= _HEADERS_LAST else None

    async def headers(self) -> SecretHeaders:
        """Return good headers, tried for again as the policy says. Raises what the credentials raise."""
        async with self._turn:
            found = self.at_hand()
            if found is None:
                found = self._headers = await self._made()
                self._made_at = time.monotonic()
        return found

    async def _made(self) -> SecretHeaders:
        for attempt in range(self._policy.retries + 1):
            try:
                return await asyncio.to_thread(self._credentials.headers)
            except (ServiceError, NetworkError) as error:
                wait = self._wait_after(error, attempt)
                if wait is None:
                    raise
            await self._sleep(wait)
        raise AssertionError  # the last attempt has returned or raised

    def _wait_after(self, error: ServiceError | NetworkError, attempt: int) -> float | None:
        if not error.retryable or attempt == self._policy.retries:
            return None
        asked = error.retry_after if isinstance(error, ServiceError) else None
        wait = self._policy.backoff(attempt, random.random()) if asked is None else asked  # noqa: S311 - no secret
        return wait if wait <= self._policy.max_wait else None

    async def renew(self, refused: SecretHeaders) -> bool:
        """Get headers other than those that were refused; return False if there are none."""
        async with self._turn:
            if self._headers is not refused:
                return True  # somebody else has done it
            if not await asyncio.to_thread(self._credentials.refresh):
                return False
            self._headers = None
            return True
