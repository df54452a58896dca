"""A cluster that can grow grows when a run needs more machines: Ray's own autoscaler, which starts nodes on this one."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.conftest import Rows
from tests.batch.on_a_cluster import until
from tests.cluster_process import descendants, titled
from tests.command import Cli
from tests.emulator_process import Start

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc"),
    pytest.mark.xdist_group("ray"),
]
MOST = 2  # nodes beside the head
NOTHING = ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands")
NONE_EITHER = ("head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude")


def described(address: str) -> dict[str, object]:
    """Describe a cluster of one node that may have more."""
    memory = {"object_store_memory": 80_000_000}
    return {
        "cluster_name": "growing",
        "max_workers": MOST,
        "upscaling_speed": 20.0,
        "idle_timeout_minutes": 5,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 1}, "max_workers": 0, "node_config": {}},
            "node": {"resources": {"CPU": 1, **memory}, "min_workers": 0, "max_workers": MOST, "node_config": {}},
        },
        "head_node_type": "ray.head.default",
        **{name: [] for name in (*NOTHING, *NONE_EITHER, "rsync_filter")},
        **{name: {} for name in ("auth", "docker", "file_mounts", "head_node", "worker_nodes")},
        "file_mounts_sync_continuously": False,
    }


@pytest.fixture
def growing() -> Iterator[tuple[str, int]]:
    """Start a cluster that can grow. Give its address and the process below which all of it is."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    (folder / "growing.yaml").write_text(json.dumps(described(address)))
    options = ("--port", str(port), "--node-ip-address", "127.0.0.1", "--num-cpus", "1", "--include-dashboard", "false")
    process = subprocess.Popen(
        [Path(sys.executable).with_name("ray"), "start", "--head", "--block", *options,
         "--object-store-memory", "80000000", "--temp-dir", folder / "ray",
         "--autoscaling-config", folder / "growing.yaml"],
        env={**os.environ, "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_AUTH_MODE": "disabled"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: bool(titled(process.pid, "raylet/raylet")))
    yield address, process.pid
    left = descendants(process.pid)
    process.terminate()
    process.wait()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def test_a_cluster_that_can_grow_is_asked_to(
    growing: tuple[str, int], cli: Cli, emulator: Start, rows: Rows, tmp_path: Path
) -> None:
    address, above = growing
    cli.service(emulator("--latency", "0.2").url)
    cli.env["RAY_AUTH_MODE"] = "disabled"
    args = (str(rows(100_000)), "-o", str(tmp_path / "out"), "-j", "8", "--engine", "ray", "--address", address)
    driver = cli.start("batch", *args, "--workers", "3:")
    try:
        until(lambda: len(titled(above, "ray::_Asker")) == 1 + MOST)
        driver.send_signal(signal.SIGTERM)
        _, stderr = driver.communicate(timeout=120)
        assert driver.returncode == 143, stderr
    finally:
        if driver.poll() is None:
            driver.kill()
            driver.communicate()
