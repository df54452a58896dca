"""One table of exchanges, run over the synchronous and the asynchronous transport: users must not see a difference."""

import asyncio
import contextlib
import gzip
import os
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from completions_cli import opening
from completions_cli.errors import (
    CompletionsError,
    ConfigError,
    MalformedResponseError,
    NetworkError,
    RequestTimeoutError,
)
from completions_cli.models import HttpRequest
from completions_cli.transport import tls
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import SyncTransport
from tests.scripted_server import HangUp, Reset, Script, ScriptedServer, Silence, response
from tests.tls import proxy, tls_server, write_authority

Exchange = tuple[int, bytes]
Send = Callable[[str, Connection], Exchange]


def _request(url: str) -> HttpRequest:
    return HttpRequest(url, {"content-type": "application/json", "api-key": "canary"}, b'{"prompt":"P"}')


def _send_sync(url: str, connection: Connection) -> Exchange:
    patience = Patience(connection.timeout, connection.deadline)
    with SyncTransport(connection) as transport, transport.send(_request(url), patience) as answer:
        return answer.status, b"".join(answer.body())


def _send_async(url: str, connection: Connection) -> Exchange:
    async def exchange() -> Exchange:
        async with AsyncTransport(connection) as transport:
            answer = await transport.send(_request(url))
            if answer.broken is not None:
                raise answer.broken
            return answer.status, answer.body

    return asyncio.run(exchange())


