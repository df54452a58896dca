"""The columns of an export and their types, which all rows together decide: no row changes what came before it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from completions_cli.api import wire
from completions_cli.batch.export import records
from completions_cli.models import Json

Kind = Literal["text", "integer", "number", "boolean"]
_LARGEST = 2**63
_FIXED: Mapping[str, Kind] = {
    "row": "integer",
    "sample": "integer",
    "prompt_tokens": "integer",
    "completion_tokens": "integer",
    **dict.fromkeys(("text", "finish_reason", "model", "error_kind", "error_message"), "text"),
    "continuation": "text",
    "logprob": "number",
    "token_count": "integer",
    "greedy": "boolean",
    "boundary_merged": "boolean",
}


@dataclass(slots=True)
class Columns:
    """The columns after every row was added: their names in order, and the kind of each.

    Those of scores are there if a row was scored.
    """

    is_scored: bool = False
    _id: set[Kind] = field(default_factory=set)
    _fields: dict[str, set[Kind]] = field(default_factory=dict)

    def add(self, row_id: Json, metadata: Mapping[str, Json]) -> None:
        """Add the id of a row and the fields that came with it."""
        _note(self._id, row_id)
        for name, value in metadata.items():
            _note(self._fields.setdefault(name, set()), value)

    def names(self) -> dict[str, str]:
        """Return the column of each field of the input."""
        found: dict[str, str] = {}
        own = {*records.OWN, *self._scored}
        taken: dict[str, None] = dict.fromkeys(name for name in self._fields if name.lower() not in own)
        for name in self._fields:
            column = name if name in taken else records.own_name(name, taken, own)
            taken[column] = None
            found[name] = column
        return found

    def kinds(self) -> dict[str, Kind]:
        """Return the columns in order, with the kind of each."""
        names = self.names()
        fields = {names[name]: _kind(seen) for name, seen in self._fields.items()}
        return {
            "id": _kind(self._id),
            "row": "integer",
            **fields,
            **{name: _FIXED[name] for name in (*records.AFTER, *self._scored)},
        }

    @property
    def _scored(self) -> tuple[str, ...]:
        return records.SCORED if self.is_scored else ()


def cell(value: Json, kind: Kind) -> str | int | float | bool | None:
    """Return a value as its column has it: in one of texts what is none as JSON, in others None."""
    if value is None or kind != "text":
        return _scalar(value, kind)
    if isinstance(value, str):
        return value
    return wire.dumps(value)


def _scalar(value: Json, kind: Kind) -> int | float | bool | None:
    """Return a value of a kind; None for another, as a server or another tool may write in a column of ours."""
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)  # as tools write it that know no integers
    if isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        return value if kind == "integer" else float(value)
    return value if isinstance(value, float) and kind == "number" else None


def cells(record: Mapping[str, Json], kinds: Mapping[str, Kind]) -> Iterable[str | int | float | bool | None]:
    """Yield the cells of a record, in the order of the columns."""
    return (cell(record.get(name), kind) for name, kind in kinds.items())


def _note(seen: set[Kind], value: Json) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        seen.add("boolean")
    elif isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        seen.add("integer")
    elif isinstance(value, float):
        seen.add("number")
    else:
        seen.add("text")


def _kind(seen: set[Kind]) -> Kind:
    if seen == {"integer", "number"}:
        return "number"
    return next(iter(seen)) if len(seen) == 1 else "text"
