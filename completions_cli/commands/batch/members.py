"""The members of a batch's pool, put together from their settings: keys, connections and paces."""

import time
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from completions_cli.api.endpoint import Endpoint
from completions_cli.api.masking import Mask
from completions_cli.batch.exchange import Exchange
from completions_cli.batch.pool.member import Member
from completions_cli.batch.pool.pace import PoolPace
from completions_cli.batch.triage import Triage
from completions_cli.client import configuration, outgoing
from completions_cli.commands import resolution
from completions_cli.commands.batch import choices, process
from completions_cli.commands.batch.choices import Choices
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.gate import Gate
from completions_cli.pacing.pace import Pace
from completions_cli.render.spinner import Spinner
from completions_cli.settings.pool import Limits, Pool
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.auth.credentials import Credentials
    from completions_cli.transport.asynchronous import AsyncTransport

# The embedded model computes with all cores for one request already.
_LOCAL_CONCURRENCY = 4
_CLOSE_SECONDS = 2.0


class Target(NamedTuple):
    """A member that can be reached: its settings, where it is, and what signs in there."""

    settings: Settings
    endpoint: Endpoint
    credentials: "Credentials"


def targets(stack: ExitStack, pool: Pool, streams: Streams) -> list[Target]:
    """Find the keys of all members, so that a missing one is found before anything is touched. Raises ConfigError."""
    spinner = Spinner("starting the model", streams)
    return [
        Target(settings, *stack.enter_context(resolution.target(settings, streams, spinner)))
        for settings in pool.members
    ]


class Reached(NamedTuple):
    """The members of a run, and the gate where its requests wait for whichever may send first."""

    members: list[Member]
    gate: Gate
    pool: PoolPace | None = None


async def reach(stack: AsyncExitStack, found: list[Target], pool: Pool, chosen: Choices, streams: Streams) -> Reached:
    """Open the connections of all members, and pace each by itself."""
    most = process.sockets(chosen.in_flight)
    paces = [_pace(target.settings, limits_of(target.settings, pool, chosen), most) for target in found]
    mask = hide_keys(found, streams)
    exchanges = [_exchange(stack, target, pool, mask, streams) for target in found]
    members = [_member(*one, pool, chosen) for one in zip(found, paces, exchanges, strict=True)]
    if len(members) == 1:
        return Reached(members, Gate(paces[0], time.monotonic))
    total = Pace(Concurrency(chosen.in_flight or most, most), chosen.rpm, chosen.tpm, time.monotonic())
    together = PoolPace(list(zip(members, paces, strict=True)), total)
    return Reached(members, Gate(together, time.monotonic), together)


def hide_keys(found: list[Target], streams: Streams) -> Mask:
    """Keep the keys of all members off the screen. Return the mask that does."""
    mask = outgoing.mask_of(target.credentials for target in found)
    hide = streams.stderr.mask
    streams.stderr.mask = lambda text: mask.text(hide(text))
    return mask


def limits_of(settings: Settings, pool: Pool, chosen: Choices) -> Limits:
    """Return what holds for a member: of a single profile, what was typed comes first."""
    own, total = Limits.of(settings.values), Limits(chosen.rpm, chosen.tpm, chosen.in_flight)
    if not pool.is_pool:
        return total
    return own if len(pool.members) > 1 else own.within(total)


def _pace(settings: Settings, limits: Limits, most: int) -> Pace:
    at_most = _LOCAL_CONCURRENCY if settings.is_local else most
    return Pace(Concurrency(limits.concurrency, at_most), limits.rpm, limits.tpm, time.monotonic())


def _exchange(stack: AsyncExitStack, target: Target, pool: Pool, mask: Mask, streams: Streams) -> Exchange:
    from completions_cli.transport.asynchronous import AsyncTransport

    settings = target.settings
    transport = AsyncTransport(configuration.connection(settings), resolution.trace(streams))
    stack.push_async_callback(_close, transport)
    return Exchange(
        configuration.service(settings, target.endpoint),
        target.credentials,
        transport,
        configuration.policy(settings),
        model=settings.values["model"] if pool.is_pool else None,
        mask=mask,
    )


def _member(target: Target, pace: Pace, exchange: Exchange, pool: Pool, chosen: Choices) -> Member:
    settings = target.settings
    return Member(
        settings.profile,
        pace,
        exchange,
        Triage(choices.retry_policy(settings), is_alone=len(pool.members) == 1),
        prices=choices.prices_of(settings, chosen),
    )


async def _close(transport: "AsyncTransport") -> None:
    import asyncio

    with suppress(TimeoutError):
        await asyncio.wait_for(transport.close(), _CLOSE_SECONDS)
