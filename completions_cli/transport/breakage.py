"""What pyreqwest says went wrong, in the user's terms: the same sentences as for the synchronous transport.

Its exception classes say little; the chain of causes they carry says all.
"""

import re

from pyreqwest.exceptions import ClientClosedError, DetailedPyreqwestError, PoolTimeoutError, RequestTimeoutError

from completions_cli.errors import CompletionsError, NetworkError
from completions_cli.transport import alerts, reports
from completions_cli.transport.connection import Connection
from completions_cli.transport.route import Peer, Route

_OS_ERROR = re.compile(r" \(os error \d+\)$")
# Its timers and our clock need not agree to the millisecond.
_SLACK = 0.05
_BAD_CERTIFICATE = "invalid peer certificate: "
_ALERT = "received fatal alert: "
_NO_NAME = "Invalid Server Name"  # it takes the brackets of an IPv6 address for a part of it
_TUNNEL, _SOCKS = "tunnel error: ", "SOCKS error: "
_UNDERLYING = "failed to create underlying connection"  # to the proxy itself


def mapped(
    error: Exception, route: Route, connection: Connection, elapsed: float, *, answering: bool
) -> CompletionsError:
    """Turn an exception into ours. `answering` is true when the head of the answer was seen, `elapsed` in seconds."""
    if not isinstance(error, DetailedPyreqwestError):
        is_ours = isinstance(error, ValueError) and not answering
        return reports.unsendable(route.target) if is_ours else reports.unknown(route.target, error)
    if isinstance(error, ClientClosedError):
        return reports.closed()
    causes = _causes(error)
    connecting = any("(Connect)" in cause for cause in causes)
    last = _OS_ERROR.sub("", causes[-1]) if causes else error.message
    if isinstance(error, RequestTimeoutError) and not isinstance(error, PoolTimeoutError):
        return _timeout(route, connection, elapsed, connecting=connecting)
    # The start of the body is read along with the head.
    if answering or any("decoding response body" in cause for cause in causes):
        is_broken = any("reading a body" in cause or "error (" in cause for cause in causes)
        return reports.cut_off(route.spoken_to) if is_broken else reports.undecodable(route.target)
    if connecting:
        return _connecting(route, causes, last)
    return _sending(route, causes, last)


def is_closed_early(error: Exception) -> bool:
    """Return whether a connection closed that was open, before any byte of an answer."""
    causes = _causes(error) if isinstance(error, DetailedPyreqwestError) else []
    was_open = any("(SendRequest)" in cause for cause in causes)
    return was_open and any("closed before message" in cause or _OS_ERROR.search(cause) for cause in causes)


def is_unconnected(error: Exception) -> bool:
    """Return whether no connection was made."""
    return isinstance(error, DetailedPyreqwestError) and any("(Connect)" in cause for cause in _causes(error))


def is_tunnel_refused(error: Exception) -> bool:
    """Return whether a proxy made no tunnel, for a reason that the library does not tell."""
    causes = _causes(error) if isinstance(error, DetailedPyreqwestError) else []
    return any(cause.endswith(f"{_TUNNEL}unsuccessful") for cause in causes)


def _causes(error: DetailedPyreqwestError) -> list[str]:
    return [cause["message"] for cause in error.details.get("causes") or ()]


def _timeout(route: Route, connection: Connection, elapsed: float, *, connecting: bool) -> CompletionsError:
    server = str(route.target)
    if connection.deadline is not None and elapsed >= connection.deadline - _SLACK:
        return reports.overdue(server, connection.deadline)
    if connecting:
        return reports.connect_timeout(route, connection.connect_timeout)
    return reports.silent(server, connection.timeout)


def _sending(route: Route, causes: list[str], last: str) -> CompletionsError:
    """Return the error for a connection that closed, or that answered with something other than HTTP."""
    peer = route.spoken_to
    if last.startswith(_ALERT):
        return _handshake(peer, last, shown=route.shows_certificate)
    if any("closed before message" in cause or _OS_ERROR.search(cause) for cause in causes):
        return reports.closed_early(peer)
    if any("(SendRequest)" in cause for cause in causes):
        return reports.not_http(peer, last)
    return reports.no_connection(peer, last)


def _connecting(route: Route, causes: list[str], last: str) -> NetworkError:
    text = " ".join(causes)
    if route.proxy is not None and _UNDERLYING not in text and (_TUNNEL in text or _SOCKS in text):
        return _proxy_failure(route, route.proxy, text, last)
    # Of a failure behind the tunnel, the library does not say that there is one.
    peer = route.first if _UNDERLYING in text or route.scheme == "http" else route.target
    if "dns error" in text:
        reason = last.removeprefix("failed to lookup address information: ")
        return reports.unresolved(peer, reason, retryable="emporary" in reason)
    if "tcp connect error" in text or _SOCKS in text:
        return reports.no_connection(peer, "it could not be reached" if _SOCKS in text else last)
    return _handshake(peer, last, shown=route.shows_certificate)


def _handshake(peer: Peer, last: str, *, shown: bool) -> NetworkError:
    if last == _NO_NAME:
        return reports.bracketed_behind_proxy(peer)
    if last.startswith(_BAD_CERTIFICATE):
        return reports.bad_certificate(peer, last.removeprefix(_BAD_CERTIFICATE))
    if any(word in last for word in ("closed", "reset", "eof")):
        return reports.closed_early(peer)
    if alerts.is_about_our_certificate(last, shown=shown):
        return reports.client_certificate(peer, last.removeprefix(_ALERT), shown=shown)
    return reports.no_tls(peer, last)


def _proxy_failure(route: Route, proxy: Peer, text: str, last: str) -> NetworkError:
    """Return the error for a proxy that refuses, or that cannot reach the other end."""
    if _SOCKS in text:
        return reports.socks_failed(route, proxy, last.removeprefix(_SOCKS))
    reason = last.removeprefix(_TUNNEL)
    if _OS_ERROR.search(text) or "end of file" in reason:
        return reports.closed_early(proxy)
    # It does not give the status, but for 407.
    return reports.proxy_refused(proxy, "407 Proxy Authentication Required" if "authorization" in reason else reason)
