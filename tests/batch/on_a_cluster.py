"""Runs batches on a cluster of three nodes."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster_process import ClusterProcess
from tests.command import Cli, Result

TIME_LIMIT = 240  # seconds; machines of a cluster take their time to start
TOKEN = "0123456789abcdef" * 4


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a moment of the run; how long it takes says nothing."""
    ends = time.monotonic() + TIME_LIMIT
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.05)


class Joined:
    """Runs batches on the cluster."""

    def __init__(self, cli: Cli, cluster: ClusterProcess) -> None:
        self.cli, self.cluster = cli, cluster
        self._started: list[subprocess.Popen[bytes]] = []
        cli.env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}

    def start(self, *args: str | Path) -> subprocess.Popen[bytes]:
        options = ("--engine", "ray", "--address", self.cluster.address, "--summary", "-")
        process = self.cli.start("batch", *map(str, args), *options)
        self._started.append(process)
        return process

    def run(self, *args: str | Path) -> Result:
        process = self.start(*args)
        stdout, stderr = process.communicate(timeout=TIME_LIMIT)
        return Result(process.returncode, stdout, stderr.decode())

    def stop(self) -> None:
        """End what a test that failed has left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()
