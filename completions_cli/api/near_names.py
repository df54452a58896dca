"""Names that are nearly one of the reference's: a slip of the keyboard, and not a parameter of another server."""

from collections.abc import Iterable

from completions_cli.api.parameters import DOCUMENTED

_LONG = 4  # letters of a part in which one may be wrong
_VERY_LONG = 8  # and two


def nearest(name: str, names: Iterable[str] = DOCUMENTED) -> str | None:
    """Return the parameter that was probably meant, None when the name is one, or is none of ours.

    Part by part: a letter may be lacking, doubled, swapped or wrong where a part is long enough for that to be a
    slip. `top_k` and `min_tokens` differ from ours in a whole short part: servers have them.
    """
    known = tuple(names)
    return None if name in known else next((other for other in known if _is_near(name, other)), None)


def _is_near(name: str, other: str) -> bool:
    plain, others = name.replace("-", "_"), other.split("_")
    if _squeezed(plain) == _squeezed(other):
        return True
    parts = plain.lower().strip("_").split("_")
    return len(parts) == len(others) and all(map(_is_slip, parts, others))


def _squeezed(name: str) -> str:
    return name.replace("_", "").lower()


def _is_slip(part: str, other: str) -> bool:
    if part == other:
        return True
    if len(other) < _LONG:
        return sorted(part) == sorted(other) and len(part) > 1
    allowed = 2 if len(other) >= _VERY_LONG else 1
    return abs(len(part) - len(other)) <= allowed and _distance(part, other) <= allowed


def _distance(left: str, right: str) -> int:
    """Count the letters inserted, left out, replaced or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        before, row, above = row, [i], before
        for j, other in enumerate(right, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other)))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                row[j] = min(row[j], above[j - 2] + 1)
    return row[-1]
