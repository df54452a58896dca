"""The request parameters of the API reference: one table that flags, profiles and rows are checked against."""

from dataclasses import dataclass
from typing import Literal

from completions_cli.models import Json

# The reference's default. Sent explicitly because servers disagree about theirs (16 is common).
DEFAULT_MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Parameter:
    """A documented parameter: its JSON type and the range the reference gives, bounds included."""

    name: str
    type: Literal["integer", "number", "stop"]
    low: float | None = None
    high: float | None = None

    def type_error(self, value: Json) -> str | None:
        """Return what `value` should have been, or None when its type is right."""
        if self.type == "integer":
            return None if _is_integer(value) else "an integer"
        if self.type == "number":
            return None if _is_number(value) else "a number"
        return None if _is_stop(value) else "a string or an array of strings"

    def range_warning(self, value: Json) -> str | None:
        """Warn about a value outside the reference's range; the server is the authority."""
        if not _is_number(value):
            return None
        too_low = self.low is not None and value < self.low
        too_high = self.high is not None and value > self.high
        if not (too_low or too_high):
            return None
        bounds = f"{self.low:g} to {self.high:g}" if self.high is not None else f"{self.low:g} or more"
        return f"{self.name} is {value}; the API reference allows {bounds}"


# In the order of the reference's sample request, which is the order on the wire.
PARAMETERS = {
    parameter.name: parameter
    for parameter in (
        Parameter("frequency_penalty", "number", -2, 2),
        Parameter("presence_penalty", "number", -2, 2),
        Parameter("max_tokens", "integer", 0),
        Parameter("seed", "integer"),
        Parameter("stop", "stop"),
        Parameter("temperature", "number", 0, 2),
        Parameter("top_p", "number", 0, 1),
    )
}


def warnings(parameters: dict[str, Json]) -> list[str]:
    """Collect what is worth a word about these parameters, though they are sent as they are."""
    found = [PARAMETERS[name].range_warning(value) for name, value in parameters.items() if name in PARAMETERS]
    if "temperature" in parameters and "top_p" in parameters:
        found.append("temperature and top_p are both set; the API reference recommends altering only one")
    return [warning for warning in found if warning]


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_stop(value: Json) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))
