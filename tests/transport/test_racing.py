"""Several addresses of one host: none costs the others their time, and the first that answers is taken."""

import socket
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.transport import racing

V4 = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
V6 = ["2001:db8::1", "2001:db8::2"]


class _Stream(httpcore.NetworkStream):
    """A connection that only knows where it leads and whether it was closed."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_closed = threading.Event()

    def close(self) -> None:
        self.is_closed.set()


def _connect(
    addresses: Sequence[str], ends: Callable[[str], bool], dead: threading.Event
) -> tuple[_Stream | None, list[_Stream]]:
    """Race: what `ends` well is a connection, all else is refused; names that begin so wait for `dead` first."""
    made: list[_Stream] = []

    def connect(address: str) -> httpcore.NetworkStream:
        if address.startswith("dead"):
            dead.wait(timeout=30)
        if not ends(address):
            raise httpcore.ConnectError(f"{address} refused")
        made.append(_Stream(address))
        return made[-1]

    won = racing.first_to_connect(addresses, connect, lambda: 20.0)
    assert isinstance(won, _Stream)
    return won, made


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_dead_addresses_do_not_hold_up_the_one_that_is_well(before: int) -> None:
    dead = threading.Event()
    addresses = [*(f"dead{number}" for number in range(before)), "well", "never asked"]
    won, _ = _connect(addresses, lambda address: address == "well", dead)
    dead.set()  # only now do the dead ones give up
    assert won is not None
    assert won.address == "well"


def test_a_refusal_is_followed_by_the_next_at_once() -> None:
    won, made = _connect(["refused", "well"], lambda address: address == "well", threading.Event())
    assert won is not None
    assert [stream.address for stream in made] == ["well"]


def test_who_comes_too_late_is_closed() -> None:
    late, others = threading.Event(), set(threading.enumerate())
    won, made = _connect(["dead but coming", "well"], lambda _: True, late)
    assert won is not None
    assert won.address == "well"
    late.set()
    for thread in set(threading.enumerate()) - others:
        thread.join(timeout=10)
    assert made[1].is_closed.is_set()
    assert not won.is_closed.is_set()


def test_when_all_fail_the_last_failure_is_told() -> None:
    with pytest.raises(httpcore.ConnectError, match="b refused"):
        _connect(["a", "b"], lambda _: False, threading.Event())


def test_the_time_for_connecting_is_that_of_all_addresses_together() -> None:
    dead = threading.Event()

    looks = iter([0.01, 0.01, 0.01])

    def left() -> float:
        for seconds in looks:
            return seconds
        raise httpcore.ConnectTimeout("connecting")

    def connect(_: str) -> httpcore.NetworkStream:
        dead.wait(timeout=30)
        raise httpcore.ConnectError("too late")

    with pytest.raises(httpcore.ConnectTimeout):
        racing.first_to_connect(["a", "b"], connect, left)
    dead.set()


@given(st.lists(st.sampled_from(V4 + V6), unique=True, min_size=1))
def test_families_take_turns_and_no_address_is_lost(addresses: list[str]) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
        found = racing.look_up("several.test", 80, 10)
    assert sorted(found) == sorted(addresses)
    assert found[0] == addresses[0]
    families = [":" in address for address in found]
    turns = 2 * min(families.count(True), families.count(False))
    assert all(one is not other for one, other in pairwise(families[:turns]))
