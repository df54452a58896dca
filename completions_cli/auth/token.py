"""An OAuth2 access token, and where it is kept between runs: the keyring, until shortly before it expires."""

import json
from dataclasses import dataclass

from completions_cli.auth.keyring_store import KeyringStore, NoKeyringError
from completions_cli.auth.secret import Secret
from completions_cli.errors import ConfigError

# A token is renewed when it has less than this to live, in seconds.
MARGIN = 300.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token, when it was issued and when it expires, in Unix time by this machine's clock; None: it was not told."""

    value: Secret
    issued: float
    expires: float | None

    def is_fresh(self, now: float) -> bool:
        """Return whether it should still be used: a short-lived one for half its life, one without an end until a 401.

        One from the future is not: the clock was turned back since, and by how much nobody knows.
        """
        if self.expires is None:
            return True
        margin = min(MARGIN, (self.expires - self.issued) / 2)
        return self.issued <= now < self.expires - margin


def entry_of(key_entry: str) -> str:
    """Name the keyring entry of a token, after the entry of the key it was got with."""
    return f"{key_entry} token"


class TokenCache:
    """Keeps a token under a name of the keyring; without a usable keyring it forgets.

    `identity` says who the token was issued to and for what: one for another identity is not given out.
    """

    def __init__(self, store: KeyringStore, entry: str, identity: tuple[str | None, ...]) -> None:
        self._store = store
        self._entry = entry
        self._identity = list(identity)
        self._is_usable = True

    def load(self, now: float) -> Token | None:
        """Return the token that is kept, if it has more than five minutes to live."""
        try:
            text = self._store.get(self._entry)
        except NoKeyringError:
            self._is_usable = False
            return None
        token = _parsed(text, self._identity) if text else None
        return token if token is not None and _outlives_run(token, now) else None

    def save(self, token: Token, now: float) -> None:
        """Keep a token, if that is possible and worth it."""
        if not self._is_usable or token.expires is None or not _outlives_run(token, now):
            return
        kept = {
            "identity": self._identity,
            "issued": token.issued,
            "expires": token.expires,
            "token": token.value.reveal(),
        }
        try:
            self._store.set(self._entry, json.dumps(kept))
        except NoKeyringError:
            self._is_usable = False


def _outlives_run(token: Token, now: float) -> bool:
    """Return whether the next run should use it: not in its last five minutes, however short its life is."""
    return token.is_fresh(now) and token.expires is not None and now < token.expires - MARGIN


def _parsed(text: str, identity: list[str | None]) -> Token | None:
    try:
        kept = json.loads(text)
        if kept["identity"] != identity:
            return None
        secret = Secret.checked(kept["token"], "the token cache")
        return Token(secret, float(kept["issued"]), float(kept["expires"]))
    except (ValueError, TypeError, KeyError, AttributeError, ConfigError):
        return None  # not ours, or of another version
