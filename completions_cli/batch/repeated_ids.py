"""Rows that have the id of an earlier row: their answers can be told apart by the row number alone."""

from collections.abc import Callable, Iterable, Iterator

from completions_cli import limits
from completions_cli.batch.rows import Row


def watched(rows: Iterable[Row], warn: Callable[[str], None]) -> Iterator[Row]:
    """Pass rows on, and warn of the first id that appears twice among so many that memory stays small."""
    seen: set[int] | None = set()
    for row in rows:
        if seen is not None and isinstance(row.id, str | int):
            known = hash(row.id)
            if known in seen:
                name = str(row.id)[: limits.NAME_CHARACTERS]
                warn(
                    f"warning: row {row.number} has the id {name!r} of an earlier row; "
                    "use the row number to tell their answers apart"
                )
                seen = None
            elif len(seen) < limits.IDS_COMPARED:
                seen.add(known)
        yield row
