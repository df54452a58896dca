"""One record of the input as one row: what to ask, under which name, or why it cannot be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from completions_cli.api import wire
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS, split
from completions_cli.batch.template import Template
from completions_cli.errors import RowError, UsageError
from completions_cli.models import CompletionRequest, Json, Prompt

# A row larger than this is an error line: no service takes it, and memory must not follow the input.
MAX_ROW_BYTES = 16 * 1024 * 1024

_OWN = DOCUMENTED | {"id", "metadata"}
_NOTHING: Mapping[str, Json] = {}


@dataclass(slots=True)
class Row:
    """A record by its number from 0. `error` says why it cannot be asked; else `prompt` is set.

    `parameters`, `extra` and `model` are the row's own and win over the run's.
    """

    number: int
    id: Json = None
    prompt: Prompt | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    model: str | None = None
    metadata: Json = None
    error: RowError | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the run asks for where a row says nothing."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    model: str | None = None

    def request(self, row: Row) -> CompletionRequest:
        """Make the request of a row."""
        return CompletionRequest(
            prompt=row.prompt,
            parameters={**self.parameters, **row.parameters} if row.parameters else self.parameters,
            extra={**self.extra, **row.extra} if row.extra else self.extra,
            model=row.model or self.model,
        )


def text_row(number: int, line: bytes) -> Row:
    """Take a line as the prompt."""
    try:
        return Row(number, prompt=line.removesuffix(b"\r").decode())
    except UnicodeDecodeError as error:
        return bad(number, _not_utf8(line, error))


def json_row(number: int, line: bytes, template: Template | None = None) -> Row:
    """Read a line of JSON: a string, an object, or a line of the OpenAI batch format."""
    try:
        value = wire.loads(line.decode())
    except UnicodeDecodeError as error:
        return bad(number, _not_utf8(line, error))
    except ValueError as error:
        return bad(number, f"not valid JSON: {error}")
    if type(value) is str and template is None:
        return Row(number, prompt=value)
    if type(value) is not dict:
        return bad(number, "not an object" if template else "neither a string nor an object")
    is_foreign = is_openai(value)
    try:
        return _openai_row(number, value) if is_foreign else _object_row(number, value, template)
    except UsageError as error:
        name = value["custom_id"] if is_foreign else value.get("id")
        return bad(number, error.message, name, None if is_foreign else value.get("metadata"))


def table_row(number: int, cells: Mapping[str, Json], template: Template | None = None) -> Row:
    """Read a record of a table: columns named like parameters are such, other columns come back as metadata.

    Cells are texts, as those of CSV, or typed; an empty text is no parameter.
    """
    row_id = cells.get("id") or None
    fields: dict[str, Json] = {}
    metadata = {}
    used = template.names if template else frozenset({"prompt"})
    try:
        for name, cell in cells.items():
            if name in PARAMETERS and name not in used:
                if cell not in ("", None):
                    fields[name] = _parameter_cell(name, cell)
            elif name == "model" and name not in used:
                fields["model"] = cell or None
            elif name not in used and name != "id":
                metadata[name] = cell
        fields["prompt"] = template.fill(cells) if template else cells.get("prompt")
        row = _object_row(number, fields, None)
    except UsageError as error:
        return bad(number, error.message, row_id, metadata or None)
    row.id, row.metadata = row_id, metadata or None
    return row


def bad(number: int, reason: str, row_id: Json = None, metadata: Json = None) -> Row:
    """Make the row that stands for a record that cannot be asked."""
    return Row(number, id=_scalar(row_id), metadata=metadata, error=RowError(reason[:500]))


def is_openai(value: Mapping[str, Json]) -> bool:
    """Tell a line of the OpenAI batch format, also one that lacks its body."""
    return "custom_id" in value and ("body" in value or ("url" in value and "prompt" not in value))


def _object_row(number: int, value: Mapping[str, Json], template: Template | None) -> Row:
    used = template.names if template else frozenset[str]()
    if template is not None:
        prompt: Json = template.fill(value)
    else:
        prompt = value.get("prompt")
        if prompt is None:
            raise UsageError(_no_prompt(value))
    row = Row(
        number,
        id=_scalar(value.get("id")),
        prompt=prompt if type(prompt) is str else wire.prompt_from_json(prompt),
        metadata=value.get("metadata"),
    )
    if len(value) > 1:
        _add_fields(row, {name: field for name, field in value.items() if name not in used})
    return row


def _openai_row(number: int, value: Mapping[str, Json]) -> Row:
    body, method, url = value.get("body"), value.get("method", "POST"), value.get("url")
    if method != "POST" or (isinstance(url, str) and url.endswith("/chat/completions")):
        raise UsageError(f"not a completions request: {method} {url}")
    if not isinstance(body, dict):
        raise UsageError("body is not an object")
    if body.get("prompt") is None:
        raise UsageError(_no_prompt(body, " in body"))
    row = Row(number, id=_scalar(value["custom_id"]), prompt=wire.prompt_from_json(body["prompt"]))
    # Within a body, `id` and `metadata` are parameters like any other.
    _add_fields(row, body, own=DOCUMENTED)
    return row


def _no_prompt(fields: Mapping[str, Json], where: str = "") -> str:
    return f"no prompt{where}" + (": messages are for chat, this API completes text" if "messages" in fields else "")


def _add_fields(row: Row, fields: Mapping[str, Json], own: frozenset[str] = _OWN) -> None:
    """Sort the fields of a record. Null means that it says nothing."""
    parameters, extra, row.model = split(fields, own)
    row.parameters, row.extra = parameters or _NOTHING, extra or _NOTHING


def _parameter_cell(name: str, cell: Json) -> Json:
    if name == "stop" or not isinstance(cell, str):
        return cell
    try:
        return wire.loads(cell)
    except ValueError:
        raise UsageError(f"{name} must be a number") from None


def _scalar(value: Json) -> Json:
    """Keep an id that can name a row; what is no scalar is named by its JSON."""
    return wire.dumps(value) if isinstance(value, dict | list) else value


def _not_utf8(line: bytes, error: UnicodeDecodeError) -> str:
    return f"not UTF-8: byte {error.start} is 0x{line[error.start]:02x}"
