"""Whether the choices of an answer are those that were asked for."""

from collections.abc import Mapping, Sequence

from completions_cli.models import Json


def misfit(choices: Sequence[Mapping[str, Json]], expected: int) -> str | None:
    """Return what is wrong with the choices of an answer, None when nothing is.

    Only a whole set of choices, numbered from 0 to `expected` - 1, tells which prompt each one answers.
    """
    if len(choices) != expected:
        return miscount(len(choices), expected)
    numbers: list[Json] = [choice.get("index") for choice in choices]
    if any(type(number) is not int for number in numbers):
        return "the choices are not numbered"
    if sorted(numbers) != list(range(expected)):
        return f"the choices are not numbered from 0 to {expected - 1}"
    return None


def miscount(came: int, expected: int) -> str | None:
    """Return what is wrong with a number of choices, None when it is the one expected."""
    if came == expected:
        return None
    return f"the response contains {came} {'choice' if came == 1 else 'choices'}, not {expected}"
