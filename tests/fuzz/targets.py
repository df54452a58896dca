"""What may be fed anything: each target takes bytes, and asserts what holds whatever they are."""

import gzip
import io
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

from completions_cli.api import document, endpoint, error_map, wire
from completions_cli.api.reader import ResponseReader
from completions_cli.api.sse import EventDecoder
from completions_cli.batch import entry, recovery
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.inputs import json_array
from completions_cli.batch.inputs.compression import Compression
from completions_cli.batch.inputs.kinds import Format
from completions_cli.batch.inputs.reading import Reading
from completions_cli.batch.journal import Journal
from completions_cli.batch.output_lines import EntryReader
from completions_cli.batch.recipe import PLAIN
from completions_cli.batch.recovery import Recovered
from completions_cli.batch.source import Source, open_source
from completions_cli.errors import CompletionsError, ConfigError, ServiceError, UsageError
from completions_cli.settings import key_path, positions, profile_file
from completions_cli.streams import visible
from tests.api.sse_oracle import as_text, oracle


def pieces(data: bytes) -> list[bytes]:
    """Cut data in pieces of a size that its own first byte gives."""
    size = (data[0] % 16 if data else 0) + 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def events(data: bytes) -> None:
    """Hold the event decoder, fed in pieces, to the standard's wording."""
    decoder = EventDecoder()
    found = [event for piece in pieces(data) for event in decoder.feed(piece)]
    assert as_text((found, decoder.close())) == oracle(data)


def answer(data: bytes) -> None:
    """Read an answer: valid text, or an error of ours with words, and the batch's short way agrees."""
    reader = ResponseReader()
    try:
        chunks = [chunk for piece in pieces(data) for chunk in reader.feed(piece)]
        chunks += reader.close()
        text = "".join(delta.text for chunk in chunks for delta in chunk.deltas if delta.index == 0)
        text.encode()
    except CompletionsError as error:
        assert error.message
        assert error.exit_code > 1
        text = None
    try:
        whole = document.read(data)
    except CompletionsError:
        assert text is None
    else:
        assert text is not None
        wire.dumps(dict(whole.response))


def refusal(data: bytes) -> None:
    """Read an error's body under statuses of every class."""
    for status in (400, 401, 404, 408, 418, 424, 429, 500, 599):
        text = data[:40].decode("latin-1")
        names = ("retry-after", "x-ms-error-code", "x-request-id", "ms-azureml-model-error-statuscode", "date")
        found = error_map.from_response(status, dict.fromkeys(names, text), data, 0.0)
        assert isinstance(found, ServiceError)
        assert found.message
        assert found.exit_code > 1
        assert found.retry_after is None or found.retry_after >= 0


def profile(data: bytes) -> None:
    """Read a profile file: checked settings, or a ConfigError that names the file."""
    text = data.decode("utf-8", "replace")
    try:
        found = profile_file.parse(text, Path("the-file"))
    except ConfigError as error:
        assert error.message.startswith("the-file")
    else:
        assert set(found.profiles) == {
            path[1] for path in positions.locate(text) if path[:1] == ("profiles",) and path[1:]
        }


def key(data: bytes) -> None:
    """Read what is typed as a key and a value for `config set`."""
    name, _, value = data.decode("utf-8", "replace").partition("=")
    try:
        key_path.value(key_path.parse(name, "p"), value)
    except (ConfigError, UsageError) as error:
        assert error.message


def address(data: bytes) -> None:
    """Read an endpoint: its URL stays within its origin, and reading it again changes nothing (but a chat route)."""
    try:
        found = endpoint.resolve(data.decode("utf-8", "replace"))
    except ConfigError:
        return
    assert found.url.isascii()
    assert found.url.startswith(found.origin + "/")
    assert endpoint.origin(found.url) == found.origin
    assert "/chat/" in found.url or endpoint.resolve(found.url) == found


def rows(data: bytes) -> None:
    """Read rows in each format: all numbered, each a prompt or an error; or the input as a whole is refused."""
    for kind in get_args(Format):
        for compressed in (None, *get_args(Compression)):
            source = Source(io.BytesIO(data), Reading("in", kind), compressed)
            try:
                found = list(source.rows())
            except UsageError as error:
                assert error.message
                continue
            assert [row.number for row in found] == list(range(len(found)))
            assert all((row.error is None) != (row.prompt is None) for row in found)


