"""A Ray cluster of several nodes on this machine, in a process of its own that ends with its standard input.

Run as a script it starts one and prints its address; imported it starts that script, and finds its processes.
"""

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NODES = 3


class ClusterProcess:
    """A running cluster, its machines of so many `cpus`. `address` is what --address takes."""

    def __init__(self, environ: dict[str, str], *, cpus: int = 1) -> None:
        # Sockets are in it: its name must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        # Where clusters of this machine are written down: Ray expects the folder, and others may remove what is in it.
        (self.folder / "ray").mkdir()
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.folder), str(cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environ, "RAY_TMPDIR": str(self.folder)},
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().decode().strip()
        assert self.address, "the cluster did not start"

    def kill_one(self, title: str) -> bool:
        """Kill a process of the cluster whose title begins so; false when there is none."""
        for pid in self._titled(title):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def freeze(self, *, is_whole: bool) -> list[int]:
        """Stop a worker, with `is_whole` all of its machine but the head's; give what `thaw` needs."""
        for raylet in self._titled("raylet/raylet"):
            workers = [pid for pid in self._titled("ray::_Asker") if pid in self._descendants(raylet)]
            if workers and not any(pid in self._descendants(raylet) for pid in self._titled("ray::_Coordinator")):
                stopped = [raylet, *self._descendants(raylet)] if is_whole else workers
                self._signal(stopped, signal.SIGSTOP)
                return stopped
        return []

    def thaw(self, stopped: list[int]) -> None:
        """Have stopped processes go on."""
        self._signal(stopped, signal.SIGCONT)

    def kill_node(self) -> None:
        """Kill one of the nodes that were added to the first."""
        self._command(b"remove")

    def add_node(self) -> None:
        """Add a node."""
        self._command(b"add")

    def drain_node(self) -> None:
        """Give notice that a node is taken away in a minute."""
        self._command(b"drain")

    def count(self, title: str) -> int:
        """Count the processes whose title begins so."""
        return len(self._titled(title))

    def pretend(self, version: str) -> None:
        """Have the cluster say that it was started by another version of Ray."""
        self._command(b"version " + version.encode())

    def raylet_port(self) -> int:
        """Return a port of the cluster that is not the one to join it at."""
        return int(self._command(b"port"))

    def say(self) -> None:
        """Have Ray print a line on all its drivers."""
        self._command(b"say")

    def _command(self, word: bytes) -> bytes:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(word + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def stop(self) -> None:
        """End it."""
        self.process.communicate(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def traces(self) -> Iterator[bytes]:
        """Give all that it has written to files, and the command lines and environments of its processes."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield path.read_bytes()
        for pid in self._descendants():
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    yield Path(f"/proc/{pid}/{name}").read_bytes()

    def memories(self, *titles: str) -> Iterator[bytes]:
        """Give the memory of its processes whose titles begin so, as far as this user may read it."""
        for pid in [pid for title in titles for pid in self._titled(title)]:
            with contextlib.suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
                for start, stop in _readable(pid):
                    with contextlib.suppress(OSError, OverflowError):
                        memory.seek(start)
                        yield memory.read(stop - start)

    def _titled(self, title: str) -> list[int]:
        return titled(self.process.pid, title)

    @staticmethod
    def _signal(pids: list[int], number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _descendants(self, of: int | None = None) -> list[int]:
        return descendants(of or self.process.pid)


def _readable(pid: int) -> Iterator[tuple[int, int]]:
    """Find where the memory of a process may be read: what is its own, and not mapped from files."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        where, rights, _, device, *_ = line.split()
        start, stop = (int(number, 16) for number in where.split("-"))
        if rights.startswith("rw-p") and device == "00:00":
            yield start, stop


def titled(of: int, title: str) -> list[int]:
    """Find the processes below one whose title begins so."""
    found = []
    for pid in descendants(of):
        with contextlib.suppress(OSError):
            if title.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
                found.append(pid)
    return found


def descendants(of: int) -> list[int]:
    """Find the processes below one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, look = [], [of]
    while look:
        children = parents.get(look.pop(), [])
        found += children
        look += children
    return found


def _main() -> None:
    from ray._private.utils import publish_error_to_driver
    from ray._raylet import GcsClient  # type: ignore[attr-defined] # a compiled module
    from ray.cluster_utils import Cluster

    machine: dict[str, Any] = {"num_cpus": int(sys.argv[2]), "object_store_memory": 100_000_000}
    cluster = Cluster(
        initialize_head=True, head_node_args={**machine, "include_dashboard": False, "temp_dir": sys.argv[1]}
    )
    nodes = [cluster.add_node(**machine) for _ in range(NODES - 1)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)  # noqa: T201 - whoever started this reads it
    for line in sys.stdin:
        if line.strip() == "remove":
            cluster.remove_node(nodes.pop(), allow_graceful=False)
        elif line.strip() == "add":
            nodes.append(cluster.add_node(**machine))
        elif line.strip() == "drain":
            ends = time.time_ns() // 10**6 + 60_000  # noqa: TID251 - a date, as Ray wants it
            GcsClient(address=cluster.address).drain_node(nodes.pop().node_id, 2, "spot", ends)  # 2: preemption
        elif line.startswith("version"):
            metadata = {"ray_version": line.split()[1], "python_version": platform.python_version()}
            gcs = GcsClient(address=cluster.address)
            gcs.internal_kv_put(b"CLUSTER_METADATA", json.dumps(metadata).encode(), True, b"cluster")
        elif line.strip() == "port":
            port = next(node["NodeManagerPort"] for node in cluster.global_state.node_table())
            print(port, flush=True)  # noqa: T201 - the same
            continue
        elif line.strip() == "say":
            publish_error_to_driver("told", "Ray says this on every driver", GcsClient(address=cluster.address))
        print("done", flush=True)  # noqa: T201 - the same
    cluster.shutdown()


if __name__ == "__main__":
    _main()
