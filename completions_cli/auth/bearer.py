"""Credentials made of the tokens that a source issues."""

import os
import threading
from collections.abc import Callable
from typing import Protocol

from completions_cli.auth.secret import Sealed, SecretHeaders
from completions_cli.auth.token import Token, TokenCache
from completions_cli.wall_clock import unix_time


class TokenSource(Protocol):
    """Issues tokens: the client-credentials flow, or whatever azure-identity finds."""

    def fetch(self, now: float) -> Token:
        """Get a new token. Raises the errors of `completions_cli.errors`."""


class EntraCredentials:
    """A bearer token that is renewed before it expires, and once more when a service refuses it.

    May be shared by threads: one of them fetches, the others wait for its token.
    """

    def __init__(
        self, source: TokenSource, cache: TokenCache | None = None, clock: Callable[[], float] = unix_time
    ) -> None:
        self._source = source
        self._cache = cache
        self._clock = clock
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._token: Token | None = None
        self._cache_is_refused = False

    def headers(self) -> SecretHeaders:
        """Return `authorization`, with a token fetched if need be."""
        with self._mine():
            now = self._clock()
            if self._token is None or not self._token.is_fresh(now):
                self._token = self._renewed(now)
            return Sealed({"authorization": f"Bearer {self._token.value.reveal()}"})

    def refresh(self) -> bool:
        """Drop the token in use so that the next headers have a new one; return False if there was none."""
        with self._mine():
            had_token = self._token is not None
            self._token = None
            self._cache_is_refused = True
            return had_token

    def _mine(self) -> threading.Lock:
        """Return a lock that no thread of another process can have taken before a fork."""
        if self._process != os.getpid():
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock

    def _renewed(self, now: float) -> Token:
        kept = self._cache.load(now) if self._cache and not self._cache_is_refused else None
        if kept is not None:
            return kept
        token = self._source.fetch(now)
        self._cache_is_refused = False
        if self._cache:
            self._cache.save(token, now)
        return token
