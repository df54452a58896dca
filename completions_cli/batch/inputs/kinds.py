"""Detects the format of an input by its name, and by its first bytes if the name is unknown or wrong."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Literal, get_args

from completions_cli.api import wire
from completions_cli.batch.inputs import delimiters, text_lines
from completions_cli.batch.recipe import Recipe
from completions_cli.errors import UsageError

Format = Literal["jsonl", "json", "txt", "csv", "tsv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
ENDINGS = ", ".join(f".{name}" for name in FORMATS)  # for messages

BY_LINE: frozenset[Format] = frozenset({"jsonl", "txt"})  # each line is a record
TABLES: frozenset[Format] = frozenset({"csv", "tsv"})  # text, whose records may contain line ends
SEEKING: frozenset[Format] = frozenset({"parquet"})  # not read from front to back

SUFFIXES: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "txt",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
COMPRESSED = (".gz", ".zst")
HEAD_BYTES = 1 << 20  # what is looked at

_PARQUET = b"PAR1"
_PDF, _LFS = b"%PDF-", b"version https://git-lfs.github.com/spec/"  # which begin like text
# Other files that people have by their beginnings, and what makes rows of them.
_OTHERS: Mapping[bytes, tuple[str, str]] = {
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "Unpack it, or save the sheet as CSV."),
    b"BZh": ("compressed with bzip2", "Pipe it in: bzcat FILE | completions batch - …"),
    b"\xfd7zXZ": ("compressed with xz", "Pipe it in: xzcat FILE | completions batch - …"),
    b"ARROW1": ("an Arrow file", "Write it as Parquet."),
    b"ORC": ("an ORC file", "Write it as Parquet."),
    b"Obj\x01": ("an Avro file", "Write it as JSONL or Parquet."),
    _PDF: ("a PDF", "Extract its text, for example with pdftotext."),
    _LFS: ("a pointer of Git LFS, not the file itself", "Run: git lfs pull"),
    b"SQLite format 3": ("an SQLite database", "sqlite3 -json FILE 'select …' > rows.json"),
}
_TAR = re.compile(rb"(?s:.{257})ustar")
_TEXTS = (_PDF, _LFS)
_MAGIC_STARTS = (b"\x1f", b"\x28\xb5")  # what is left of a compressed file that was cut off early
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1f]")
_LINES = 100
_OF_NUL = "If they end its prompts: tr '\\0' '\\n'. --input-format txt takes it as it is."


def by_name(path: str) -> Format | None:
    """Return the format that a name implies, ignoring `.gz` or `.zst`."""
    name = path.lower()
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return SUFFIXES.get(PurePath(name).suffix)


def settle(path: str, stated: Format | None, head: bytes, recipe: Recipe, *, is_pipe: bool = False) -> Format:
    """Return the format of an input that begins with `head`. Raises UsageError that names the option that fits."""
    if head.startswith(_PARQUET):
        return "parquet"
    _refuse_others(path, head)
    named = None if is_pipe else by_name(path)
    kind = stated or named
    if kind == "parquet":
        raise UsageError(
            f"{path} is not a Parquet file", hint="Is it complete? If it is in another format, use --input-format."
        )
    if kind == "txt" or kind in TABLES:
        if stated is None:
            _refuse_lines(path, head, kind)
        return kind
    text = head.removeprefix(text_lines.BOM).lstrip()
    if not text:
        if kind is None and not is_pipe:
            raise _unknown(path, "it is empty", "txt", "takes each line as a prompt")
        return kind or "jsonl"
    if text.startswith(b"["):
        return "jsonl" if _is_list_line(text) else "json"
    if stated is not None:
        return "jsonl"
    _refuse_prose(path, text, recipe, named, is_cut=len(head) >= HEAD_BYTES)
    return "jsonl"


def _refuse_lines(path: str, head: bytes, kind: Format) -> None:
    """Refuse text whose lines are not the prompts or records that its name promises: wrong text would be sent."""
    if b"\r" in head.strip() and b"\n" not in head:
        raise UsageError(f"{path} has lines that end with CR alone", hint="Convert it: tr '\\r' '\\n'.")
    if kind != "txt":
        return
    if b"\0" in head:
        raise UsageError(f"{path} is not text: it has NUL bytes", hint=_OF_NUL)
    lines = _first_lines(head.removeprefix(text_lines.BOM), is_cut=len(head) >= HEAD_BYTES)
    first = lines[0].decode("utf-8", "replace").rstrip("\r")
    delimiter = delimiters.found(first, ("prompt",))
    if all(map(_is_row, filter(None, lines))) and any(lines):
        found: Format = "jsonl"
    elif delimiter is not None and delimiter in first:
        found = "tsv" if delimiter == "\t" else "csv"
    else:
        return
    raise UsageError(
        f"{path}: its name says text, but its lines are those of {found}",
        hint=f"--input-format {found} reads them as rows, --input-format txt takes each line as a prompt.",
    )


def refuse_false_name(path: str, head: bytes) -> None:
    """Raise UsageError when a name promises compression, and the content is neither that nor text: it is damaged."""
    name = path.lower()
    if name.endswith(COMPRESSED) and (not head or _BINARY.search(head[:4096]) or head.startswith(_MAGIC_STARTS)):
        reason = "it is empty" if not head else "it does not begin like such a file"
        raise UsageError(f"{path} is damaged: {reason}", hint="It may be incomplete. Download or write it again.")


def _refuse_others(path: str, head: bytes) -> None:
    text_lines.refuse_wide(head, path)
    if _TAR.match(head):
        raise UsageError(f"{path} is a tar archive", hint="Unpack it: `tar -xf FILE`.")
    for beginning, (what, hint) in _OTHERS.items():
        if head.startswith(beginning) and (beginning in _TEXTS or not _is_text(head)):
            raise UsageError(f"{path} is {what}", hint=hint)


def _is_text(head: bytes) -> bool:
    return not _BINARY.search(head[:512])


def _is_list_line(text: bytes) -> bool:
    """Return whether the first line is a whole JSON array and others follow: JSONL with a bad row."""
    first, _, rest = text.partition(b"\n")
    return bool(rest.strip()) and _is_json(first)


def _refuse_prose(path: str, text: bytes, recipe: Recipe, named: Format | None, *, is_cut: bool) -> None:
    """Refuse what has no line of JSON among its first ones, or JSON that is spread over lines."""
    lines = _first_lines(text, is_cut=is_cut)
    if any(line.lstrip()[:1] in (b"{", b'"') and _is_json(line) for line in lines):
        return
    if _is_spread(text):
        raise UsageError(
            f"{path} is JSON spread over several lines, and a row must be on one",
            hint="Make it JSON Lines: jq -c . FILE, or put the objects into one array.",
        )
    if any(line.lstrip().startswith(b"{") for line in lines):
        return  # rows that are broken, each an error
    if not _is_text(text):
        raise _unknown(
            path, "it is neither JSON nor text", "txt", "takes each line as a prompt", is_named=named is not None
        )
    first = lines[0].decode("utf-8", "replace").rstrip("\r")
    names = recipe.prompt_names
    delimiter = delimiters.found(first, names)
    if delimiter is not None:
        fitting: Format = "tsv" if delimiter == "\t" else "csv"
        raise _unknown(path, "it is not JSON", fitting, "reads it as a table", is_named=named is not None)
    raise _unknown(path, "it is not JSON", "txt", "takes each line as a prompt", is_named=named is not None)


def _first_lines(text: bytes, *, is_cut: bool) -> list[bytes]:
    lines = text.split(b"\n", _LINES)[:_LINES]
    if is_cut and 1 < len(lines) < _LINES:
        lines.pop()
    return lines


def _is_row(line: bytes) -> bool:
    """Return whether a line is a row of JSON, by its names."""
    try:
        value = wire.loads(line.decode()) if line.lstrip().startswith(b"{") else None
    except ValueError:
        return False
    return isinstance(value, dict) and ("prompt" in value or "custom_id" in value)


def _unknown(path: str, why: str, fitting: Format, what_it_does: str, *, is_named: bool = False) -> UsageError:
    return UsageError(
        f"{path}: its name says JSON, but {why}"
        if is_named
        else f"{path}: unknown kind of input: its name does not show it, and {why}",
        hint=f"--input-format {fitting} {what_it_does}; the formats are {', '.join(FORMATS[:-1])} and {FORMATS[-1]}.",
    )


def _is_json(line: bytes) -> bool:
    try:
        wire.loads(line.strip().decode())
    except ValueError:
        return False
    return True


def _is_spread(text: bytes) -> bool:
    """Return whether it begins with an object that ends on another line."""
    decoded = text.decode("utf-8", "replace")
    try:
        _, end = json.JSONDecoder().raw_decode(decoded)
    except (ValueError, RecursionError):
        return False
    return "\n" in decoded[:end]
