"""How a rate grows while nothing is refused. Rates are requests a second.

Growth takes some seconds, or what some requests take where that is longer: few requests tell little. But it takes no
longer than half a minute: a rate that was cut down in a bad minute must not stay low for an hour.
"""

_BELOW = 0.97
_PLATEAU = 5.0  # seconds until the rate is back at what was measured,
_PLATEAU_REQUESTS = 25  # or what so many requests take
_GROWTH = 8.4  # seconds after that until it is doubled
_LONGEST = 30.0  # seconds that either takes at most
_DOUBLED = 1.0  # seconds, while it starts,
_DOUBLED_REQUESTS = 3  # or what so many requests take
_MOST_DOUBLINGS = 16.0


def doubling(rate: float, elapsed: float) -> float:
    """Return what a rate has grown to after so many seconds while nothing is known of the limit."""
    doublings = min(_MOST_DOUBLINGS, elapsed / period(rate, _DOUBLED, _DOUBLED_REQUESTS))
    return float(rate * 2.0**doublings)


def after_measuring(rate: float, elapsed: float) -> float:
    """Return what to send at, so many seconds after a rate was measured: a little less, then ever more."""
    plateau = period(rate, _PLATEAU, _PLATEAU_REQUESTS)
    if elapsed < plateau:
        return rate * (_BELOW + (1 - _BELOW) * elapsed / plateau)
    return float(rate * (1 + ((elapsed - plateau) / (_GROWTH * plateau / _PLATEAU)) ** 3))


def period(rate: float, seconds: float, requests: float) -> float:
    """Return the seconds that so many requests take, at least so many seconds and at most `_LONGEST`."""
    return max(seconds, min(_LONGEST, requests / rate))
