"""Why a cell of the bank misses a target: the first class of causes that fits it."""

from collections.abc import Callable
from typing import NamedTuple

from limiter_bank import Cell
from limiters import Cap, Chance, FirstAttempt, FixedWindow, SlidingWindow
from pacing_run import REFUSED, USED, Figures

UNKNOWABLE = "cannot be known from outside"
NOT_YET = "not reached yet"
_SLOW = 30.0  # seconds of latency
_TIMES_TOO_LONG = 10.0


class Reason(NamedTuple):
    """A class of causes: `fits` says whether it is that of a cell with these figures."""

    name: str
    verdict: str
    text: str
    fits: Callable[[Cell, Figures], bool]


def _first_wait_is_longer(cell: Cell, _: Figures) -> bool:
    """Return whether a wait for the next window, asked ten times too long, lasts until the measure begins."""
    limiter = cell.make()
    is_window = isinstance(limiter, FixedWindow | SlidingWindow)
    return is_window and cell.retry_after == "long" and _TIMES_TOO_LONG * limiter.scale > cell.warm


def _is(*kinds: type) -> Callable[[Cell, Figures], bool]:
    return lambda cell, _: isinstance(cell.make(), kinds)


def _named(*words: str) -> Callable[[Cell, Figures], bool]:
    return lambda cell, _: any(word in cell.name for word in words)


REASONS = (
    Reason(
        "shares of several clients",
        NOT_YET,
        "Shares even out once refusals come in bursts: whoever has a higher rate is refused, and cut, more often. Here"
        " this takes longer than the measure. Before such bursts are seen, and in steps of one request in flight,"
        " whoever has more keeps more.",
        lambda cell, figures: cell.clients > 1 and figures.used >= USED and figures.refused <= REFUSED,
    ),
    Reason(
        "several clients",
        NOT_YET,
        "A client that tries more makes refusals for the others, which take them for a lower limit or for chance. At a"
        " cap, mostly requests beyond those in flight are refused, and seldom one that replaces an answered request; a"
        " rate refuses both alike. That tells the two apart, but only after dozens of requests, and buckets with a"
        " burst of a second look like caps at first. Runs on one machine can share one pace.",
        lambda cell, _: cell.clients > 1,
    ),
    Reason(
        "first wait far too long",
        UNKNOWABLE,
        "Whether a wait is too long shows only when it is not kept, and the first one is kept whole. Here it lasts ten"
        " windows.",
        _first_wait_is_longer,
    ),
    Reason(
        "capacity that changes",
        NOT_YET,
        "The capacity changes again before a rate or a number in flight that fits it is found.",
        _named("shared", "drifts", "falls to"),
    ),
    Reason(
        "refusals that do not depend on the client",
        NOT_YET,
        "It takes longer than the warm-up to find out that going slower is of no use.",
        _is(Chance, FirstAttempt),
    ),
    Reason(
        "tokens",
        NOT_YET,
        "Where no header tells of tokens, the pace counts requests. The rate that fits one stretch of answers is too"
        " high for the next.",
        lambda cell, figures: "tokens" in cell.name and figures.used >= USED,
    ),
    Reason(
        "slow answers",
        NOT_YET,
        "The number in flight grows with the answers that come. When each takes 30 s, it takes longer than the warm-up"
        " to have enough in flight, or to measure a rate between two refusals.",
        lambda cell, _: cell.latency >= _SLOW,
    ),
    Reason(
        "sliding windows",
        NOT_YET,
        "A sliding window gives out again what was taken a window ago, in the same bursts. So what is taken between two"
        " refusals is not the limit.",
        _is(SlidingWindow),
    ),
    Reason(
        "caps on requests in flight",
        NOT_YET,
        "Where places become free irregularly, a refusal at a number in flight that was taken before looks like a limit"
        " of the rate; and each request beyond the cap costs the wait that its refusal asks for.",
        _is(Cap),
    ),
    Reason(
        "a rate that stays too low",
        NOT_YET,
        "The rate that was measured is kept a little below the limit, and growth from it is slow at first.",
        lambda _, figures: figures.used < USED and figures.refused <= REFUSED,
    ),
    Reason(
        "a rate that stays too high",
        NOT_YET,
        "What was saved up for bursts, or a whole window, is taken for the rate, and refusals for chance, until more is"
        " measured.",
        lambda _, figures: figures.refused > REFUSED,
    ),
)


def reason(cell: Cell, figures: Figures) -> Reason | None:
    """Return why a cell misses a target; None where it misses none. Raises LookupError where no reason is known."""
    if figures.meets(cell):
        return None
    for each in REASONS:
        if each.fits(cell, figures):
            return each
    raise LookupError(cell.name)
