"""How the fields of an input's first records will be used, reported before anything is sent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from completions_cli.api import wire
from completions_cli.api.near_names import nearest
from completions_cli.api.parameters import PARAMETERS
from completions_cli.batch import rows, template
from completions_cli.batch.recipe import BARE, OWN, Recipe
from completions_cli.errors import UsageError
from completions_cli.models import Json
from completions_cli.quoting import listed

_KNOWN = (*PARAMETERS, "model", "suffix", *BARE)
_MOST_SHOWN = 30


@dataclass(slots=True)
class Survey:
    """What was found. `notes` is worth a word before the first request."""

    is_openai: bool = False
    notes: list[str] = field(default_factory=list)


def of_text(lines: Iterable[bytes]) -> Survey:
    """Look at the first lines of text, of which each is a prompt."""
    empty = [number for number, line in enumerate(lines, 1) if line in (b"", b"\r")]
    if not empty:
        return Survey()
    which = f"line {empty[0]} is" if len(empty) == 1 else f"{len(empty)} of the first lines are"
    return Survey(notes=[f"warning: {which} empty, and sent as an empty prompt"])


def of_table(header: list[str], recipe: Recipe) -> Survey:
    """Look at the columns of a table, of which nothing is sent that is not named."""
    others = [name for name in header if name not in recipe.send and name not in recipe.prompt_names]
    known = [name for name in others if name in _KNOWN]
    notes = []
    if known:
        notes.append(
            f"note: {_listed(known)} {'is a column' if len(known) == 1 else 'are columns'} and not sent; "
            f"--send-fields {','.join(known)} sends {'it' if len(known) == 1 else 'them'}"
        )
    twice = [name for name, count in Counter(others).items() if name and recipe.keeps(name) and count > 1]
    if twice:
        notes.append(f"warning: the table has several columns {', '.join(twice)}; only the last of each comes back")
    return Survey(notes=notes + _near(others))


def of_json(texts: Iterable[bytes], recipe: Recipe) -> Survey:
    """Look at the first records of JSON. Raises UsageError when none of them has a field that the recipe names."""
    found = Survey()
    names: dict[str, None] = {}  # in the order in which they came
    sent: dict[str, None] = {}  # from within `extra`, or a body
    missing = set(recipe.template.names if recipe.template else ()) | recipe.send
    texts = list(texts)
    lacking = 0
    for number, record in enumerate(_objects(texts)):
        is_openai = rows.is_openai(record)
        found.is_openai = is_openai if number == 0 else found.is_openai
        missing = {name for name in missing if template.value(record, name) is None}
        if recipe.template is not None or not is_openai:
            names.update(dict.fromkeys(record))
        within = record.get("body" if is_openai else "extra")
        sent.update(dict.fromkeys(within if isinstance(within, dict) else ()))
        lacking += (
            record.get("prompt", within.get("prompt") if is_openai and isinstance(within, dict) else None) is None
        )
    if missing and texts:
        raise _missing(missing, list(names), recipe)
    if recipe.template is None and 0 < len(texts) == lacking:
        raise _without_prompt(list(names or sent))
    found.notes = _json_notes([name for name in names if name not in recipe.send | recipe.prompt_names])
    found.notes += _near([*sent, *recipe.send], "sent as it is")
    return found


def _objects(texts: Iterable[bytes]) -> Iterator[Mapping[str, Json]]:
    for text in texts:
        try:
            value = wire.loads(text.decode())
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _missing(missing: set[str], names: list[str], recipe: Recipe) -> UsageError:
    option = "--send-fields" if recipe.template is None else "--template"
    shown = listed(names[:_MOST_SHOWN])
    return UsageError(
        f"{option}: none of the first rows has a field {listed(sorted(missing))}",
        hint=f"They have: {shown}." if names else "The rows are not objects, so they have no fields.",
    )


def _without_prompt(names: list[str]) -> UsageError:
    if "messages" in names:
        return UsageError("no row has a prompt: messages are for chat, this API completes text")
    shown = f"They have: {listed(names[:_MOST_SHOWN])}. " if names else ""
    return UsageError(
        "none of the first rows has a prompt",
        hint=f"{shown}{template.suggestion(names)}",
    )


def _json_notes(others: list[str]) -> list[str]:
    bare = [name for name in others if name in BARE]
    notes = []
    if bare:
        notes.append(
            f"note: {_listed(bare)} in rows {'is' if len(bare) == 1 else 'are'} metadata and not sent; "
            f'to send {"it" if len(bare) == 1 else "them"}, put {"it" if len(bare) == 1 else "them"} into "extra"'
        )
    return notes + _near([name for name in others if name not in OWN and name not in BARE])


def _near(names: list[str], how: str = "not sent") -> list[str]:
    meant = [(name, nearest(name, _MEANT)) for name in names]
    return [f"warning: the field {name} is {how}; is {other} meant?" for name, other in meant if other]


_MEANT = (*PARAMETERS, "prompt")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
