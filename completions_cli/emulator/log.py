"""The request log: one JSON line for each request, keys masked; and a short one for who watches."""

import base64
import contextlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TextIO
from urllib.parse import quote, quote_plus, unquote

from completions_cli.emulator.behaviours import Head
from completions_cli.errors import OutputError
from completions_cli.wall_clock import unix_time

_SECRET_WORDS = ("auth", "key", "token", "secret", "cookie", "pass", "pwd", "credential", "signature", "session", "jwt")
_SECRET_ITEMS = ("code", "sig", "sas")  # of a query
_MASK = "****"
_SHORTEST = 4  # a key shorter than this would black out innocent words
_SCHEMES = ("basic", "bearer", "digest", "key", "token")
_SEPARATOR = re.compile("(&|;(?=[^=&;]+=))")  # of items of a query; a semicolon is none if no name follows


def masked(name: str, value: str) -> str:
    """Hide the value of a header or query item that may hold a secret; a well-known scheme stays."""
    if name.startswith("x-ratelimit-") or not any(word in name for word in _SECRET_WORDS):
        return value
    scheme, _, rest = value.partition(" ")
    return f"{scheme} {_MASK}" if rest and scheme.lower() in _SCHEMES else _MASK


def _masked_query(query: str) -> str:
    return "".join(map(_masked_item, _SEPARATOR.split(query)))


def _masked_item(item: str) -> str:
    name, equals, value = item.partition("=")
    if not equals:
        return item
    plain = unquote(name).lower()
    return f"{name}={_MASK if plain in _SECRET_ITEMS else masked(plain, value)}"


class LogEntry:
    """One request's line: what is noted while the answer is decided, written before its first byte leaves.

    So whoever has seen an answer finds the request in the log.
    """

    def __init__(self, log: "RequestLog", request: Mapping[str, object]) -> None:
        self._log = log
        self._record = dict(request)

    def note(self, **notes: object) -> None:
        """Add to the line."""
        self._record |= notes

    def write(self) -> None:
        """Write the line."""
        self._log.write(self._record)


class RequestLog:
    """Appends to a JSONL file, or nowhere, and tells `show` of each request if there is one.

    When a line cannot be written it keeps the `failure`, calls `when_failed` and stays silent from then on.
    """

    def __init__(
        self, stream: TextIO | None, show: Callable[[str], None] | None = None, key: str | None = None
    ) -> None:
        self._key = _spelled(key) if key and len(key) >= _SHORTEST else None
        self._stream = stream
        self._show = show
        self._requests = 0
        self._lock = threading.Lock()
        self.failure: OutputError | None = None
        self.when_failed: Callable[[], None] = _nothing

    def entry(self, head: Head, body: bytes) -> LogEntry:
        """Begin a request's line. Bytes of the body that are not UTF-8 are shown as escapes."""
        self._requests += 1
        if not self._stream and not self._show:
            return LogEntry(self, {})
        seen = {
            "request": self._requests,
            "time": unix_time(),
            "status": None,
            "method": head.method,
            "path": head.path,
            "query": _masked_query(head.query_string),
            "headers": {name: masked(name, value) for name, value in head.headers.items()},
            "body": body.decode("utf-8", "backslashreplace"),
        }
        return LogEntry(self, seen)

    def write(self, record: Mapping[str, object]) -> None:
        """Write one line, so that a reader never sees half of it."""
        if self._key and (self._stream or self._show):
            record = {name: _without(self._key, value) for name, value in record.items()}
        if self._show:
            self._show(_short(record))
        if not self._stream or self.failure:
            return
        try:
            with self._lock:
                self._stream.write(json.dumps(record) + "\n")
                self._stream.flush()
        except OSError as error:
            self.failure = _cannot_write(self._stream.name, error)
            self.when_failed()

    def leave(self, code: int) -> NoReturn:
        """End the process at once, but for the line that is being written. May be called by any thread."""
        with self._lock:
            os._exit(code)


@contextmanager
def open_log(path: Path | None, show: Callable[[str], None] | None, key: str | None = None) -> Iterator[RequestLog]:
    """Open the log for appending; without a path nothing is kept. The `key` is masked. Raises OutputError."""
    if path is None:
        yield RequestLog(None, show, key)
        return
    try:
        stream = open(path, "a", encoding="utf-8", opener=_private)  # noqa: SIM115 - closed below
    except OSError as error:
        raise _cannot_write(str(path), error) from error
    try:
        yield RequestLog(stream, show, key)
    finally:
        with contextlib.suppress(OSError):  # told when it was written
            stream.close()


def _private(path: str, flags: int) -> int:
    """Open a log that holds prompts: a new one is readable by its owner alone."""
    return os.open(path, flags, 0o600)


def _spelled(key: str) -> re.Pattern[str]:
    """Return what finds a key in any text: as it is, with escapes of URLs, JSON or HTML, in base64 and hexadecimal."""
    data = key.encode("utf-8", "surrogateescape")
    wholes = {quote_plus(key), json.dumps(key)[1:-1], data.hex()}
    for before in range(3):  # what stands before it decides where a group of base64 begins
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        middle = whole[-(-before * 4 // 3) : len(whole) - bool((before + len(data)) % 3)]
        wholes |= {middle, middle.replace("+", "-").replace("/", "_")}
    forms = [*map(re.escape, sorted(wholes, key=len, reverse=True)), "".join(map(_character, key))]
    return re.compile("|".join(forms), re.IGNORECASE)


def _character(character: str) -> str:
    """Return a pattern of the ways to write a character, escapes of escapes too; bounded, so that none is slow."""
    code, data = ord(character), character.encode("utf-8", "surrogateescape")
    ways = [
        re.escape(character) if character.isalnum() else rf"\\{{0,16}}{re.escape(character)}",
        "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in data),
        rf"\\{{1,16}}u{code:04x}",
        "".join(rf"\\{{1,16}}x{byte:02x}" for byte in data),
        f"&#0{{0,5}}(?:{code}|x0{{0,5}}{code:x});?",
    ]
    return f"(?:{'|'.join(ways)})"


def _without(key: re.Pattern[str], value: object) -> object:
    """Return a value of a line without the key."""
    if isinstance(value, str):
        return key.sub(_MASK, value)
    if isinstance(value, Mapping):
        return {key.sub(_MASK, name): _without(key, item) for name, item in value.items()}
    return value


def _short(record: Mapping[str, Any]) -> str:
    """Return a request as one line; one whose client left before its answer has no status."""
    faults = record.get("faults") or ()
    return " ".join([record["method"], quote(record["path"]), str(record["status"] or "-"), *faults])


def _cannot_write(path: str, error: OSError) -> OutputError:
    return OutputError(f"cannot write the log {path}: {error.strerror}", hint="Is the disk full, or read-only?")


def _nothing() -> None:
    pass
