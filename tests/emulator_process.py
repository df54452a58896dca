"""Starts the real emulator in a process of its own, for tests to talk to."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_COMMAND = [sys.executable, "-m", "completions_cli", "emulator"]
_PATIENCE = 20  # seconds


class EmulatorProcess:
    """One running emulator. `url` is what it printed first; as a context manager it ends with its block."""

    def __init__(self, *args: str, log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        self.process = subprocess.Popen(
            [*_COMMAND, "--log", str(log), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout
        assert self.process.stderr
        self.url = self.process.stdout.readline().strip()
        self.stderr: list[str] = []
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()
        assert self.url.startswith("http"), self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _read_stderr(self) -> None:
        assert self.process.stderr
        self.stderr += list(self.process.stderr)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def log(self) -> list[dict[str, Any]]:
        """Give the requests seen so far, a record each; one is here before its answer's first byte."""
        whole, _, _ = self._log.read_text(encoding="utf-8").rpartition("\n")  # a line may be half written
        return [json.loads(line) for line in whole.splitlines()]

    def wait_for_log(self, count: int) -> list[dict[str, Any]]:
        """Give the log once it has so many requests: for those whose answer says nothing of when."""
        ends = time.monotonic() + _PATIENCE
        while len(found := self.log()) < count:
            assert time.monotonic() < ends, f"{len(found)} of {count} requests in the log"
            time.sleep(0.02)
        return found

    def stop(self) -> str:
        """End it and give what it wrote on stderr."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        finally:
            self.process.kill()
        self._reader.join(timeout=10)
        assert self.process.stdout
        self.process.stdout.close()
        if self.process.stderr:
            self.process.stderr.close()
        return "".join(self.stderr)


Start = Callable[..., EmulatorProcess]  # what the fixtures that start emulators give
