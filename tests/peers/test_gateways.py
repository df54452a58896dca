"""nginx and haproxy in front of the emulator: TLS, client certificates, streams, refusals of their own."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from completions_cli import AsyncClient, Wait
from tests.command import Cli
from tests.emulator_process import Start
from tests.peers.programs import free_port, path_of, running
from tests.tls import write_authority


class Certificates:
    """Files of one authority: its own, a server's, and that of a client."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca = write_authority(authority, folder)
        self.server, self.client = folder / "server.pem", folder / "client.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(self.server)
        authority.issue_cert("me@example.test").private_key_and_cert_chain_pem.write_to_path(self.client)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Make the files."""
    return Certificates(tmp_path)


@contextlib.contextmanager
def _nginx(folder: Path, server: str, http: str = "", protocol: str = "") -> Iterator[int]:
    port = free_port()
    places = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(
        f"""
        {"user root;" if os.geteuid() == 0 else ""} daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
        events {{}}
        http {{
          access_log off; client_body_temp_path {folder}/body; {places}
          {http}
          server {{ listen 127.0.0.1:{port}{" ssl" if "ssl_certificate" in server else ""} {protocol}; {server} }}
        }}
        """,
        encoding="utf-8",
    )
    with running(folder, port, path_of("nginx"), "-e", "stderr", "-c", str(config)):
        yield port


@contextlib.contextmanager
def _haproxy(folder: Path, bind: str, backend: str) -> Iterator[int]:
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(
        f"""
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 1s
frontend in
  bind 127.0.0.1:{port} {bind}
  default_backend out
backend out
  server one {backend}
