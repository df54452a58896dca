"""Servers that demand a certificate of ours, over each version of TLS: what they are shown, and what is said without."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from completions_cli.errors import ConfigError, NetworkError
from completions_cli.models import HttpRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import SyncTransport
from tests.answers import answer
from tests.command import Cli
from tests.scripted_server import ScriptedServer, read_request, scripted
from tests.tls import ANSWER, Listener, listening, write_authority

Send = Callable[[str, Connection], int]


def _send_sync(url: str, connection: Connection) -> int:
    request = HttpRequest(url, {}, b"{}")
    with SyncTransport(connection) as transport, transport.send(request, Patience(20, None)) as answer:
        return answer.status


def _send_async(url: str, connection: Connection) -> int:
    async def exchange() -> int:
        async with AsyncTransport(connection) as transport:
            return (await transport.send(HttpRequest(url, {}, b"{}"))).status

    return asyncio.run(exchange())


@pytest.fixture(params=[_send_sync, _send_async], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send over each of the transports in turn."""
    sender: Send = request.param
    return sender


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give the authority that server and clients are issued by."""
    return trustme.CA()


@contextlib.contextmanager
def _demanding(authority: trustme.CA, version: ssl.TLSVersion) -> Iterator[Listener]:
    """Answer whoever shows a certificate of the authority, and keep the names on them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def serve(connection: socket.socket, listener: Listener) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            listener.requests.append(repr(secure.getpeercert()).encode())
            read_request(secure)
            secure.sendall(ANSWER)

    with listening(serve) as listener:
        yield listener


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("in_one_file", [True, False])
def test_a_certificate_is_shown_to_who_demands_one(
    version: ssl.TLSVersion, in_one_file: bool, send: Send, authority: trustme.CA, tmp_path: Path
) -> None:
    mine = authority.issue_cert("me@example.test")
    certificate, key = tmp_path / "me.pem", tmp_path / "me.key"
    mine.cert_chain_pems[0].write_to_path(certificate)
    mine.private_key_pem.write_to_path(certificate if in_one_file else key, append=in_one_file)
    with _demanding(authority, version) as server:
        connection = Connection(
            ca_bundle=str(write_authority(authority, tmp_path)),
            client_cert=str(certificate),
            client_key=None if in_one_file else str(key),
        )
        assert send(f"https://127.0.0.1:{server.port}/", connection) == 200
    assert b"me@example.test" in server.requests[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_misses_a_certificate_is_told_from_others(
    version: ssl.TLSVersion, send: Send, authority: trustme.CA, tmp_path: Path
) -> None:
    with _demanding(authority, version) as server, pytest.raises(NetworkError) as caught:
        send(f"https://127.0.0.1:{server.port}/", Connection(ca_bundle=str(write_authority(authority, tmp_path))))
    assert f"TLS with the endpoint 127.0.0.1:{server.port} failed: " in caught.value.message
    assert "--client-cert" in str(caught.value.hint)
    assert not caught.value.retryable


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_that_is_not_accepted_is_what_is_blamed(
    version: ssl.TLSVersion, send: Send, authority: trustme.CA, tmp_path: Path
) -> None:
    foreign = trustme.CA().issue_cert("me@example.test")
    mine = tmp_path / "me.pem"
    foreign.private_key_and_cert_chain_pem.write_to_path(mine)
    connection = Connection(ca_bundle=str(write_authority(authority, tmp_path)), client_cert=str(mine))
    with _demanding(authority, version) as server, pytest.raises(NetworkError) as caught:
        send(f"https://127.0.0.1:{server.port}/", connection)
    assert "does not accept the client certificate: " in caught.value.message


@pytest.mark.parametrize("content", [None, "nonsense", "certificate alone", "encrypted"])
def test_files_that_are_no_certificate_and_key_are_named(
    content: str | None, send: Send, authority: trustme.CA, tmp_path: Path
) -> None:
    mine = authority.issue_cert("me@example.test")
    path = tmp_path / "me.pem"
    if content == "encrypted":
        path.write_bytes(mine.cert_chain_pems[0].bytes() + _encrypted(mine.private_key_pem.bytes()))
    elif content is not None:
        path.write_bytes(mine.cert_chain_pems[0].bytes() if "alone" in content else content.encode())
    with pytest.raises(ConfigError, match=r"client_cert .*me\.pem") as caught:
        send("https://127.0.0.1:1/", Connection(client_cert=str(path)))
    assert "PEM" in str(caught.value.hint)


def _encrypted(key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


def test_the_command_shows_a_certificate(cli: Cli, authority: trustme.CA, tmp_path: Path) -> None:
    mine = tmp_path / "me.pem"
    authority.issue_cert("me@example.test").private_key_and_cert_chain_pem.write_to_path(mine)
    ca = str(write_authority(authority, tmp_path))
    rows = tmp_path / "rows.txt"
    rows.write_text("P\n", encoding="utf-8")
    with _demanding(authority, ssl.TLSVersion.TLSv1_3) as server:
        cli.service(f"https://127.0.0.1:{server.port}")
        without = cli.run("complete", "P", "--ca-bundle", ca)
        assert (without.code, "trying again" in without.stderr, "--client-cert" in without.stderr) == (10, False, True)
        assert cli.run("complete", "P", "--ca-bundle", ca, "--client-cert", str(mine)).text == "secure\n"
        args = ["--ca-bundle", ca, "--client-cert", str(mine)]
        assert cli.run("batch", str(rows), "-o", str(tmp_path / "out"), *args).code == 0
    assert cli.run("complete", "P", "--client-key", str(mine)).code == 2


def test_the_certificate_of_a_profile_is_for_its_own_server(cli: Cli, authority: trustme.CA, tmp_path: Path) -> None:
    mine = tmp_path / "me.pem"
    authority.issue_cert("me@example.test").private_key_and_cert_chain_pem.write_to_path(mine)
    ca = str(write_authority(authority, tmp_path))
    with _demanding(authority, ssl.TLSVersion.TLSv1_3) as server:
        own = f"https://127.0.0.1:{server.port}"
        cli.profile(f'[profiles.p]\nendpoint = "{own}"\nauth = "none"\nclient_cert = "{mine}"\nca_bundle = "{ca}"\n')
        assert cli.run("complete", "P", "-p", "p").text == "secure\n"
        with _demanding(authority, ssl.TLSVersion.TLSv1_3) as other:
            result = cli.run("complete", "P", "-p", "p", "--endpoint", f"https://127.0.0.1:{other.port}")
    assert (result.code, other.requests) == (10, [])


# Unix sockets


@pytest.fixture
def unix_server(tmp_path: Path) -> Iterator[tuple[ScriptedServer, str]]:
    """Give a server on a Unix socket, and the path of that."""
    path = str(tmp_path / "s")
    with scripted(path) as server:
        server.play([answer("here")])
        yield server, path


def test_a_unix_socket_takes_the_place_of_the_host(cli: Cli, unix_server: tuple[ScriptedServer, str]) -> None:
    server, path = unix_server
    cli.service("http://localhost/v1").env["ALL_PROXY"] = "http://127.0.0.1:1"
    for command in ("complete", "stream"):
        assert cli.run(command, "P", "--unix-socket", path).text == "here\n"
    assert server.requests[0].startswith(b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n")
    assert f"--unix-socket {path}" in cli.run("complete", "P", "--unix-socket", path, "--curl").text


def test_a_unix_socket_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    path = str(tmp_path / "nothing")
    result = cli.service("http://localhost").run("complete", "P", "--unix-socket", path, "--retries", "0")
    assert (result.code, f"no connection to the endpoint {path}: No such file" in result.stderr) == (10, True)


def test_a_batch_uses_one_as_well(cli: Cli, unix_server: tuple[ScriptedServer, str], tmp_path: Path) -> None:
    server, path = unix_server
    rows = tmp_path / "rows.txt"
    rows.write_text("P\nQ\n", encoding="utf-8")
    args = ["batch", str(rows), "-o", str(tmp_path / "out"), "--unix-socket", path]
    result = cli.service("http://localhost/v1").run(*args)
    assert (result.code, result.stderr.splitlines()[0]) == (0, "done: 2 rows; 2 ok, 0 failed")
    assert sorted(request.partition(b"{")[2] for request in server.requests) == [
        b'"prompt":"P","max_tokens":256}',
        b'"prompt":"Q","max_tokens":256}',
    ]
    assert all(b"\r\nhost: localhost\r\n" in request.lower() for request in server.requests)


def test_a_batch_names_a_socket_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("P\n", encoding="utf-8")
    nothing = str(tmp_path / "nothing")
    args = ["batch", str(rows), "-o", str(tmp_path / "out"), "--unix-socket", nothing, "--retries", "0"]
    result = cli.service("http://localhost").run(*args)
    assert (result.code, f"no connection to the endpoint {nothing}: No such file" in result.stderr) == (14, True)
