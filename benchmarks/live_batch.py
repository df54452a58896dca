"""A real batch at a real emulator for some seconds, and what the emulator's log says of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

COMMANDS = Path(sys.executable).parent
MAX_TOKENS = 16
_DRAIN = 40.0  # seconds that a batch has to end in
_ENV = {"COMPLETIONS_API_KEY": "test-key-0123"}


class Log:
    """The requests that an emulator saw. Moments are seconds since the first of them."""

    def __init__(self, file: Path) -> None:
        self.requests: list[dict[str, Any]] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        self._began = min(request["time"] for request in self.requests)

    def between(self, start: float, end: float) -> list[dict[str, Any]]:
        """Return the requests that came between two moments."""
        return [request for request in self.requests if start <= request["time"] - self._began < end]

    def taken(self, start: float, end: float) -> list[dict[str, Any]]:
        """Return those that were answered."""
        return [request for request in self.between(start, end) if request["status"] == HTTPStatus.OK]

    def refused(self, start: float, end: float) -> float:
        """Return the share of those that were answered 429."""
        seen = [request["status"] for request in self.between(start, end)]
        return seen.count(HTTPStatus.TOO_MANY_REQUESTS) / max(1, len(seen))

    @property
    def end(self) -> float:
        """The moment of the last request."""
        return float(max(request["time"] for request in self.requests) - self._began)


def rows(folder: Path) -> Path:
    """Write more prompts than any run asks."""
    file = folder / "rows.txt"
    file.write_text("".join(f"A prompt of some words, number {n:06}\n" for n in range(100_000)), encoding="utf-8")
    return file


def run(name: str, server: Sequence[str], batch: Sequence[str], folder: Path, seconds: float) -> Log:
    """Start a server that prints its URL, a batch of `rows.txt` at it, and end both after so many seconds.

    `server` is run by this Python, with the options of `completions emulator`; `batch` has options of a batch.
    """
    log = folder / f"{name}.log"
    options = ["-o", str(folder / f"{name}.jsonl"), "-M", str(MAX_TOKENS), "-q"]
    client = [str(COMMANDS / "completions"), "batch", str(folder / "rows.txt"), *options, *batch]
    with subprocess.Popen([sys.executable, *server, "--log", str(log)], stdout=subprocess.PIPE, text=True) as emulator:
        try:
            assert emulator.stdout  # noqa: S101 - it is a pipe
            env = {**os.environ, **_ENV, "COMPLETIONS_ENDPOINT": emulator.stdout.readline().strip()}
            _end_after(seconds, subprocess.Popen(client, env=env, stderr=subprocess.DEVNULL))
        finally:
            emulator.terminate()
    return Log(log)


def _end_after(seconds: float, batch: subprocess.Popen[bytes]) -> None:
    with batch, contextlib.suppress(subprocess.TimeoutExpired):
        try:
            batch.wait(seconds)
        except subprocess.TimeoutExpired:
            batch.send_signal(signal.SIGINT)
            batch.wait(_DRAIN)
        finally:
            batch.kill()
