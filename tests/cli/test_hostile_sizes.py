"""Counts, lengths and times that lie: of servers and of files. Each is used, cut off or refused, in bounded memory."""

import gzip
import itertools
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import COMMAND, Cli, Result
from tests.scripted_server import Endless, Script, ScriptedServer, response, stream_head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
GIBIBYTE = 1 << 20  # in ulimit's KiB
BUG = 1


def run(cli: Cli, *args: str, memory: int = 3 * GIBIBYTE) -> Result:
    """Run the command with so much memory."""
    line = f'ulimit -v {memory}; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", COMMAND, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=cli.env,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def answer(**fields: object) -> bytes:
    """Return an answer with some other fields than usual; a name that begins with `choice_` is one of its choice's."""
    choice = {"index": 0, "text": "hello", "finish_reason": "stop"}
    own = {name.removeprefix("choice_"): value for name, value in fields.items() if name.startswith("choice_")}
    others = {name: value for name, value in fields.items() if not name.startswith("choice_")}
    return json.dumps({"choices": [{**choice, **own}], **others}).encode()


HUGE: list[object] = [10**30, -(10**30), 1e300, 2**64, -1, "9" * 5000, [[]] * 1000, {"x": None}, True]
DEEP = b"[" * 200_000
FIELDS: dict[str, bytes] = {
    **{
        f"usage {n}": answer(usage=dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), value))
        for n, value in enumerate(HUGE)
    },
    **{f"index {n}": answer(choice_index=value) for n, value in enumerate(HUGE)},
    **{f"created {n}": answer(created=value) for n, value in enumerate(HUGE)},
    **{f"model {n}": answer(model=value, id=value, choice_finish_reason=value) for n, value in enumerate(HUGE)},
    "an integer of 5,000 digits": b'{"usage":{"total_tokens":' + b"9" * 5000 + b'},"choices":[]}',
    "a float beyond floats": answer(choice_logprobs={"token_logprobs": [0]}).replace(b"[0]", b"[-1e99999]"),
    "a long model": answer(model="\x1b[31m\u202e" * 100_000),
    "as many choices as fit": b'{"choices":[' + b",".join([b'{"text":""}'] * 100_000) + b"]}",
    "depth": b'{"choices":' + DEEP,
    "a deep field": answer(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 900 + b"]" * 900),
    "many names": b'{"choices":[{"text":"x","finish_reason":"stop"}],'
    + b",".join(b'"%d":1' % n for n in range(200_000))
    + b"}",
}
HEADERS: dict[str, list[str]] = {
    **{
        f"retry-after: {value[:20]}": [f"retry-after: {value}"]
        for value in (
            "9" * 5000,
            "-1",
            "1e308",
            "nan",
            "inf",
            "0x10",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Fri, 99 Foo -1",
            "1" * 400,
        )
    },
    **{f"retry-after-ms: {value[:9]}": [f"retry-after-ms: {value}"] for value in ("9" * 300, "1e400", "-5")},
    "a rate of much": [
        "x-ratelimit-remaining-tokens: " + "9" * 4000,
        "x-ratelimit-limit-requests: -1",
        "x-ratelimit-reset-tokens: 1e999s",
    ],
    "a status of the model": ["ms-azureml-model-error-statuscode: " + "9" * 5000],
    "controls": ["x-request-id: \x1b[2J\x9b31m\u202e"],
}
WHOLE = answer()
BROKEN: dict[str, Script] = {
    "a length of 10**30": [b"HTTP/1.1 200 OK\r\ncontent-length: 1" + b"0" * 30 + b"\r\n\r\n" + WHOLE],
    "a length of -1": [b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n" + WHOLE],
    "two lengths": [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 900\r\n\r\n" + WHOLE],
    "a length in words": [b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n" + WHOLE],
    "a length that is too short": [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + WHOLE],
    "a chunk of 2**64": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + WHOLE],
    "a chunk of a long extension": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;", Endless(b"x" * 65536)],
    "headers without end": [b"HTTP/1.1 200 OK\r\n", Endless(b"x-a: b\r\n" * 8192)],
    "a header without end": [b"HTTP/1.1 200 OK\r\nx: ", Endless(b"x" * 65536)],
    "a status line without end": [b"HTTP/1.1 200 ", Endless(b"x" * 65536)],
    "trailers without end": [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        Endless(b"x-a: b\r\n" * 8192),
    ],
    "an error without end": [b"HTTP/1.1 500 X\r\n\r\n", Endless(b"x" * 65536)],
    "a stream of names": [stream_head(), Endless(b"event: x\nid: y\nretry: 99999999999999999999\n" * 1000)],
    "an event of many lines": [stream_head(), Endless(b"data: x\n" * 8192)],
    "a bomb": [
        response(gzip.compress(bytes(1 << 29), 1), headers=["content-encoding: gzip"]),
    ],
    "a bomb in a bomb": [
        response(gzip.compress(gzip.compress(bytes(1 << 24))), headers=["content-encoding: gzip, gzip"])
    ],
    "a deflated bomb of an error": [response(zlib.compress(bytes(1 << 28), 1), "500 X", ["content-encoding: deflate"])],
}


def check(done: Result) -> None:
    """Refuse a bug of ours, and a message that nobody can read."""
    assert done.code not in (BUG, -9, -11, 137, 139), done.stderr[:500]
    assert "Traceback" not in done.stderr
    assert "MemoryError" not in done.stderr
    assert len(done.stderr) < 5000, done.stderr[:300]


def asked(cli: Cli, server: ScriptedServer, script: Script, tmp_path: Path, *options: str) -> list[Result]:
    """Ask for one answer in each way there is."""
    cli.service(server.url)
    server.play(script)
    rows, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    rows.write_text("P\n", encoding="utf-8")
    common = ("--retries", "0", "--timeout", "2", "--max-wait", "1", "--deadline", "20", *options)
    found = [
        run(cli, "complete", "P", "-u", *common),
        run(cli, "stream", "P", "-F", "json", *common),
        run(cli, "batch", str(rows), "-o", str(out), "--overwrite", *common),
    ]
    for line in out.read_bytes().splitlines() if out.exists() else ():
        json.loads(line)
    return found


def test_figures_in_answers(cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    """All rows of a batch, and a few single calls, each with another field that lies."""
    cli.service(scripted_server.url)
    scripts = [[response(body)] for body in FIELDS.values()]
    rows, out, summary = (tmp_path / name for name in ("in.txt", "out.jsonl", "summary.json"))
    rows.write_text("P\n" * len(scripts), encoding="utf-8")
    scripted_server.play(*scripts, [response(WHOLE)])
    options = ("--retries", "0", "-j", "1", "--max-errors", "100%", "--mixed-models", "--summary", str(summary))
    done = run(
        cli, "batch", str(rows), "-o", str(out), "--max-cost", "1e6", "--price-in", "1", "--price-out", "1", *options
    )
    check(done)
    assert len(out.read_bytes().splitlines()) == len(scripts), done.stderr
    json.loads(summary.read_text(encoding="utf-8"))
    check(run(cli, "batch", "status", str(out)))
    check(run(cli, "batch", "export", str(out), "-o", str(tmp_path / "out.csv")))
    for script, command in zip(scripts[::6], itertools.cycle(["complete", "stream"]), strict=False):
        scripted_server.play(script)
        check(run(cli, command, "P", "-u", "--retries", "0", "-F", "json" if command == "stream" else "text"))


@pytest.mark.parametrize("name", HEADERS)
def test_figures_in_headers(name: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    for status in ("503 X", "200 OK") if name == "controls" else ("503 X",):
        for done in asked(cli, scripted_server, [response(WHOLE, status, HEADERS[name])], tmp_path):
            check(done)


@pytest.mark.parametrize("name", BROKEN)
def test_lengths_that_lie(name: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    for done in asked(cli, scripted_server, BROKEN[name], tmp_path):
        check(done)
        assert done.code != 0 or "hello" in done.text + (tmp_path / "out.jsonl").read_text(encoding="utf-8")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 28)


def _gzip_bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(b'{"prompt":"' + bytes(1 << 26), 1))


def _zstd_bomb(path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    path.write_bytes(zstandard.ZstdCompressor().compress(b'{"prompt":"' + bytes(1 << 28)))


def _zstd_window(path: Path) -> None:
    # A frame whose window is 2 GiB and more.
    path.write_bytes(bytes.fromhex("28b52ffd") + b"\x00" + b"\xff" + b"\x01\x00\x00x")


def _deep(path: Path) -> None:
    path.write_bytes(b'{"prompt":' + DEEP + b"}\n")


def _wide(path: Path) -> None:
    path.write_bytes(b"prompt" + b",c" * 50_000 + b"\nP\n")


def _parquet(path: Path) -> None:
    path.write_bytes(b"PAR1" + b"\xff" * 64 + struct.pack("<I", 0xFFFFFFFF) + b"PAR1")


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a line of 256 MiB": ("x.jsonl", _sparse),
    "a text of 256 MiB": ("x.txt", _sparse),
    "a table of 256 MiB": ("x.csv", _sparse),
    "an array of 256 MiB": ("x.json", _sparse),
    "a gzip bomb": ("x.jsonl.gz", _gzip_bomb),
    "a zstd bomb": ("x.jsonl.zst", _zstd_bomb),
    "a zstd window": ("x.jsonl.zst", _zstd_window),
    "depth": ("x.jsonl", _deep),
    "columns": ("x.csv", _wide),
    "a Parquet footer of 4 GB": ("x.parquet", _parquet),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_too_much(name: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    cli.service(scripted_server.url)
    scripted_server.play([response(WHOLE)])
    name, make = FILES[name]
    make(tmp_path / name)
    for options in (("--plan",), ()):
        done = run(cli, "batch", str(tmp_path / name), "-o", str(tmp_path / "out.jsonl"), "--retries", "0", *options)
        check(done)


def test_parquet_whose_footer_was_changed(cli: Cli, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    cli.service("http://127.0.0.1:9")
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"prompt": ["one", "two"]}), path)
    whole = path.read_bytes()
    footer = len(whole) - 8 - struct.unpack("<I", whole[-8:-4])[0]
    places = range(footer, len(whole) - 8, max(1, (len(whole) - 8 - footer) // 6))
    for place in places:
        path.write_bytes(whole[:place] + b"\xff\xff\xff\xff\x7f" + whole[place + 5 :])
        done = run(cli, "batch", str(path), "-o", str(tmp_path / "out.jsonl"), "--plan", memory=6 * GIBIBYTE)
        check(done)
        assert done.code in (0, 2)
