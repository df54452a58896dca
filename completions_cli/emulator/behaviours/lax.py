"""Fields as a FastAPI server reads them: pydantic's coercion, ranges and error items."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from completions_cli.emulator.call import Document

_INTEGER = re.compile(r"\s*[+-]?\d+(_\d+)*(\.0+)?\s*")
_TRUE = {"true", "1", "on", "t", "y", "yes"}
_FALSE = {"false", "0", "off", "f", "n", "no"}


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the list that such a server answers 422 with. `under` follows the field's name in loc."""

    type: str
    msg: str
    ctx: Document | None = None
    under: tuple[str | int, ...] = ()
    input: object = field(default=None)

    def document(self, name: str, value: object) -> Document:
        """Return it as it stands in the answer."""
        shown = value if self.input is None else self.input
        found: Document = {"type": self.type, "loc": ["body", name, *self.under], "msg": self.msg, "input": shown}
        return found | {"ctx": self.ctx} if self.ctx else found


class LaxError(Exception):
    """A field cannot be read; `items` say why."""

    def __init__(self, *items: Item) -> None:
        super().__init__(*items)
        self.items = items


Reader = Callable[[object], object]


def text(value: object) -> str:
    """Read a string; nothing is turned into one."""
    if not isinstance(value, str):
        raise LaxError(Item("string_type", "Input should be a valid string"))
    return value


def integer(value: object) -> int:
    """Read an integer, from a string or a whole float too."""
    if isinstance(value, float):
        if not value.is_integer():
            msg = "Input should be a valid integer, got a number with a fractional part"
            raise LaxError(Item("int_from_float", msg))
        return int(value)
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            msg = "Input should be a valid integer, unable to parse string as an integer"
            raise LaxError(Item("int_parsing", msg))
        return int(value.partition(".")[0])
    if not isinstance(value, int):
        raise LaxError(Item("int_type", "Input should be a valid integer"))
    return int(value)


def number(value: object) -> float:
    """Read a number, from a string too."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            msg = "Input should be a valid number, unable to parse string as a number"
            raise LaxError(Item("float_parsing", msg)) from error
    if not isinstance(value, int | float):
        raise LaxError(Item("float_type", "Input should be a valid number"))
    return float(value)


def boolean(value: object) -> bool:
    """Read a boolean, from 0 and 1 and the usual words too."""
    word = value.lower() if isinstance(value, str) else value
    if isinstance(word, bool | int | float | str):
        if word in (0, 1):
            return bool(word)
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise LaxError(Item("bool_parsing", "Input should be a valid boolean, unable to interpret input"))
    raise LaxError(Item("bool_type", "Input should be a valid boolean"))


def within(read: Callable[[object], float], low: float | None, high: float | None = None) -> Reader:
    """Read a number of a range."""

    def ranged(value: object) -> float:
        found = read(value)
        if low is not None and not found >= low:
            raise LaxError(Item("greater_than_equal", f"Input should be greater than or equal to {low:g}", {"ge": low}))
        if high is not None and not found <= high:
            raise LaxError(Item("less_than_equal", f"Input should be less than or equal to {high:g}", {"le": high}))
        return found

    return ranged


def optional(read: Reader) -> Reader:
    """Read null as well."""
    return lambda value: None if value is None else read(value)


def sequences(value: object) -> tuple[str, ...]:
    """Read a string or a list of strings."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    kind = "list[str]"
    items = [Item("string_type", "Input should be a valid string", under=("str",))]
    if isinstance(value, list):
        items += [
            Item("string_type", "Input should be a valid string", under=(kind, position), input=item)
            for position, item in enumerate(value)
            if not isinstance(item, str)
        ]
    else:
        items.append(Item("list_type", "Input should be a valid list", under=(kind,)))
    raise LaxError(*items)


def read_fields(document: Document, readers: Mapping[str, Reader]) -> tuple[Document, list[Document]]:
    """Read the fields that are there: their values, and the items of those that cannot be read."""
    values: Document = {}
    wrong: list[Document] = []
    for name, read in readers.items():
        if name in document:
            try:
                values[name] = read(document[name])
            except LaxError as error:
                wrong += [item.document(name, document[name]) for item in error.items]
    return values, wrong
