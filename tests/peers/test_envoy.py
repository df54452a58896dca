"""Envoy in front of the emulator: streams, compression, HTTP/2, and what it says when there is nobody behind it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import Cli
from tests.emulator_process import Start
from tests.peers.programs import free_port, program, running

_TYPE = "type.googleapis.com/envoy."
_GZIP = {
    "name": "compressor",
    "typed_config": {
        "@type": f"{_TYPE}extensions.filters.http.compressor.v3.Compressor",
        "compressor_library": {
            "name": "gzip",
            "typed_config": {"@type": f"{_TYPE}extensions.compression.gzip.compressor.v3.Gzip"},
        },
    },
}
_ROUTER = {"name": "router", "typed_config": {"@type": f"{_TYPE}extensions.filters.http.router.v3.Router"}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    at = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    members = {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at}}]}]}
    return {"name": name, "type": "STATIC", "load_assignment": members}


@contextlib.contextmanager
def _envoy(folder: Path, route: dict[str, Any], behind: int) -> Iterator[str]:
    port = free_port()
    manager = {
        "@type": f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "http_filters": [_GZIP, _ROUTER],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
    }
    config = folder / "envoy.json"
    resources = {"listeners": [listener], "clusters": [_cluster("behind", behind)]}
    config.write_text(json.dumps({"static_resources": resources}), encoding="utf-8")
    options = ("-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "warning")
    with running(folder, port, program("envoy", "envoy"), *options):
        yield f"http://127.0.0.1:{port}"


def test_it_passes_answers_streams_and_batches(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("".join(f"row {number}\n" for number in range(100)), encoding="utf-8")
    with _envoy(tmp_path, {"match": {"prefix": "/"}, "route": {"cluster": "behind"}}, emulator().port) as url:
        cli.service(url)
        one, streamed = (cli.run(verb, "hello", "-M", "40", "--seed", "1") for verb in ("complete", "stream"))
        rows = cli.run("batch", str(tmp_path / "rows.txt"), "-o", str(tmp_path / "out"))
    assert (one.code, streamed.code, rows.code) == (0, 0, 0)
    assert one.text == streamed.text
    assert len((tmp_path / "out").read_text(encoding="utf-8").splitlines()) == 100


@pytest.mark.parametrize(
    ("action", "code", "words", "hint"),
    [
        ({"route": {"cluster": "behind"}}, 9, "503: upstream connect error", "gateway works"),
        (
            {"direct_response": {"status": 429, "body": {"inline_string": "local_rate_limited"}}},
            8,
            "local_rate",
            "Wait",
        ),
        ({"direct_response": {"status": 403, "body": {"inline_string": "RBAC: access denied"}}}, 4, "RBAC", "key"),
    ],
)
@pytest.mark.parametrize("verb", ["complete", "stream"])
def test_what_it_says_itself_is_told(
    verb: str, action: dict[str, Any], code: int, words: str, hint: str, cli: Cli, tmp_path: Path
) -> None:
    with _envoy(tmp_path, {"match": {"prefix": "/"}, **action}, 1) as url:
        result = cli.service(url).run(verb, "hi", "--retries", "0")
    assert (result.code, words in result.stderr, hint in result.stderr) == (code, True, True), result.stderr


def test_a_time_limit_of_its_own_is_a_time_out(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "behind", "timeout": "0.3s"}}
    with _envoy(tmp_path, route, emulator("--latency", "20").port) as url:
        result = cli.service(url).run("complete", "hi", "--retries", "0")
    assert (result.code, "504: upstream request timeout" in result.stderr) == (9, True), result.stderr
