"""Adds the lines that lost workers left to their parts: answers that were paid for."""

from pathlib import Path

from completions_cli.batch import entry
from completions_cli.batch.cluster import parts, write_ahead
from completions_cli.batch.cluster.fencing import Writer
from completions_cli.batch.cluster.part_log import PartLog
from completions_cli.batch.formats import OutputFormat
from completions_cli.errors import OutputError


def salvage(writer: Writer, folder: Path, output_format: OutputFormat) -> None:
    """Add the lines that were left below a folder to their parts. Raises OutputError.

    A part that has an answer of a row already keeps it. What is no line of a batch is dropped: its row is asked again.
    """
    try:
        left = list(write_ahead.left_in(folder))
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be read: {error.strerror}", hint="Check the folder and its disk."
        ) from error
    for name, content in left:
        first = parts.first_row(name)
        lines = [line for line in content.splitlines(keepends=True) if entry.read(line.rstrip(), output_format)]
        if first is not None and lines:
            log = PartLog(writer, first, parts.kind_of(name), output_format)
            log.append(b"".join(lines))
            log.commit()