""",
        encoding="utf-8",
    )
    with running(folder, port, path_of("haproxy"), "-db", "-f", str(config)):
        yield port


def _tls(certificates: Certificates) -> str:
    return f"ssl_certificate {certificates.server}; ssl_certificate_key {certificates.server};"


@pytest.mark.parametrize("extras", ["", "gzip on; gzip_types *; gzip_min_length 1;", "proxy_buffering off;"])
def test_nginx_passes_answers_and_streams(extras: str, cli: Cli, emulator: Start, tmp_path: Path) -> None:
    with _nginx(tmp_path, f"location / {{ proxy_pass {emulator().url}; }}", extras) as port:
        cli.service(f"http://127.0.0.1:{port}")
        one = cli.run("complete", "hello", "-M", "40", "--seed", "1")
        streamed = cli.run("stream", "hello", "-M", "40", "--seed", "1")
    assert (one.code, streamed.code) == (0, 0)
    assert one.text == streamed.text
    assert one.text.strip()


def test_nginx_demands_a_certificate(cli: Cli, emulator: Start, certificates: Certificates, tmp_path: Path) -> None:
    server = f"""{_tls(certificates)} ssl_client_certificate {certificates.ca}; ssl_verify_client on;
        location / {{ proxy_pass {emulator().url}; }}"""
    with _nginx(tmp_path, server) as port:
        cli.service(f"https://127.0.0.1:{port}")
        without = cli.run("complete", "hi", "--ca-bundle", str(certificates.ca))
        shown = ["--ca-bundle", str(certificates.ca), "--client-cert", str(certificates.client)]
        assert cli.run("complete", "hi", *shown).code == 0
    assert (without.code, "No required SSL certificate" in without.stderr) == (6, True)
    assert "--client-cert" in without.stderr


def _ask_in_every_way(cli: Cli, folder: Path, *options: str) -> None:
    """Complete, stream and run a batch; all succeed."""
    (folder / "rows.txt").write_text("".join(f"row {number}\n" for number in range(50)), encoding="utf-8")
    one, streamed = (cli.run(verb, "hello", "--seed", "1", *options) for verb in ("complete", "stream"))
    rows = cli.run("batch", str(folder / "rows.txt"), "-o", str(folder / "out"), *options)
    assert (one.code, streamed.code, rows.code) == (0, 0, 0), (one, streamed, rows)
    assert one.text == streamed.text
    assert len((folder / "out").read_text(encoding="utf-8").splitlines()) == 50


def test_nginx_that_speaks_http2(cli: Cli, emulator: Start, certificates: Certificates, tmp_path: Path) -> None:
    server = f"{_tls(certificates)} location / {{ proxy_pass {emulator().url}; }}"
    with _nginx(tmp_path, server, protocol="http2") as port:
        _ask_in_every_way(cli.service(f"https://127.0.0.1:{port}"), tmp_path, "--ca-bundle", str(certificates.ca))


def test_haproxy_that_speaks_http2(cli: Cli, emulator: Start, certificates: Certificates, tmp_path: Path) -> None:
    bind = f"ssl crt {certificates.server} alpn h2,http/1.1"
    with _haproxy(tmp_path, bind, emulator().url.removeprefix("http://")) as port:
        _ask_in_every_way(cli.service(f"https://127.0.0.1:{port}"), tmp_path, "--ca-bundle", str(certificates.ca))


def test_nginx_that_asks_for_a_password_beside_the_key(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    """The password goes where the key would; nginx has the key of the server behind it."""
    (tmp_path / "users").write_text("me:{PLAIN}secret\n", encoding="utf-8")
    server = f"auth_basic x; auth_basic_user_file {tmp_path}/users;"
    server += f' proxy_set_header Authorization "Bearer k"; location / {{ proxy_pass {emulator().url}; }}'
    password = "Authorization: Basic bWU6c2VjcmV0"
    with _nginx(tmp_path, server) as port:
        cli.service(f"http://127.0.0.1:{port}")
        assert cli.run("complete", "hi").code == 4
        _ask_in_every_way(cli, tmp_path, "-H", password)


def test_nginx_that_is_slow_to_pass_a_stream_on(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    server = f"limit_rate 2k; location / {{ proxy_pass {emulator().url}; proxy_buffers 4 1k; proxy_buffer_size 1k; proxy_busy_buffers_size 2k; }}"
    with _nginx(tmp_path, server) as port:
        result = cli.service(f"http://127.0.0.1:{port}").run("stream", "hello", "-M", "40", "--timeout", "5")
    assert result.code == 0, result.stderr


@pytest.mark.parametrize("versions", ["TLSv1.2", "TLSv1.3"])
def test_haproxy_demands_a_certificate(
    versions: str, cli: Cli, emulator: Start, certificates: Certificates, tmp_path: Path
) -> None:
    only = f"ssl-min-ver {versions} ssl-max-ver {versions}"
    bind = f"ssl crt {certificates.server} ca-file {certificates.ca} verify required {only}"
    with _haproxy(tmp_path, bind, emulator().url.removeprefix("http://")) as port:
        cli.service(f"https://127.0.0.1:{port}")
        without = cli.run("complete", "hi", "--ca-bundle", str(certificates.ca), "--retries", "0")
        shown = ["--ca-bundle", str(certificates.ca), "--client-cert", str(certificates.client)]
        assert cli.run("complete", "hi", *shown).code == 0
    assert (without.code, f"the endpoint 127.0.0.1:{port}" in without.stderr) == (10, True)
    assert "--client-cert" in without.stderr


@pytest.mark.parametrize(
    ("location", "code", "words"),
    [
        ("proxy_pass http://127.0.0.1:1;", 9, "502"),
        ("return 503;", 9, "503"),
        ("client_max_body_size 1; proxy_pass http://127.0.0.1:1;", 6, "413"),
        ("auth_basic x; auth_basic_user_file /dev/null; proxy_pass http://127.0.0.1:1;", 4, "401"),
        ("return 308 https://elsewhere.test$request_uri;", 10, "redirects to https://elsewhere.test/completions"),
        ("return 404;", 5, "404"),
    ],
)
def test_what_nginx_says_itself_is_told(location: str, code: int, words: str, cli: Cli, tmp_path: Path) -> None:
    with _nginx(tmp_path, f"location / {{ {location} }}") as port:
        result = cli.service(f"http://127.0.0.1:{port}").run("complete", "hi", "--retries", "0")
    assert (result.code, words in result.stderr) == (code, True)
    assert "<html" not in result.stderr


def test_a_redirect_of_nginx_within_the_origin_is_followed(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    server = f"""location = /completions {{ return 308 /v2/completions?$args; }}
        location /v2/ {{ proxy_pass {emulator().url}/; }}"""
    with _nginx(tmp_path, server, "absolute_redirect off;") as port:
        assert cli.service(f"http://127.0.0.1:{port}").run("complete", "hi").code == 0


def test_nginx_on_a_unix_socket(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = f"listen unix:{path}; location / {{ proxy_pass {emulator().url}; }}"
    with _nginx(tmp_path, server):
        assert cli.service("http://localhost").run("complete", "hi", "--unix-socket", str(path)).code == 0


@pytest.mark.parametrize(
    ("backend", "code", "words"),
    [("127.0.0.1:1", 9, "503"), ("127.0.0.1:1 disabled", 9, "503")],
)
def test_what_haproxy_says_itself_is_told(backend: str, code: int, words: str, cli: Cli, tmp_path: Path) -> None:
    with _haproxy(tmp_path, "", backend) as port:
        result = cli.service(f"http://127.0.0.1:{port}").run("complete", "hi", "--retries", "0")
    assert (result.code, words in result.stderr) == (code, True)


def test_a_batch_through_haproxy_and_nginx_loses_no_row(cli: Cli, emulator: Start, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("".join(f"row {number}\n" for number in range(200)), encoding="utf-8")
    server = f"keepalive_requests 7; location / {{ proxy_pass {emulator().url}; }}"
    with _nginx(tmp_path, server) as inner, _haproxy(tmp_path, "", f"127.0.0.1:{inner}") as port:
        cli.service(f"http://127.0.0.1:{port}")
        result = cli.run("batch", str(rows), "-o", str(tmp_path / "out"), "--retries", "0")
    assert result.code == 0, result.stderr
    assert len((tmp_path / "out").read_text(encoding="utf-8").splitlines()) == 200


async def _paced(url: str, count: int, **options: Any) -> list[int | None]:
    """Make so many paced calls at once; return the statuses of those that were refused, None for no answer."""
    waits: list[Wait] = []
    async with AsyncClient(url, api_key="canary-0123456789", pace=True, on_wait=waits.append, **options) as client:
        await asyncio.gather(*(client.complete(f"{number} is", max_tokens=2) for number in range(count)))
    return [getattr(wait.error, "status", None) for wait in waits]


@pytest.mark.parametrize("kept", ["keepalive_requests 1", "keepalive_requests 3", "keepalive_timeout 1ms"])
def test_paced_calls_meet_no_connection_that_nginx_closed(kept: str, emulator: Start, tmp_path: Path) -> None:
    with _nginx(tmp_path, f"{kept}; location / {{ proxy_pass {emulator().url}; }}") as port:
        assert asyncio.run(_paced(f"http://127.0.0.1:{port}", 200, retries=0)) == []


def test_paced_calls_find_how_many_haproxy_takes_at_a_time(emulator: Start, tmp_path: Path) -> None:
    backend = emulator("--latency", "0.05").url.removeprefix("http://")
    with _haproxy(tmp_path, "", f"{backend} maxconn 4\n  timeout queue 20ms") as port:
        refused = asyncio.run(_paced(f"http://127.0.0.1:{port}", 200, retries=50))
    assert set(refused) <= {503}
    assert len(refused) < 200
