"""The headers of credentials for many requests at once, on an event loop."""

import asyncio
import time
from collections.abc import Mapping

from completions_cli.auth.credentials import Credentials

# A token is good for minutes: asking for the headers this often renews it in time.
_HEADERS_LAST = 20.0


class AsyncCredentials:
    """Credentials, awaited: headers are made away from the loop, and renewed once for all requests."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._headers: Mapping[str, str] | None = None
        self._made_at = 0.0
        self._turn = asyncio.Lock()

    def at_hand(self) -> Mapping[str, str] | None:
        """Return headers that are still good, if there are any."""
        return self._headers if time.monotonic() - self._made_at <= _HEADERS_LAST else None

    async def headers(self) -> Mapping[str, str]:
        """Return good headers. Raises what the credentials raise."""
        async with self._turn:
            found = self.at_hand()
            if found is None:
                found = self._headers = await asyncio.to_thread(self._credentials.headers)
                self._made_at = time.monotonic()
        return found

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """See to other headers than those that were refused; false when there are none to be had."""
        async with self._turn:
            if self._headers is not refused:
                return True  # somebody else has done it
            if not await asyncio.to_thread(self._credentials.refresh):
                return False
            self._headers = None
            return True
