"""No test of this room meets a keyring that it did not bring along."""

from collections.abc import Callable, Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail


@pytest.fixture(autouse=True)
def use_keyring() -> Iterator[Callable[[KeyringBackend], None]]:
    """Choose the backend; until then there is none."""
    keyring.set_keyring(fail.Keyring())
    yield keyring.set_keyring
    keyring.set_keyring(fail.Keyring())
