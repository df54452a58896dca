"""The request parameters of the API reference: one table that flags, profiles and rows are checked against."""

import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from completions_cli.errors import UsageError
from completions_cli.models import Json

# The reference's default. Sent explicitly because servers disagree about theirs (16 is common).
DEFAULT_MAX_TOKENS = 256
_MOST = sys.float_info.max


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

# Fields that this client sets by means of its own; anything else in a body is an extra parameter.
DOCUMENTED = frozenset({"prompt", "stream", "model", *PARAMETERS})


class Fields(NamedTuple):
    """The fields of a request body, by what they are to the API reference."""

    parameters: dict[str, Json]
    extra: dict[str, Json]
    model: str | None


def split(body: Mapping[str, Json], own: Container[str] = DOCUMENTED) -> Fields:
    """Return the fields of a body sorted; null means absent, and what is not `own` is extra.

    Raises UsageError for a value of the wrong type.
    """
    parameters: dict[str, Json] = {}
    extra: dict[str, Json] = {}
    for name, value in body.items():
        if name not in own:
            extra[name] = value
        elif name in PARAMETERS and value is not None:
            wrong = PARAMETERS[name].type_error(value)
            if wrong:
                raise UsageError(f"{name} must be {wrong}")
            parameters[name] = value
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise UsageError("model must be a string")
    return Fields(parameters, extra, model)


def warnings(parameters: dict[str, Json]) -> list[str]:
    """Collect what is worth a word about these parameters, though they are sent as they are."""
    found = [PARAMETERS[name].range_warning(value) for name, value in parameters.items() if name in PARAMETERS]
    if "temperature" in parameters and "top_p" in parameters:
        found.append("temperature and top_p are both set; the API reference recommends altering only one")
    return [warning for warning in found if warning]


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Json) -> bool:
    """Return whether it is a number that JSON has, too: NaN is within no bounds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_MOST <= value <= _MOST


def _is_stop(value: Json) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))
