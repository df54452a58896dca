"""Object stores that others wrote: what a writer promises holds there, too.

moto plays S3 (`pip install "moto[server]" s3fs`), Azurite plays Azure (`npm install -g azurite`, `pip install adlfs`).
"""

import functools
import gzip
import importlib
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from completions_cli.batch.cluster import conditional
from completions_cli.batch.cluster.fencing import FencedError
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.cluster.storage import RemoteFolder, filesystem
from completions_cli.batch.cluster.writers import writer, writers
from completions_cli.errors import OutputError, UsageError
from tests.batch.conftest import Rows, batch, row_numbers, summary
from tests.batch.on_a_cluster import TOKEN
from tests.cluster_process import ClusterProcess
from tests.command import Cli
from tests.emulator_process import Start

pytest.importorskip("fsspec")
pytestmark = pytest.mark.xdist_group("ray")
_ACCOUNT, _KEY = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    secrets = {
        "AWS_ACCESS_KEY_ID": "testing-0123456",
        "AWS_SECRET_ACCESS_KEY": "sekret-testing-0123",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    yield {**secrets, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    server.stop()


@contextmanager
def azure() -> Iterator[dict[str, str]]:
    pytest.importorskip("adlfs")
    command = shutil.which("azurite-blob")
    if command is None:
        pytest.skip("azurite-blob is not installed: npm install -g azurite")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry", "--blobPort")
    with subprocess.Popen([command, *options, str(port)], stdout=subprocess.DEVNULL) as process:
        while not _listens(port):
            time.sleep(0.05)
        parts = (
            "DefaultEndpointsProtocol=http",
            f"AccountName={_ACCOUNT}",
            f"AccountKey={_KEY}",
            f"BlobEndpoint=http://127.0.0.1:{port}/{_ACCOUNT}",
        )
        yield {"AZURE_STORAGE_CONNECTION_STRING": ";".join(parts)}
        process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module", params=["s3", "abfs"])
def environ(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Start a store, and say how to reach it."""
    with (s3 if request.param == "s3" else azure)() as found:
        yield found


@pytest.fixture
def bucket(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a bucket."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    scheme = "s3" if "AWS_ENDPOINT_URL" in environ else "abfs"
    place = f"{scheme}://b{uuid.uuid4().hex[:12]}"
    files, path = filesystem(place)
    files.mkdir(path)
    yield place
    type(files).clear_instance_cache()


def test_a_write_over_another_version_is_refused(bucket: str) -> None:
    folder = RemoteFolder(f"{bucket}/out")
    assert folder.load("a") == (None, None)
    assert folder.put_over("a", b"1", None)
    assert not folder.put_over("a", b"2", None)
    _, version = folder.load("a")
    assert folder.put_over("a", b"3", version)
    assert not folder.put_over("a", b"4", version)
    assert folder.read("a") == b"3"
    found = folder.files()["a"]
    assert (found.size, found.modified is not None) == (1, True)
    folder.remove("a")
    assert not folder.put_over("a", b"5", version)
    # The store compares, not we: otherwise there would be a moment in between.
    files, path = filesystem(f"{bucket}/out/a")
    folder.put("a", b"6")
    with pytest.raises(conditional.ConflictError):
        conditional.put(files, path, b"7", '"0123456789abcdef0123456789abcdef"')
    assert folder.read("a") == b"6"


def test_who_was_dismissed_writes_no_more(bucket: str) -> None:
    place = f"{bucket}/fenced"
    owner = writers(place, "one", lambda *_: None)
    owner.open()
    for name in ("a", "b"):
        owner.admit(name)
    first, second = writer(place, "one", "a"), writer(place, "one", "b")
    first.probe()
    assert (first.read("part"), second.read("part")) == (None, None)
    assert second.replace("part", b"second")
    assert not first.replace("part", b"first")
    assert first.read("part") == b"second"
    owner.dismiss("a")
    with pytest.raises(FencedError):
        first.replace("part", b"first")
    newer = writers(place, "two", lambda *_: None)
    newer.open()
    second.read("part")
    with pytest.raises(FencedError):
        second.replace("part", b"more")
    with pytest.raises(FencedError):
        owner.admit("c")
    newer.close()
    assert RemoteFolder(place).below("_work") == []


def test_a_bucket_that_is_not_there_is_found_at_once(bucket: str) -> None:
    output = Output(f"{bucket}-not/out", "jsonl")
    with pytest.raises(OutputError):
        output.lock()


def test_one_driver_at_a_time(bucket: str) -> None:
    output, other = (Output(f"{bucket}/locked", "jsonl") for _ in range(2))
    output.lock()
    with pytest.raises(UsageError, match="another run"):
        other.lock()
    output.close()
    other.lock()
    other.close()


@pytest.mark.skipif(sys.platform != "linux", reason="as the other runs on a cluster")
def test_a_batch_from_and_to_a_store(
    bucket: str, environ: dict[str, str], cli: Cli, emulator: Start, rows: Rows, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    importlib.import_module("pyarrow")
    server = emulator()
    cli.service(server.url).env |= environ
    files, path = filesystem(f"{bucket}/in.jsonl")
    files.pipe_file(path, rows(700).read_bytes())
    run = functools.partial(batch, cli, f"{bucket}/in.jsonl", "-o", f"{bucket}/out", "--engine", "ray")
    result = run("--limit", "600", "--summary", "-")
    assert result.code == 0, result.stderr
    assert summary(result)["rows"] == 600
    assert run().code == 0
    merged = tmp_path / "merged.jsonl"
    assert batch(cli, "merge", f"{bucket}/out", "-o", merged).code == 0
    assert row_numbers(merged) == list(range(700))
    assert len(server.log()) == 700


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc")
def test_machines_without_access_have_that_of_the_driver(
    bucket: str, environ: dict[str, str], cli: Cli, emulator: Start, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    cli.service(emulator().url).env |= {**environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    files, path = filesystem(f"{bucket}/in")
    for name in ("a.jsonl", "b.jsonl.gz"):
        content = rows(600).read_bytes()
        files.pipe_file(f"{path}/{name}", gzip.compress(content) if name.endswith(".gz") else content)
    for name in environ:
        monkeypatch.delenv(name)
    cluster = ClusterProcess({**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN})
    try:
        args = ("batch", f"{bucket}/in", "-o", f"{bucket}/out", "--engine", "ray", "--address", cluster.address)
        result = cli.run(*args, "--summary", "-")
        assert (result.code, summary(result)["ok"]) == (0, 1200), result.stderr
        secrets = [value.encode() for name, value in environ.items() if "KEY" in name or "CONNECTION" in name]
        assert secrets
        assert not any(secret in trace for trace in cluster.traces() for secret in secrets)
    finally:
        cluster.stop()
