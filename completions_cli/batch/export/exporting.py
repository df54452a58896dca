"""Exports an output as a table: reads it once for the columns and once to write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from completions_cli.batch import entry, output_lines
from completions_cli.batch.export import columns, records, writers
from completions_cli.batch.export.columns import Columns
from completions_cli.batch.export.writers import Sink, Table, Writer
from completions_cli.batch.line_index import LineIndex, Place
from completions_cli.batch.ordering import Files
from completions_cli.batch.outputs import Outputs
from completions_cli.errors import OutputError

Only: TypeAlias = Literal["ok", "failed"]


class Exported(NamedTuple):
    """Lines of the table, and rows of the output."""

    lines: int
    rows: int


def export(outputs: Outputs, sink: Sink, table: Table, folder: Path, only: Only | None = None) -> Exported:
    """Write the rows of an output as a table, in the order of the input.

    `folder` takes what does not fit into memory. Raises UsageError for a line that is none of a batch, OutputError
    when the table cannot be written.
    """
    found = Columns()
    try:
        with LineIndex(folder) as index, Files(outputs.files) as files:
            for number in range(len(outputs.files)):
                index.add(_places(outputs, number, found))
            writer = writers.open_writer(table, sink, found.kinds())
            return Exported(_write(_lines(index, files), outputs, found, writer, only), index.summary()[0])
    except OSError as error:
        raise OutputError(f"the table cannot be written: {error.strerror}") from error


def _places(outputs: Outputs, number: int, found: Columns) -> Iterator[Place]:
    for line in output_lines.read(outputs.files[number], outputs.reader):
        if line.entry is not None:
            fields = entry.parsed(line.content, exactly=True)
            found.is_scored = found.is_scored or records.is_scored(fields, outputs.output_format)
            found.add(records.row_id(fields, outputs.output_format), records.metadata(fields, outputs.output_format))
            yield Place(line.entry.row, line.entry.failure is not None, number, line.offset)


def _lines(index: LineIndex, files: Files) -> Iterator[bytes]:
    for number, offset in index.in_order():
        files[number].seek(offset)
        yield files[number].readline().rstrip(b"\0\n")


def _write(lines: Iterator[bytes], outputs: Outputs, found: Columns, writer: Writer, only: Only | None) -> int:
    kinds, names = found.kinds(), found.names()
    count = 0
    for line in lines:
        read = outputs.reader(line)
        has_failed = read is not None and read.failure is not None
        if only is not None and has_failed is not (only == "failed"):
            continue
        fields = entry.parsed(line, exactly=True)
        own = {names[name]: value for name, value in records.metadata(fields, outputs.output_format).items()}
        for record in records.records(fields, outputs.output_format, read):
            writer.add(columns.cells({**own, **record}, kinds))
            count += 1
    writer.close()
    return count
