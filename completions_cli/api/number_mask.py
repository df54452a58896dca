"""Keys with many digits in a row, hidden where a server sends those digits back as a JSON number."""

import re
from collections.abc import Iterable

from completions_cli.api.model_words import NOWHERE, Place
from completions_cli.models import Json

_RUN = 12  # digits in a row that no number shares with a key by chance
_DIGITS = re.compile(rf"[0-9]{{{_RUN},}}")
_SEPARATORS = re.compile(r"[^0-9A-Za-z]+")
_LEAST = 10 ** (_RUN - 1)  # a whole number below is too short


class NumberMask:
    """Finds numbers that hold a piece of digits: strings of at least `_RUN` of them."""

    def __init__(self, digits: Iterable[str]) -> None:
        self._runs = frozenset(key[at : at + _RUN] for key in digits for at in range(len(key) - _RUN + 1))

    def fields(self, value: Json, place: Place) -> Json:
        """Return JSON with null for each such number, but for the words of the model; the same object without any."""
        if type(value) is dict:
            made = {
                name: item if (below := place.get(name, NOWHERE)) is None else self.fields(item, below)
                for name, item in value.items()
            }
            return made if any(made[name] is not item for name, item in value.items()) else value
        if type(value) is list:
            items = [self.fields(item, place) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return None if self._holds(value) else value

    def _holds(self, value: Json) -> bool:
        if type(value) is int:
            if -_LEAST < value < _LEAST:
                return False
        elif type(value) is not float:
            return False
        try:
            written = repr(value)
        except ValueError:  # more digits than Python writes
            return True
        digits = "".join(filter(str.isdigit, written.partition("e")[0]))
        return any(digits[at : at + _RUN] in self._runs for at in range(len(digits) - _RUN + 1))


def of(secrets: Iterable[str]) -> NumberMask | None:
    """Return the mask of the digits in secrets, with or without separators between them; None without enough."""
    found = [
        run for secret in secrets for text in (secret, _SEPARATORS.sub("", secret)) for run in _DIGITS.findall(text)
    ]
    return NumberMask(found) if found else None