def opening(data: bytes) -> None:
    """Open an input by its content: a format is found and its rows can be counted and read, or it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.json"
        path.write_bytes(data)
        source = None
        try:
            source = open_source(str(path), kind=None, recipe=PLAIN, stdin=io.BytesIO, spool_folder=Path(folder))
            source.survey()
            found = list(source.rows())
        except UsageError as error:
            assert error.message
            return
        finally:
            if source is not None:
                source.close()
        if source.kind != "jsonl" or not data.startswith(b"\xef\xbb\xbf"):
            assert len(found) == source.lines


def array(data: bytes) -> None:
    """Read an array: its elements are those that JSON has, or it is refused and JSON refuses it, too."""
    try:
        expected = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        expected = None
    try:
        found = [json.loads(element.content) for element in json_array.elements(io.BytesIO(data))]
    except UsageError:
        assert not isinstance(expected, list)
        return
    except UnicodeDecodeError:
        assert expected is None
        return
    assert expected is None or repr(found) == repr(expected)


def output(data: bytes) -> None:
    """Recover an output: whole lines, a row each, and recovering again changes nothing; or refused and untouched."""
    for kind in get_args(OutputFormat):
        read = partial(entry.read, output_format=kind)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out"
            path.write_bytes(data)
            try:
                found = _recovered(path, read)
            except UsageError:
                assert path.read_bytes() == data
                continue
            mended = path.read_bytes()
            lines = [line for line in mended.split(b"\n") if line.strip()]
            assert mended == b"" or mended.endswith(b"\n")
            rows = [line for line in lines if line != b"\xef\xbb\xbf"]
            assert len(found.done) == len(rows) == found.ok + found.failed.total()
            assert all(line in data for line in lines)
            again = _recovered(path, read)
            assert path.read_bytes() == mended
            assert (len(again.done), again.ok, again.notes(path)) == (len(found.done), found.ok, [])


def _recovered(path: Path, read: EntryReader) -> Recovered:
    journal = Journal(path)
    try:
        return recovery.recover(journal, read)
    finally:
        journal.close()


def screen(data: bytes) -> None:
    """Make text visible: nothing of it drives a terminal, however it is cut, and plain text stays as it is."""
    text = data.decode("utf-8", "surrogateescape")
    shown = visible(text)
    assert shown == "".join(map(visible, text))
    assert all(char in "\t\n" or char.isprintable() or ord(char) > 0xFF for char in shown)
    assert shown == text or not text.isprintable()


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (events, answer, refusal, profile, key, address, rows, opening, array, output, screen)
}
_CHOICE = (
    b'{"id":"x","choices":[{"index":0,"text":"a\\ud83d\\ude00","finish_reason":"stop"}],"usage":{"total_tokens":2}}'
)
_LINE = b'{"id":"a","row":3,"choices":[],"usage":null,"model":null,"metadata":{"row":1},"error":{"kind":"rejected"}}\n'
_OPENAI = b'{"id":"batch_req_000000000002","custom_id":"c","response":{"status_code":200},"error":null}\n'
_TOML = b"""\xef\xbb\xbfdefault_profile = "a"
[profiles.a]
endpoint = "https://h" # why
retries = 3
key_command = ["pass", 'x']
params = {temperature = 0.5, stop = ["a", "b"]}
[profiles."b c".headers]
x-a = \"\"\"b\"\"\"
"""
# Where a run begins: what each target reads in real life.
SEEDS: dict[str, list[bytes]] = {
    "events": [b": c\r\nevent: error\rdata: a\ndata\n\nid: 1\nretry: 5\n\n", b"\xef\xbb\xbfdata: " + _CHOICE + b"\n\n"],
    "answer": [
        _CHOICE,
        b"data: " + _CHOICE + b"\n\ndata: [DONE]\n\n",
        b'event: error\ndata: {"error":{"code":429}}\n\n',
    ],
    "refusal": [
        b'{"error":{"code":"x","message":"in 3 seconds","param":"p","status":429}}',
        b'{"detail":[{"loc":["body","stop","str"],"msg":"m","type":"t"}]}\nPlease check this guide',
        b'{"message":"{\\"error\\":{\\"message\\":\\"m\\"}}"}',
        b"<!doctype html><title>502</title>",
    ],
    "profile": [_TOML],
    "key": [b'profiles."a b".params.stop=["x"]', b"extra.a={}", b"timeout=5"],
    "address": [
        b"https://n.r.models.ai.azure.com/v1/chat/completions?api-version=x#f",
        b"[::1]:8/score",
        b"localhost",
        b"host/v1/chat",
    ],
    "rows": [
        b'"a"\n{"id":1,"prompt":[[1,2],[3]],"stop":["x"],"metadata":{}}\r\n',
        b'{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":"P"}}\n',
        b'id,prompt,max_tokens\n1,"a\nb",3\n',
    ],
    "opening": [
        b'[{"prompt": "a"},\n "b"]',
        b'{"prompt": "a"}\n\n"b"',
        b'{\n "prompt": 1}',
        gzip.compress(b'"a"\n'),
        b"PAR1\0\0PAR1",
        b"id;prompt\n1;x\n",
    ],
    "array": [b'[1, "a\\u0041", {"a": [null, 1.5e3]}, tr', b"[]", b'[\n"\xc3\xa9", -0.1e+2 ]'],
    "output": [_LINE + _LINE.replace(b":3", b":4") + b'{"torn', _OPENAI + _OPENAI + b"\0" * 9],
    "screen": [b"a\x1b]52;c;aGk=\x07\xc2\x9b31m\xe2\x80\xae\t\n", "é漢字 😀".encode()],
}
