"""What the tests of batches share: inputs, and outputs read back."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.answering_server import AnsweringServer, answering
from tests.batch.on_a_cluster import TOKEN, Joined
from tests.batch.wrong_answers import as_asked
from tests.cluster_process import ClusterProcess
from tests.command import Cli, Result

Batch = Callable[..., Result]
Serve = Callable[..., AnsweringServer]
Rows = Callable[[int], Path]


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Write an input of so many rows."""

    def write(count: int) -> Path:
        path = tmp_path / "in.jsonl"
        lines = [json.dumps({"id": f"r{number}", "prompt": f"Row {number} says"}) for number in range(count)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Name the output."""
    return tmp_path / "out.jsonl"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that answer by functions, and as asked unless given one."""
    with contextlib.ExitStack() as stack:
        yield lambda answer=as_asked: stack.enter_context(answering(answer))


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterProcess]:
    """Give a cluster that all tests of this module share."""
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    environ = {**os.environ, **quiet, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    running = ClusterProcess(environ)
    yield running
    running.stop()


@pytest.fixture
def joined(cli: Cli, cluster: ClusterProcess) -> Iterator[Joined]:
    """Give the command, run on the cluster."""
    running = Joined(cli, cluster)
    yield running
    running.stop()


def records(path: Path) -> list[dict[str, Any]]:
    """Read an output back; every line must be whole."""
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def part_records(folder: Path) -> list[dict[str, Any]]:
    """Read the parts of a cluster's output back."""
    return [record for part in sorted(folder.glob("part-*.jsonl")) for record in records(part)]


def row_numbers(path: Path) -> list[int]:
    """Give the numbers of the rows in an output, sorted."""
    return sorted(record["row"] for record in records(path))


def summary(result: Result) -> dict[str, Any]:
    """Read what `--summary -` wrote."""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def batch(cli: Cli, *args: str | Path, stdin: bytes | None = b"") -> Result:
    """Run `completions batch`."""
    return cli.run("batch", *[str(arg) for arg in args], stdin=stdin)
