"""How a rate grows while nothing is refused. Rates are requests a second."""

_BELOW = 0.97
_PLATEAU = 5.0  # seconds until the rate is back at what was measured,
_PLATEAU_REQUESTS = 25  # or what so many requests take
_GROWTH = 8.4  # seconds after that until it is doubled
_DOUBLED = 1.0  # seconds, while it starts,
_DOUBLED_REQUESTS = 3  # or what so many requests take
_MOST_DOUBLINGS = 16.0


def doubling(rate: float, elapsed: float) -> float:
    """Return what a rate has grown to after so many seconds while nothing is known of the limit."""
    doublings = min(_MOST_DOUBLINGS, elapsed / max(_DOUBLED, _DOUBLED_REQUESTS / rate))
    return float(rate * 2.0**doublings)


def after_measuring(rate: float, elapsed: float) -> float:
    """Return what to send at, so many seconds after a rate was measured: a little less, then ever more."""
    plateau = max(_PLATEAU, _PLATEAU_REQUESTS / rate)
    if elapsed < plateau:
        return rate * (_BELOW + (1 - _BELOW) * elapsed / plateau)
    return float(rate * (1 + ((elapsed - plateau) / (_GROWTH * plateau / _PLATEAU)) ** 3))
