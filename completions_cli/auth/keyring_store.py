"""Secrets in the operating system's keyring. The only file that imports `keyring`, and only when it is asked.

A keyring may be missing, locked, broken, or wait for ever for someone to unlock it, and its backend may be
any class that the user's set-up names. So every call runs in a thread that is given up after some seconds,
and whatever goes wrong there is one error: no usable keyring.
"""

import queue
import shlex
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from completions_cli import limits
from completions_cli.errors import ConfigError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "completions-cli"
TIMEOUT = 3.0

# Windows takes 2,560 bytes of UTF-16; tokens are longer and are kept in parts, on every system alike.
_PART = 1200
_HEAD = "parts"

_NONE_HERE = "there is none on this machine"
_PLAIN_TEXT = "the configured one keeps keys in plain text"
_REASONS = {
    "KeyringLocked": "it is locked",
    "InitError": "it cannot be opened",
    "NoKeyringError": _NONE_HERE,
    "PasswordSetError": "it refused to store",
}

_T = TypeVar("_T")


def no_keyring_hint(profile: str | None) -> str:
    """Return what to do without a keyring: two variables, or a file for the key of a profile."""
    name = "NAME" if profile is None else shlex.quote(profile)
    return (
        "Set COMPLETIONS_API_KEY to the key, or COMPLETIONS_API_KEY_FILE to the name of a file that holds it, "
        f"or run: completions config key set -p {name} --to-file"
    )


class NoKeyringError(ConfigError):
    """There is no keyring that could be used; `reason` says why, without the hint."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no usable keyring: {reason}", hint=no_keyring_hint(None))
        self.reason = reason

    @property
    def may_hold_keys(self) -> bool:
        """False if there is no keyring in which keys could have been stored."""
        return self.reason not in (_NONE_HERE, _PLAIN_TEXT)


class KeyringStore:
    """Reads, stores and deletes secrets by user name. Every method may raise NoKeyringError."""

    def __init__(self, environ: Mapping[str, str], *, timeout: float = TIMEOUT) -> None:
        self._disabled = environ.get("COMPLETIONS_NO_KEYRING", "") not in ("", "0")
        self._timeout = timeout
        self._gave_up = False

    def get(self, user: str) -> str | None:
        """Return the secret; None if it is missing or incomplete."""
        return self._watched(lambda backend: _read(backend, user))

    def set(self, user: str, secret: str) -> None:
        """Store the secret in place of any other."""
        self._watched(lambda backend: _write(backend, user, secret))

    def delete(self, user: str) -> bool:
        """Delete the secret; return False if there was none."""
        return self._watched(lambda backend: _delete(backend, user))

    def backend(self) -> str:
        """Name the backend, as in `keyring.backends.SecretService.Keyring`."""
        return self._watched(lambda backend: f"{type(backend).__module__}.{type(backend).__qualname__}")

    def _watched(self, work: Callable[["KeyringBackend"], _T]) -> _T:
        """Do the work in a thread that is left behind when it hangs; `main` does not wait for it either."""
        if self._disabled:
            raise NoKeyringError("COMPLETIONS_NO_KEYRING is set")
        if self._gave_up:
            raise self._silent()
        outcome: queue.SimpleQueue[tuple[_T | None, str | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome.put((work(_backend()), None))
            except NoKeyringError as error:
                outcome.put((None, error.reason))
            except BaseException as error:  # noqa: BLE001 - a backend may be any class, and raise anything
                # Not the error's own text: some backends quote what they were given.
                name = type(error).__name__
                outcome.put((None, _REASONS.get(name, f"it failed with {name}")))

        threading.Thread(target=run, name="keyring", daemon=True).start()
        try:
            value, reason = outcome.get(timeout=self._timeout)
        except queue.Empty:
            self._gave_up = True
            raise self._silent() from None
        if reason is not None:
            raise NoKeyringError(reason)
        return value  # type: ignore[return-value] # None only where the work returns it

    def _silent(self) -> NoKeyringError:
        return NoKeyringError(f"it did not answer within {self._timeout:g} s (is it locked?)")


def _backend() -> "KeyringBackend":
    import keyring

    found = _secure(keyring.get_keyring())
    if found is None:
        module = type(keyring.get_keyring()).__module__
        is_none = module in ("keyring.backends.fail", "keyring.backends.null", "keyring.backends.chainer")
        raise NoKeyringError(_NONE_HERE if is_none else _PLAIN_TEXT)
    return found


def _secure(backend: "KeyringBackend") -> "KeyringBackend | None":
    """Find a backend that stores, and not in plain text; a chain is searched, lest it fall back to a worse one."""
    kinds = type(backend).__mro__
    modules = {kind.__module__ for kind in kinds}
    if modules & {"keyring.backends.fail", "keyring.backends.null"}:
        return None
    if any("plaintext" in f"{kind.__module__}.{kind.__qualname__}".lower() for kind in kinds):
        return None
    if "keyring.backends.chainer" in modules:
        links: Iterable[KeyringBackend] = getattr(backend, "backends", ())
        return next((found for link in links if (found := _secure(link)) is not None), None)
    return backend


def _read(backend: "KeyringBackend", user: str) -> str | None:
    head = backend.get_password(SERVICE, user)
    count, digest = _parse_head(head)
    if not count:
        return str(head) if head else None
    parts = [backend.get_password(SERVICE, _part_name(user, number)) for number in range(count)]
    secret = "".join(part or "" for part in parts)
    # One that is missing, or two writers at once, who left parts of either.
    return secret if _digest(secret) == digest else None


def _write(backend: "KeyringBackend", user: str, secret: str) -> None:
    before, _ = _parse_head(backend.get_password(SERVICE, user))
    parts = [secret[start : start + _PART] for start in range(0, len(secret), _PART)] if len(secret) > _PART else []
    for number, part in enumerate(parts):
        backend.set_password(SERVICE, _part_name(user, number), part)
    backend.set_password(SERVICE, user, f"{_HEAD} {len(parts)} {_digest(secret)}" if parts else secret)
    for number in range(len(parts), before):
        backend.delete_password(SERVICE, _part_name(user, number))


def _delete(backend: "KeyringBackend", user: str) -> bool:
    head = backend.get_password(SERVICE, user)
    if head is None:
        return False
    backend.delete_password(SERVICE, user)
    count, _ = _parse_head(head)
    for number in range(count):
        if backend.get_password(SERVICE, _part_name(user, number)) is not None:
            backend.delete_password(SERVICE, _part_name(user, number))
    return True


def _parse_head(head: str | None) -> tuple[int, str]:
    """Read how many parts there are and their checksum; 0 when the head is the secret itself."""
    words = (head or "").split(" ")
    match words:
        case [word, count, digest] if word == _HEAD and count.isdigit():
            return min(int(count), limits.KEYRING_PARTS), digest
    return 0, ""


def _part_name(user: str, number: int) -> str:
    return f"{user}#{number + 1}"


def _digest(secret: str) -> str:
    import hashlib

    return hashlib.sha256(secret.encode()).hexdigest()[:16]