@pytest.fixture(params=[_send_sync, _send_async], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send over each of the transports in turn."""
    sender: Send = request.param
    return sender


@dataclass(frozen=True)
class Broken:
    """An exchange that fails: the server's script, the error's class, words of it, whether it may be tried again."""

    script: Script
    kind: type[CompletionsError]
    words: str
    retryable: bool | None = None


BROKEN = {
    "reset before an answer": Broken([Reset()], NetworkError, "closed before an answer", retryable=True),
    "closed before an answer": Broken([HangUp()], NetworkError, "closed before an answer", retryable=True),
    "no HTTP": Broken([b"SSH-2.0-OpenSSH_9\r\n\r\n"], NetworkError, "does not speak HTTP", retryable=False),
    "short body": Broken(
        [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", HangUp()], MalformedResponseError, "before the response"
    ),
    "reset within the body": Broken(
        [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", Reset()], MalformedResponseError, "before the response"
    ),
    "broken chunk": Broken(
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{"], MalformedResponseError, "before the response"
    ),
    "no gzip": Broken(
        [response(b"plain", headers=["content-encoding: gzip"])], MalformedResponseError, "cannot be decompressed"
    ),
    "silence": Broken([Silence()], RequestTimeoutError, "silent for 0.4 s"),
    "silence within the body": Broken(
        [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", Silence()], RequestTimeoutError, "silent for 0.4 s"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_is_told_in_the_same_words(name: str, send: Send, scripted_server: ScriptedServer) -> None:
    case = BROKEN[name]
    scripted_server.play(case.script)
    timeout = 0.4 if case.kind is RequestTimeoutError else 60  # what breaks is not to be taken for silence
    with pytest.raises(case.kind, match=case.words) as caught:
        send(scripted_server.url, Connection(timeout=timeout))
    assert isinstance(caught.value, NetworkError) is (case.kind is NetworkError)
    if case.retryable is not None:
        assert getattr(caught.value, "retryable", None) is case.retryable
    assert "canary" not in str(caught.value)
    assert f"the endpoint 127.0.0.1:{scripted_server.port}" in str(caught.value)


def test_a_deadline_ends_the_whole_exchange(send: Send, scripted_server: ScriptedServer) -> None:
    scripted_server.play([b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", Silence()])
    with pytest.raises(RequestTimeoutError, match=r"did not end within 0.3 s \(--deadline\)"):
        send(scripted_server.url, Connection(timeout=5, deadline=0.3))


def test_nobody_listens(send: Send) -> None:
    with pytest.raises(
        NetworkError, match=r"no connection to the endpoint 127\.0\.0\.1:1: Connection refused"
    ) as caught:
        send("http://127.0.0.1:1/", Connection())
    assert caught.value.retryable


def test_nobody_accepts(send: Send) -> None:
    with _full_backlog() as port, pytest.raises(NetworkError, match="--connect-timeout") as caught:
        send(f"http://127.0.0.1:{port}/", Connection(connect_timeout=0.3))
    assert caught.value.retryable


def test_a_name_that_does_not_exist(send: Send) -> None:
    with pytest.raises(NetworkError, match=r"the host name of the endpoint nowhere\.invalid:80 cannot be resolved: "):
        send("http://nowhere.invalid/", Connection())


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_answer_is_decompressed(encoding: str, send: Send, scripted_server: ScriptedServer) -> None:
    body = gzip.compress(b"text") if encoding == "gzip" else zlib.compress(b"text")
    scripted_server.play([response(body, headers=[f"content-encoding: {encoding}"])])
    assert send(scripted_server.url, Connection()) == (200, b"text")


@pytest.mark.parametrize("status", ["307 X", "308 X"])
def test_a_redirect_within_the_origin_is_followed_once(
    status: str, send: Send, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b"", status, ["location: /elsewhere?a=b"])], [response(b"there")])
    assert send(scripted_server.url + "/completions", Connection()) == (200, b"there")
    assert scripted_server.requests[1].startswith(b"POST /elsewhere?a=b HTTP/1.1\r\n")
    assert scripted_server.requests[1].endswith(b'{"prompt":"P"}')


def test_a_second_redirect_is_not_followed(send: Send, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b"", "307 X", ["location: /again"])])
    with pytest.raises(NetworkError, match=f"redirects to {scripted_server.url}/again"):
        send(scripted_server.url, Connection())
    assert len(scripted_server.requests) == 2


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/x", "https://127.0.0.1/x", "//other.test/x", "http://[", ""])
@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
def test_no_other_redirect_is_followed(status: str, location: str, send: Send, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b"", status, [f"location: {location}"])])
    with pytest.raises(NetworkError, match="not followed"):
        send(scripted_server.url, Connection())
    assert len(scripted_server.requests) == 1


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X"])
def test_a_redirect_that_changes_the_method_is_not_followed(
    status: str, send: Send, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b"", status, ["location: /elsewhere"])])
    with pytest.raises(NetworkError, match=f"redirects to {scripted_server.url}/elsewhere"):
        send(scripted_server.url, Connection())


@pytest.mark.parametrize("status", ["300 X", "304 X", "305 X", "307 X", "399 X"])
def test_a_redirect_without_an_address_is_no_answer(status: str, send: Send, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b"", status)])
    with pytest.raises(NetworkError, match="redirects to an address that is missing"):
        send(scripted_server.url, Connection())


def test_an_answer_that_is_too_large_is_refused() -> None:
    async def exchange(url: str) -> None:
        async with AsyncTransport(Connection(), max_body_bytes=1 << 20) as transport:
            await transport.send(_request(url))

    bomb = response(gzip.compress(bytes(5 << 20)), headers=["content-encoding: gzip"])
    for answer in (bomb, response(bytes(5 << 20))):
        with _server(answer) as url, pytest.raises(MalformedResponseError, match="larger than 1 MiB"):
            asyncio.run(exchange(url))


# TLS and proxies


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give a certificate authority that nobody else trusts."""
    return trustme.CA()


def test_a_named_ca_file_is_trusted_and_nothing_else(send: Send, authority: trustme.CA, tmp_path: Path) -> None:
    ours = write_authority(authority, tmp_path)
    (tmp_path / "other").mkdir()
    other = write_authority(trustme.CA(), tmp_path / "other")
    with tls_server(authority.issue_cert("127.0.0.1")) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert send(url, Connection(ca_bundle=str(ours)))[0] == 200
        with pytest.raises(NetworkError, match="certificate is not accepted") as caught:
            send(url, Connection(ca_bundle=str(other)))
        assert not caught.value.retryable
        with pytest.raises(NetworkError, match="certificate is not accepted"):
            send(url, Connection())


def test_a_certificate_for_another_name_is_refused(send: Send, authority: trustme.CA, tmp_path: Path) -> None:
    ca = str(write_authority(authority, tmp_path))
    with tls_server(authority.issue_cert("elsewhere.test")) as server:
        with pytest.raises(NetworkError, match="certificate is not accepted"):
            send(f"https://127.0.0.1:{server.port}/", Connection(ca_bundle=ca))
        assert server.requests == []


def test_a_common_name_is_none_that_counts(send: Send, authority: trustme.CA, tmp_path: Path) -> None:
    ca = str(write_authority(authority, tmp_path))
    with tls_server(authority.issue_cert("someone@elsewhere.test", common_name="localhost")) as server:
        with pytest.raises(NetworkError, match="certificate is not accepted"):
            send(f"https://localhost:{server.port}/", Connection(ca_bundle=ca))
        assert server.requests == []


@pytest.mark.parametrize("content", [None, "no certificates here"])
def test_a_ca_file_that_is_none_is_named(content: str | None, send: Send, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"ca\.pem \(SSL_CERT_FILE\)"):
        send("https://127.0.0.1:1/", Connection(ca_bundle=str(path), ca_source="SSL_CERT_FILE"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("named", ["ca_bundle", "client_cert", "client_key"])
def test_a_pipe_in_place_of_a_certificate_keeps_nobody_waiting(
    named: str, send: Send, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "STREAM_SECONDS", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    files: dict[str, Any] = {"client_cert": str(write_authority(authority, tmp_path))} if named == "client_key" else {}
    with pytest.raises(ConfigError, match=r"it is (not a regular file|a pipe or a device, and did not end)"):
        send("https://127.0.0.1:1/", Connection(**{**files, named: str(pipe)}))
    os.close(os.open(pipe, os.O_RDWR))  # a reader that was left behind is let go


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs /dev/null")
def test_an_empty_device_does_not_stand_for_the_systems_store(send: Send) -> None:
    with pytest.raises(ConfigError, match="CA file /dev/null"):
        send("https://127.0.0.1:1/", Connection(ca_bundle="/dev/null"))


def test_a_folder_without_certificates_is_named(send: Send, tmp_path: Path, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))  # not under the name by which it would be found
    with pytest.raises(ConfigError, match=r"CA folder .* \(SSL_CERT_DIR\): no certificates") as caught:
        send("https://127.0.0.1:1/", Connection(ca_bundle=str(tmp_path), ca_source="SSL_CERT_DIR"))
    assert f"Run: openssl rehash {tmp_path}" in str(caught.value.hint)
    (tmp_path / "ca.pem").rename(tmp_path / "0a1b2c3d.0")
    (tmp_path / "0a1b2c3d.0").write_text("garbage", encoding="utf-8")
    with tls_server(authority.issue_cert("127.0.0.1")) as server:
        with pytest.raises((ConfigError, NetworkError), match="certificate"):
            send(f"https://127.0.0.1:{server.port}/", Connection(ca_bundle=str(tmp_path), ca_source="SSL_CERT_DIR"))
        assert server.requests == []


def test_a_log_of_tls_keys_that_cannot_be_written_is_not_blamed_on_the_certificates(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path))
    with pytest.raises(ConfigError, match="SSLKEYLOGFILE"):
        tls.context(str(write_authority(authority, tmp_path)))


def test_plain_http_behind_https(send: Send) -> None:
    with _talks_first(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(NetworkError, match=f"TLS with the endpoint 127.0.0.1:{port} failed: ") as caught:
            send(f"https://127.0.0.1:{port}/", Connection())
        assert not caught.value.retryable


def test_a_proxy_with_a_password(send: Send, authority: trustme.CA, tmp_path: Path) -> None:
    ca = str(write_authority(authority, tmp_path))
    with tls_server(authority.issue_cert("service.test")) as server, proxy(server.port, user="me:p w") as gate:
        url = f"http://me:p%20w@127.0.0.1:{gate.port}"
        assert send("https://service.test/", Connection(ca_bundle=ca, proxy=url))[0] == 200
    assert gate.requests[0].startswith(b"CONNECT service.test:443 ")
    assert b"canary" not in gate.requests[0]


@pytest.mark.parametrize(("user", "refuse"), [("me:other", False), (None, True)])
def test_a_proxy_that_refuses(user: str | None, refuse: bool, send: Send) -> None:
    with (
        proxy(1, user=user, refuse=refuse) as gate,
        pytest.raises(NetworkError, match=r"the proxy 127\.0\.0\.1:[0-9]+ refused") as caught,
    ):
        send("https://service.test/", Connection(proxy=f"http://me:hidden@127.0.0.1:{gate.port}"))
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "no connection to the proxy 127.0.0.1:1: Connection refused"),
        ("http://proxy.invalid:1", "the host name of the proxy proxy.invalid:1 cannot be resolved: "),
    ],
)
def test_a_proxy_that_is_not_there_is_what_is_blamed(url: str, words: str, send: Send) -> None:
    with pytest.raises(NetworkError, match=words) as caught:
        send("https://service.test/", Connection(proxy=url))
    assert "NO_PROXY" in str(caught.value.hint)


@contextmanager
def _full_backlog() -> Iterator[int]:
    """Listen without ever accepting, the queue of waiting connections full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for client in waiting:
            client.close()


@contextmanager
def _server(answer: bytes) -> Iterator[str]:
    server = ScriptedServer()
    server.play([answer])
    server.start()
    yield server.url
    server.close()


@contextmanager
def _talks_first(words: bytes) -> Iterator[int]:
    """Say something to whoever connects, without listening."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):  # the client may leave first
                connection.sendall(words)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)
