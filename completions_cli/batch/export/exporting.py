"""Exports an output as a table: reads it once for the columns and once to write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from completions_cli.batch import entry, output_lines
from completions_cli.batch.export import columns, records, writers
from completions_cli.batch.export.columns import Columns
from completions_cli.batch.export.writers import Sink, Table, Writer
from completions_cli.batch.held import Held
from completions_cli.batch.line_index import LineIndex, Place
from completions_cli.batch.ordering import Files
from completions_cli.errors import OutputError

Only: TypeAlias = Literal["ok", "failed"]


def export(held: Held, sink: Sink, table: Table, folder: Path, only: Only | None = None) -> int:
    """Write the rows of an output as a table, in the order of the input; return how many lines it has.

    `folder` takes what does not fit into memory. Raises UsageError for a line that is none of a batch, OutputError
    when the table cannot be written.
    """
    found = Columns()
    try:
        with LineIndex(folder) as index, Files(held.files) as files:
            for number in range(len(held.files)):
                index.add(_places(held, number, found))
            return _write(_lines(index, files), held, found, writers.open_writer(table, sink, found.kinds()), only)
    except OSError as error:
        raise OutputError(f"the table cannot be written: {error.strerror}") from error


def _places(held: Held, number: int, found: Columns) -> Iterator[Place]:
    for line in output_lines.read(held.files[number], held.reader):
        if line.entry is not None:
            fields = entry.parsed(line.content, exactly=True)
            found.is_scored = found.is_scored or records.is_scored(fields, held.output_format)
            found.add(records.row_id(fields, held.output_format), records.metadata(fields, held.output_format))
            yield Place(line.entry.row, line.entry.failure is not None, number, line.offset)


def _lines(index: LineIndex, files: Files) -> Iterator[bytes]:
    for number, offset in index.in_order():
        files[number].seek(offset)
        yield files[number].readline().rstrip(b"\0\n")


def _write(lines: Iterator[bytes], held: Held, found: Columns, writer: Writer, only: Only | None) -> int:
    kinds, names = found.kinds(), found.names()
    count = 0
    for line in lines:
        read = held.reader(line)
        has_failed = read is not None and read.failure is not None
        if only is not None and has_failed is not (only == "failed"):
            continue
        fields = entry.parsed(line, exactly=True)
        own = {names[name]: value for name, value in records.metadata(fields, held.output_format).items()}
        for record in records.records(fields, held.output_format, read):
            writer.add(columns.cells({**own, **record}, kinds))
            count += 1
    writer.close()
    return count
