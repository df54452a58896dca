"""Turns the replies to a unit into the outcome of each row, once each choice is assigned to its row."""

from collections.abc import Mapping

from completions_cli.api import choices as api_choices
from completions_cli.api import kept
from completions_cli.api.kept import Asked
from completions_cli.batch.exchange import Reply
from completions_cli.batch.formats import Outcome
from completions_cli.batch.rows import Row
from completions_cli.batch.units import Unit
from completions_cli.errors import CompletionsError, MisfitError
from completions_cli.models import CompletionRequest, Json
from completions_cli.scoring.scores import Scores

_MISFIT = "It is not clear which prompt they answer. -vv shows the response."
_NO_N = "Leave out n; -n/--samples asks for several completions without it."


def misfit(unit: Unit, reply: Reply) -> CompletionsError | None:
    """Return what is wrong with the choices of a reply to a unit; None when they are as asked for.

    Where all choices answer one and the same prompt, their number is enough.
    """
    if unit.dialogue is not None:
        return unit.dialogue.answered(reply.response)
    request, choices = reply.request, reply.response["choices"]
    expected = request.choice_count
    if len(choices) == expected == 1:
        return None
    if len(unit.rows) == 1 and _has_one_prompt(request):
        problem = api_choices.miscount(len(choices), expected)
    else:
        problem = api_choices.misfit(choices, expected)
    if problem is None:
        return None
    if request.choices_each > 1 and len(choices) == request.prompt_count:
        return MisfitError(f"the server ignored n: {problem}", hint=_NO_N, retryable=False)
    return MisfitError(problem, hint=_MISFIT)


def of(unit: Unit) -> list[Outcome]:
    """Share out the replies of an answered unit, none of them a misfit: the outcome of each row."""
    if unit.dialogue is not None:
        usage = _usage(unit.replies) if len(unit.rows) == 1 else None
        found = zip(unit.rows, unit.dialogue.scores or (), strict=True)
        return [_outcome(unit, row, [], usage, scores) for row, scores in found]
    choices = _numbered(unit)
    if len(unit.rows) == 1:
        return [_outcome(unit, unit.rows[0], choices, _usage(unit.replies))]
    each = unit.samples * unit.requests[0].choices_each
    return [
        _outcome(unit, row, _renumbered(choices[position * each : (position + 1) * each]), usage=None)
        for position, row in enumerate(unit.rows)
    ]


def _numbered(unit: Unit) -> list[Json]:
    """Return the choices of a unit, those of a prompt together; those of several requests take turns."""
    turns = len(unit.replies)
    if turns == 1:
        return _renumbered(_sorted(unit.replies[0]))
    by_turn = [_sorted(reply) for reply in unit.replies]
    return _renumbered([choice for choices in zip(*by_turn, strict=True) for choice in choices])


def _sorted(reply: Reply) -> list[Json]:
    """Return the choices of a reply by their index, or as they came where they are not numbered."""
    choices: list[Json] = reply.response["choices"]
    if len(choices) == 1:
        return choices
    numbers = [choice.get("index") for choice in choices]
    if any(type(number) is not int for number in numbers) or len(set(numbers)) < len(numbers):
        return choices
    return sorted(choices, key=lambda choice: int(choice["index"]))


def _renumbered(choices: list[Json]) -> list[Json]:
    for position, choice in enumerate(choices):
        if choice.get("index") is not position:
            return [{**each, "index": number} for number, each in enumerate(choices)]
    return choices


def _usage(replies: list[Reply]) -> Json:
    if len(replies) == 1:
        return replies[0].response.get("usage")
    return _total([reply.response.get("usage") for reply in replies])


def _outcome(unit: Unit, row: Row, choices: list[Json], usage: Json, scores: Scores | None = None) -> Outcome:
    last = unit.replies[-1]
    return Outcome(
        row,
        last.response,
        last.response.get("model"),
        choices,
        usage,
        None,
        last.request_id,
        unit.sent,
        unit.latency,
        _ignored(unit, row, choices) if kept.may_ignore(unit.requests[0]) else (),
        last.profile,
        scores,
    )


def _ignored(unit: Unit, row: Row, choices: list[Json]) -> tuple[str, ...]:
    """Name what the server ignored of what a row asked for."""
    if unit.dialogue is not None:
        return ()
    if len(unit.rows) > 1:
        return kept.ignored(Asked(unit.requests[0], row.prompt, choices))
    usage = unit.replies[0].usage if len(unit.replies) == 1 else None
    return kept.ignored_by_all(
        unit.requests[0], choices, len(unit.replies), usage.prompt_tokens if usage is not None else None
    )


def _total(usages: list[Json]) -> Json:
    counted: list[Mapping[str, Json]] = [usage for usage in usages if isinstance(usage, dict)]
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: sum(usage.get(name) or 0 for usage in counted) for name in names} if counted else None


def _has_one_prompt(request: CompletionRequest) -> bool:
    """Return whether a request asks for one prompt only, be it several times."""
    return request.prompt_count == 1 or all(prompt == request.prompt[0] for prompt in request.prompt or ())  # type: ignore[index] # an array
