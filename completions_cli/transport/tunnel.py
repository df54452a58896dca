"""What a proxy says to a CONNECT that it refuses: pyreqwest keeps the status to itself, so it is asked once more."""

import asyncio
import base64
import contextlib
import re
import ssl

from completions_cli import limits
from completions_cli.api.urls import Proxy, Url
from completions_cli.transport import tls
from completions_cli.transport.connection import Connection

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (?P<status>[0-9]{3})(?: (?P<reason>[ -~]{0,200}))?[^\n]*\r?\n")


async def status(connection: Connection, target: Url) -> str | None:
    """Ask the proxy for a tunnel and return what it answers, or None when that cannot be found out."""
    proxy = connection.proxy_url
    if proxy is None:
        return None
    try:
        async with asyncio.timeout(connection.connect_timeout):
            return await _answer(proxy, _secured(connection, proxy), target)
    except (OSError, TimeoutError, ValueError):
        return None


def _secured(connection: Connection, proxy: Proxy) -> ssl.SSLContext | None:
    return tls.context(connection.ca_bundle, connection.ca_source) if proxy.origin.scheme == "https" else None


async def _answer(proxy: Proxy, context: ssl.SSLContext | None, target: Url) -> str | None:
    reader, writer = await asyncio.open_connection(
        proxy.origin.host, proxy.origin.port, ssl=context, limit=limits.PROXY_HEAD_BYTES
    )
    try:
        writer.write(_connect(proxy, target.origin.host_and_port))
        found = _STATUS_LINE.match(await reader.readline())
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if found is None:
        return None
    return f"{found['status'].decode()} {(found['reason'] or b'').decode()}".rstrip()


def _connect(proxy: Proxy, authority: str) -> bytes:
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.user is not None:
        credentials = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    return "\r\n".join([*lines, "", ""]).encode()
