"""How a worker reaches the members of a pool: by the orders of the driver, which the coordinator passes on."""

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from completions_cli.api.masking import Mask
from completions_cli.api.retry import RetryPolicy
from completions_cli.auth.secret import Sealed, SecretHeaders
from completions_cli.batch.budget import Prices
from completions_cli.batch.cluster.messages import Access, Grant, Orders, Report
from completions_cli.batch.exchange import Exchange
from completions_cli.batch.pool.member import Holding, Member
from completions_cli.batch.triage import Triage
from completions_cli.transport.asynchronous import AsyncTransport

_RENEWAL_SECONDS = 30.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Terms:
    """The retry policy for a member, and its prices if each member has its own."""

    policy: RetryPolicy
    prices: Prices | None = None


class Calls(Protocol):
    """The coordinator, as a worker reaches it."""

    def exchange(self, report: Report) -> Awaitable[Grant]:
        """See `Coordinator.exchange`."""

    def orders(self, after: int) -> Orders | None:
        """See `Coordinator.orders`; blocks."""

    def refuse(self, member: int, version: int) -> None:
        """See `Coordinator.refuse`; blocks."""


class OrderedCredentials:
    """Headers that the driver has made for a member: workers never look for keys or tokens themselves."""

    def __init__(self, calls: Calls, orders: Orders, member: int) -> None:
        self._calls, self._orders, self._member = calls, orders, member
        self._useless_at = float("-inf")  # when the driver had no new one

    def headers(self) -> SecretHeaders:
        """Return the newest headers."""
        self._orders = self._calls.orders(self._orders.version) or self._orders
        return Sealed(self._access.headers)

    @property
    def _access(self) -> Access:
        return self._orders.members[self._member]

    def refresh(self) -> bool:
        """Have the driver renew the token; false if there is no new one."""
        if time.monotonic() - self._useless_at < _RENEWAL_SECONDS:
            return False  # many requests may have been refused at the same time
        refused = self._access
        self._calls.refuse(self._member, refused.version)
        for _ in range(int(_RENEWAL_SECONDS / _POLL_SECONDS)):
            self._orders = self._calls.orders(self._orders.version) or self._orders
            if self._access.version > refused.version:
                break
            time.sleep(_POLL_SECONDS)
        is_new = self._access.headers != refused.headers
        self._useless_at = self._useless_at if is_new else time.monotonic()
        return is_new


def reached(calls: Calls, orders: Orders, terms: Sequence[Terms], holds: Sequence[Holding]) -> list[Member]:
    """Return the members, with their connections; `holds` hold back the requests to each."""
    mask, members = _mask(orders), []
    for number, (access, of_member, hold) in enumerate(zip(orders.members, terms, holds, strict=True)):
        exchange = Exchange(
            access.service,
            OrderedCredentials(calls, orders, number),
            AsyncTransport(access.connection),
            of_member.policy,
            model=access.model,
            mask=mask,
        )
        triage = Triage(of_member.policy, is_alone=len(terms) == 1)
        members.append(Member(exchange.profile, hold, exchange, triage, of_member.prices))
    return members


def _mask(orders: Orders) -> Mask:
    """Return one mask for all members: one may send back the key of another."""
    mask = Mask()
    for access in orders.members:
        for name, value in access.headers.items():
            mask.add_header(name, value)
    return mask
