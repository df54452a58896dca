"""Whether a lower rate makes for fewer refusals: told from few requests, by how likely what was seen is."""

import math
from typing import Literal, NamedTuple

Verdict = Literal["open", "cured", "same", "other"]

_SAME = (
    0.4  # of the refused share is left, at least, where a lower rate is of no use: it was looked at when it was large
)
_CURED = 0.05  # is left where it is
_SURE = 3.0  # log of how many times likelier one of the two is
_MOST_SHARE = 0.95
_LEAST_SAMPLE = 8  # requests
_SPREAD = 3.0  # standard deviations of a share that is the same
_ROW = 3  # refusals in a row that mean a wait
_UNLIKELY = 0.01
_LEAST_DELAY = 0.1  # seconds
_DELAYS = 3.0  # times what a refusal takes to arrive: a request that is older was taken
_SURELY = 1.0  # standard deviations
_TOLERATED = 0.02  # beyond twice the noise


class Trial(NamedTuple):
    """A lower rate, tried after a share was refused. Rates are requests a second.

    `taken` is the rate of what was not refused, which is the limit if there is one, and `before` the one to go back to
    if there is none. `number` counts trials in a row that were of no use.
    """

    share: float
    taken: float
    before: float
    number: int = 1

    def verdict(self, sent: int, refused: int) -> Verdict:
        """Judge by what was sent at the lower rate: cured, about the same share refused, or quite another one."""
        share = min(self.share, _MOST_SHARE)
        same, cured = _SAME * share, _CURED * share
        evidence = refused * math.log(same / cured) + (sent - refused) * math.log((1 - same) / (1 - cured))
        if evidence < -_SURE:
            return "cured"
        if evidence <= _SURE or sent < _LEAST_SAMPLE:
            return "open"
        expected = self.share * sent
        spread = _SPREAD * math.sqrt(expected * (1 - self.share)) + 1
        return "same" if abs(refused - expected) <= spread else "other"


def least_taken(sent: int, refused: int) -> float:
    """Return the share that is surely taken, going by so many requests."""
    share = (sent - refused + 1) / (sent + 2)
    return max(1 / (sent + 2), share - _SURELY * math.sqrt(share * (1 - share) / (sent + 2)))


def share_explained(noise: float) -> float:
    """Return the largest share of refusals that noise explains."""
    return noise + min(noise + _TOLERATED, 0.25 * (1 - noise)) if noise else 0.0


def most_explained(noise: float, sent: int) -> float:
    """Return how many refusals of so many requests noise explains at most."""
    share = share_explained(noise)
    return share * sent + _SPREAD * math.sqrt(share * (1 - share) * sent) + bool(share)


def least_row(share: float) -> float:
    """Return how many refusals in a row are no chance, where chance refuses a share."""
    return max(_ROW, math.log(_UNLIKELY) / math.log(min(0.99, share))) if share > 0 else _ROW


def settled(now: float, delay: float) -> float:
    """Return the moment before which all that was not refused was taken; refusals take `delay` seconds to arrive."""
    return now - max(_LEAST_DELAY, _DELAYS * delay)
