"""Answers as JSON: the response object, or an object on each line."""

from completions_cli.api import wire
from completions_cli.api.assemble import Assembler
from completions_cli.atomic import Destination
from completions_cli.errors import MalformedResponseError, UsageError
from completions_cli.models import Chunk, Finished, Json
from completions_cli.streams import visible_json


class Document:
    """The response object, one document: the whole answer, or what came of it."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._assembler = Assembler()

    def chunk(self, chunk: Chunk) -> None:
        """Keep the chunk until the end."""
        self._assembler.add(chunk)

    def finish(self, finished: Finished) -> None:
        """Write the whole answer."""
        self._write(self._assembler.response(finished.usage))

    def abort(self) -> None:
        """Write what was received, if anything."""
        partial = self._assembler.so_far()
        if partial is not None:
            self._write(partial)

    def _write(self, response: Json) -> None:
        write_document(self._destination, response)


class ChoiceLines(Document):
    """One object per choice, a line each."""

    def _write(self, response: Json) -> None:
        for choice in response["choices"]:
            write_line(self._destination, choice)


class ChunkLines:
    """Each chunk of a stream as it arrives, a line each."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def chunk(self, chunk: Chunk) -> None:
        """Write the chunk as the server sent it."""
        write_line(self._destination, chunk.raw)

    def finish(self, finished: Finished) -> None:
        """Every line is already out."""

    def abort(self) -> None:
        """Every line is already whole."""


def write_document(destination: Destination, value: object) -> None:
    """Write one JSON document, indented for a terminal. Raises MalformedResponseError."""
    _write(destination, value, indent=2 if destination.is_terminal else None)


def write_line(destination: Destination, value: object) -> None:
    """Write JSON on a line of its own. Raises MalformedResponseError."""
    _write(destination, value, indent=None)


def _write(destination: Destination, value: object, *, indent: int | None) -> None:
    try:
        text = wire.dumps(value, indent=indent)
    except UsageError as error:
        raise MalformedResponseError(f"the response cannot be shown as JSON: {error.message}") from error
    destination.write((visible_json(text) if destination.is_terminal else text).encode() + b"\n")
