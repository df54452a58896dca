"""Where a request goes, as the network saw it: a proxy that takes every name records who would have been contacted."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from completions_cli.api import urls
from completions_cli.api.urls import Url, UrlError
from completions_cli.errors import NetworkError
from completions_cli.models import HttpRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import SyncTransport
from tests.command import Cli
from tests.odd_urls import odd_references, odd_urls
from tests.scripted_server import ScriptedServer, response, scripted

KEY = b"canary"
STRASSE = "http://strasse.example"
SHARP_S = "http://xn--strae-oqa.example"
Send = Callable[[str, Connection], None]


def _request(url: str) -> HttpRequest:
    return HttpRequest(url, {"api-key": KEY.decode()}, b"{}")


def _send_sync(url: str, connection: Connection) -> None:
    with SyncTransport(connection) as transport, transport.send(_request(url), Patience(10, None)):
        pass


def _send_async(url: str, connection: Connection) -> None:
    async def exchange() -> None:
        async with AsyncTransport(connection) as transport:
            await transport.send(_request(url))

    asyncio.run(exchange())


@pytest.fixture(params=[_send_sync, _send_async], ids=["sync", "async"], scope="module")
def send(request: pytest.FixtureRequest) -> Send:
    """Send over each of the transports in turn."""
    sender: Send = request.param
    return sender


def _seen(send: Send, url: Url, *scripts: bytes) -> ScriptedServer:
    """Send to `url` by way of a proxy that answers as told, and return what the proxy saw."""
    with scripted() as proxy:
        proxy.play(*([script] for script in scripts))
        with contextlib.suppress(NetworkError):
            send(str(url), Connection(proxy=proxy.url))
    return proxy


def _assert_contacts(request: bytes, url: Url) -> None:
    """Check that a request to a proxy would have gone where `url` says, and by no other name."""
    head = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    hosts = [line.partition(b": ")[2].decode() for line in head if line.lower().startswith(b"host:")]
    if url.origin.scheme == "https":
        assert head[0] == f"CONNECT {url.origin.host_and_port} HTTP/1.1".encode()
        assert KEY not in request
    else:
        # With the port, though it be the default, is how one of the libraries says it.
        forms = {str(url), f"http://{url.origin.host_and_port}{url.target}"}
        assert head[0].decode() in {f"POST {form} HTTP/1.1" for form in forms}
    assert set(hosts) <= {url.origin.authority, url.origin.host_and_port}


@settings(max_examples=40)
@given(text=odd_urls.map(lambda text: text.replace("https://", "http://")) | odd_urls)
@example(text="http://straße.example/ä/../b?c")
@example(text="http://[::ffff:127.0.0.1]/")
@example(text="https://[2001:db8::1]:8443/")
@example(text="https://faß.de")
def test_what_is_contacted_is_what_was_read(text: str, send: Send) -> None:
    try:
        url = urls.parse(text)
    except UrlError:
        return
    refused = response(b"", "403 X")
    requests = _seen(send, url, refused).requests
    assert requests
    for request in requests:  # a tunnel that is refused may be asked for twice
        _assert_contacts(request, url)


@settings(max_examples=40)
@given(location=odd_references, base=st.sampled_from([STRASSE, SHARP_S]), status=st.sampled_from([301, 307, 308]))
@example(location="http://straße.example/a", base=STRASSE, status=307)
@example(location="//straße.example/a", base=STRASSE, status=308)
@example(location="http://STRASSE.example:80/a/../b", base=STRASSE, status=307)
@example(location="http://strasse。example/", base=STRASSE, status=307)
@example(location="http://strasse.example\\@other.example/", base=STRASSE, status=307)
@example(location="/\\other.example/", base=STRASSE, status=307)
@example(location="\x01", base=STRASSE, status=307)
@example(location="http://straße.example/a", base=SHARP_S, status=307)
def test_no_location_leads_elsewhere(location: str, base: str, status: int, send: Send) -> None:
    line = location.encode("utf-8", "surrogatepass")
    if b"\r" in line or b"\n" in line:
        return
    url = urls.parse(base)
    head = b"HTTP/1.1 %d X\r\nlocation: %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % (status, line)
    requests = _seen(send, url, head, response(b"{}")).requests
    assert 1 <= len(requests) <= (1 if status == 301 else 2)
    for request in requests:
        assert request.startswith((f"POST {base}/".encode(), f"POST {base}:80/".encode()))


@pytest.mark.parametrize(
    "location",
    [
        *["http://straße.example/x", "//other.example/x", "http://user:hunter2@strasse.example/x", "/\\other.example"],
        *["\\\\other.example", "/a\tb", "/\x01", "https:x", "javascript:alert(1)", "http://0x7f.1/", "http://[::1"],
        *["/\x80", "/a b"],
    ],
)
def test_a_location_that_is_not_followed_is_an_error_that_names_it(location: str, send: Send) -> None:
    head = b"HTTP/1.1 307 X\r\nlocation: " + location.encode() + b"\r\ncontent-length: 0\r\n\r\n"
    with scripted() as proxy:
        proxy.play([head])
        with pytest.raises(NetworkError) as caught:
            send(STRASSE, Connection(proxy=proxy.url))
    assert "hunter2" not in caught.value.message
    assert len(proxy.requests) == 1
    if send is _send_sync:
        assert "redirects to " in caught.value.message
        assert "nowhere" not in caught.value.message


def test_a_redirect_in_raw_utf8_to_the_same_name_is_followed() -> None:
    head = (
        "HTTP/1.1 307 X\r\nlocation: http://straße.example/ä\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    )
    requests = _seen(_send_sync, urls.parse(SHARP_S), head, response(b"{}")).requests
    assert requests[1].startswith(f"POST {SHARP_S}/%C3%A4 HTTP/1.1\r\n".encode())


def test_neither_cookies_nor_logins_come_along(cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    """What a server sets is not sent back, and a login of `.netrc` is not looked for."""
    choice = {"index": 0, "text": "hello", "finish_reason": "stop"}
    body = json.dumps({"choices": [choice], "data": [{"id": "m"}]}).encode()
    scripted_server.play([response(body, headers=["set-cookie: id=canary; Path=/", "content-type: application/json"])])
    (cli.home / ".netrc").write_text("machine 127.0.0.1 login me password canary\n", encoding="utf-8")
    (cli.home / ".netrc").chmod(0o600)
    (tmp_path / "in.txt").write_text("a\nb\nc\n", encoding="utf-8")
    cli.env["COMPLETIONS_ENDPOINT"] = scripted_server.url
    assert cli.run("complete", "P", "-n", "3", "--seed", "1", "--auth", "none").code == 0
    rows = ("batch", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out.jsonl"), "-j", "1")
    assert cli.run(*rows, "--auth", "none").code == 0
    assert cli.run("models", "--auth", "none").code == 0
    sent = b"".join(scripted_server.requests).lower()
    assert len(scripted_server.requests) == 7
    assert b"cookie" not in sent
    assert b"authorization" not in sent
