"""One record of the input as one row: its request and id, or why it cannot be sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError

from completions_cli import limits
from completions_cli.api import infill, json_errors, wire
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS, split
from completions_cli.batch import encoding
from completions_cli.batch.recipe import OWN, PLAIN, Recipe, sent_of_table
from completions_cli.errors import RowError, UsageError
from completions_cli.models import CompletionRequest, Json, Prompt

# A row larger than this is an error line: no service takes it, and memory must not follow the input.

_NOTHING: Mapping[str, Json] = {}
_COMMON = frozenset({"id", "prompt", "metadata", "continuations"})  # a row of these alone has nothing to sort
_SENT = frozenset({"model", "suffix", *PARAMETERS})
_LONGEST_REASON = 500
# The id of an object that is not whole, as far as the fields before it are texts, numbers and the like.
_ID = re.compile(
    rb'\s*\{(?:\s*"[^"\\]*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[^\s,{}\[\]"]+)\s*,)*?'
    rb'\s*"(?:custom_)?id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d{1,18})(?=\s*[,}])'
)
_ID_WITHIN = 4096


@dataclass(slots=True)
class Row:
    """A record, numbered from 0. `error` says why it cannot be sent; otherwise `prompt` is set.

    `parameters`, `extra` and `model` are the row's own and win over the run's. With `keeps_prompt` the prompt stands in
    its line of the output. `continuations` are scored; without any the prompt is completed.
    """

    number: int
    id: Json = None
    prompt: Prompt | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    model: str | None = None
    metadata: Json = None
    error: RowError | None = None
    keeps_prompt: bool = False
    continuations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request has where its row says nothing."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    model: str | None = None
    infill: str | None = None

    def request(self, row: Row) -> CompletionRequest:
        """Make the request of a row. Raises UsageError for a row of tokens with a suffix that is to be spelled."""
        request = CompletionRequest(
            row.prompt,
            {**self.parameters, **row.parameters} if row.parameters else self.parameters,
            {**self.extra, **row.extra} if row.extra else self.extra,
            row.model or self.model,
        )
        return request if self.infill is None else infill.spelled(request, self.infill)


def text_row(number: int, line: bytes) -> Row:
    """Make a row of a line that is its prompt."""
    try:
        return Row(number, prompt=line.removesuffix(b"\r").decode())
    except UnicodeDecodeError as error:
        return bad(number, _not_utf8(line, error))


def json_row(number: int, line: bytes, recipe: Recipe = PLAIN) -> Row:
    """Read a line of JSON: a string, an object, or a line of the OpenAI batch format."""
    try:
        value = encoding.loads(line)
    except UnicodeDecodeError as error:
        return bad(number, _not_utf8(line, error), id_of_torn(line))
    except ValueError as error:
        return bad(number, _not_json(error), id_of_torn(line))
    if type(value) is str and recipe.template is None:
        return Row(number, prompt=value)
    if type(value) is not dict:
        return bad(number, "not an object" if recipe.template else "neither a string nor an object")
    is_foreign = recipe.template is None and is_openai(value)
    try:
        return _openai_row(number, value) if is_foreign else _object_row(number, value, recipe)
    except UsageError as error:
        name = value["custom_id"] if is_foreign else value.get("id")
        return bad(number, error.message, name, None if is_foreign else _metadata(value, recipe))


def table_row(number: int, cells: Mapping[str, Json], recipe: Recipe = PLAIN) -> Row:
    """Read a record of a table, whose cells are texts, as those of CSV, or typed.

    Nothing is sent but the prompt and the columns that the recipe names; the others come back as metadata.
    """
    row_id = cells.get("id") or None
    metadata: Json = None
    try:
        metadata = {name: cell for name, cell in cells.items() if name != "id" and recipe.keeps(name)} or None
        prompt = recipe.template.fill(cells) if recipe.template else _prompt(cells)
        row = Row(number, prompt=prompt if type(prompt) is str else wire.prompt_from_json(prompt))
        if recipe.send:
            _set_fields(row, sent_of_table(cells, recipe.send))
    except UsageError as error:
        return bad(number, error.message, row_id, metadata)
    row.id, row.metadata = _scalar(row_id), metadata
    return row


def bad(number: int, reason: str, row_id: Json = None, metadata: Json = None) -> Row:
    """Make the row for a record that cannot be sent."""
    return Row(number, id=_scalar(row_id), metadata=metadata, error=RowError(reason[:_LONGEST_REASON]))


def placed(row: Row, place: str) -> Row:
    """Return the place of a bad row in its file."""
    if row.error is not None:
        row.error = RowError(f"{row.error.message} ({place})")
    return row


def too_large(number: int, beginning: bytes = b"") -> Row:
    """Make the row for a record that is too large, given its beginning."""
    return bad(number, f"larger than {limits.ROW_BYTES // limits.MIB} MiB", id_of_torn(beginning))


def id_of_torn(line: bytes) -> Json:
    """Return the id in a line that is not valid JSON, where it plainly is one; else None."""
    found = _ID.match(line[:_ID_WITHIN])
    try:
        return wire.loads(found[1].decode()) if found else None
    except ValueError:
        return None


def is_openai(value: Mapping[str, Json]) -> bool:
    """Return whether an object is a line of the OpenAI batch format, with or without its body."""
    return "custom_id" in value and ("body" in value or ("url" in value and "prompt" not in value))


def _object_row(number: int, value: Mapping[str, Json], recipe: Recipe) -> Row:
    if recipe.template is not None:
        prompt: Json = recipe.template.fill(value)
    else:
        prompt = _prompt(value)
    row = Row(
        number,
        _scalar(value.get("id", value.get("custom_id"))),
        prompt if type(prompt) is str else wire.prompt_from_json(prompt),
        _NOTHING,
        _NOTHING,
        None,
        value.get("metadata"),
    )
    if not (recipe.is_plain and value.keys() <= _COMMON):
        _set_fields(row, _sent(value, recipe))
        row.metadata = _metadata(value, recipe)
    if "continuations" in value and not _is_used("continuations", recipe):
        row.continuations = _continuations(value["continuations"], row.prompt)
    return row


def _continuations(given: Json, prompt: Prompt | None) -> tuple[str, ...]:
    """Read what is to be scored after a prompt, if anything is."""
    if given is None:
        return ()
    if not isinstance(given, list) or not given or not all(isinstance(text, str) and text for text in given):
        raise UsageError("continuations must be an array of texts, none of them empty")
    if not isinstance(prompt, str):
        raise UsageError("continuations need a prompt of text")
    return tuple(given)


def _sent(value: Mapping[str, Json], recipe: Recipe) -> dict[str, Json]:
    """Collect the fields that a JSON row sends with its prompt. Null means not given, except within `extra`."""
    extra = None if _is_used("extra", recipe) else value.get("extra")
    if not isinstance(extra, dict | None):
        raise UsageError("extra must be an object")
    if extra and not extra.keys().isdisjoint(("prompt", "stream")):
        raise UsageError("extra cannot hold prompt or stream")
    own = {name: field for name, field in value.items() if field is not None and _is_sent(name, recipe)}
    return {**(extra or {}), **own}


def _metadata(value: Mapping[str, Json], recipe: Recipe) -> Json:
    """Return what comes back with a JSON row: its own metadata, and beside it every field that means nothing to us."""
    own = value.get("metadata")
    others = {name: field for name, field in value.items() if _is_kept(name, recipe)}
    if not others:
        return own
    if own is None:
        return others
    return {**others, **(own if isinstance(own, dict) else {"metadata": own})}


def _is_sent(name: str, recipe: Recipe) -> bool:
    return name in recipe.send or (name in _SENT and not _is_used(name, recipe))


def _is_kept(name: str, recipe: Recipe) -> bool:
    if name == "metadata":
        return False
    if name in OWN and not (name == "prompt" and recipe.template):
        return recipe.keep is not None and name in recipe.keep
    return recipe.keeps(name)


def _is_used(name: str, recipe: Recipe) -> bool:
    """Return whether the prompt is made of a field: it then means nothing else."""
    return recipe.template is not None and name in recipe.template.names


def _openai_row(number: int, value: Mapping[str, Json]) -> Row:
    body, method, url = value.get("body"), value.get("method", "POST"), value.get("url")
    if method != "POST" or (isinstance(url, str) and url.endswith("/chat/completions")):
        raise UsageError(f"not a completions request: {method} {url}")
    if not isinstance(body, dict):
        raise UsageError("body is not an object")
    row = Row(number, id=_scalar(value["custom_id"]), prompt=wire.prompt_from_json(_prompt(body, " in body")))
    # Within a body, `id` and `metadata` are parameters like any other.
    _set_fields(row, body)
    return row


def _prompt(fields: Mapping[str, Json], where: str = "") -> Json:
    prompt = fields.get("prompt")
    if prompt is None:
        chat = ": messages are for chat, this API completes text" if "messages" in fields else ""
        raise UsageError(f"no prompt{where}{chat}")
    return prompt


def _set_fields(row: Row, fields: Mapping[str, Json]) -> None:
    """Sort what a row sends beside its prompt. Raises UsageError for a value of the wrong type."""
    parameters, extra, row.model = split(fields, DOCUMENTED)
    row.parameters, row.extra = parameters or _NOTHING, extra or _NOTHING


def _scalar(value: Json) -> Json:
    """Keep an id that can name a row; what is no scalar is named by its JSON."""
    return wire.dumps(value) if isinstance(value, dict | list) else value


def _not_json(error: ValueError) -> str:
    if not isinstance(error, JSONDecodeError):
        return f"not valid JSON: {json_errors.described(error)}"
    return f"not valid JSON at column {error.colno}: {json_errors.explained(error.msg)}"


def _not_utf8(line: bytes, error: UnicodeDecodeError) -> str:
    return f"not UTF-8: byte {error.start} is 0x{line[error.start]:02x}"
