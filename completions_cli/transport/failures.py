"""What goes wrong on the wire, in the user's terms. One table for every way an exchange can break."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore

from completions_cli.errors import CompletionsError, NetworkError
from completions_cli.transport import alerts, reports
from completions_cli.transport.network import CurrentExchange
from completions_cli.transport.patience import Patience
from completions_cli.transport.route import Peer, Route

# What SOCKS proxies say of the target, as httpcore words it; all else is about us and the proxy.
_SOCKS_UNREACHABLE = "could not connect: "


@contextmanager
def mapped(
    route: Route, current: CurrentExchange, connect_timeout: float | None, *, answering: bool = False
) -> Iterator[None]:
    """Turn whatever the libraries throw into our errors. `answering` is true once the head of the answer is in."""
    try:
        yield
    except CompletionsError:
        raise
    except Exception as error:
        patience = current.patience or Patience(None, None)
        peer = current.peer or route.target
        if isinstance(error, httpcore.TimeoutException | TimeoutError):
            raise _timeout(route, current, patience, connect_timeout) from error
        if answering:
            raise _in_answer(peer, error) from error
        raise _before_answer(route, current, peer, error) from error


def _timeout(
    route: Route, current: CurrentExchange, patience: Patience, connect_timeout: float | None
) -> CompletionsError:
    if current.is_connecting and not patience.is_overdue:
        return reports.connect_timeout(route, connect_timeout)
    return patience.expired()


def _in_answer(peer: Peer, error: Exception) -> CompletionsError:
    if isinstance(error, httpcore.ProtocolError | httpcore.NetworkError | OSError):
        return reports.cut_off(peer)
    return reports.unknown(peer, error)


def _before_answer(route: Route, current: CurrentExchange, peer: Peer, error: Exception) -> CompletionsError:
    if isinstance(error, httpcore.ProxyError) and route.proxy is not None:
        return _proxy_failure(route, route.proxy, str(error))
    cause = _cause(error)
    if isinstance(cause, ssl.SSLError):
        return _tls_failure(peer, cause, shown=route.shows_certificate)
    if isinstance(error, httpcore.ConnectError) and not isinstance(cause, ConnectionResetError):
        return _connect_failure(peer, error, cause)
    return _protocol_failure(current, peer, error)


def _protocol_failure(current: CurrentExchange, peer: Peer, error: Exception) -> CompletionsError:
    if isinstance(error, httpcore.LocalProtocolError | UnicodeError):
        return reports.unsendable(peer)
    if (current.has_ended and not current.has_read) or isinstance(error, httpcore.NetworkError | OSError):
        return reports.closed_early(peer)
    if type(error).__module__.startswith("socksio"):
        return reports.not_socks(peer)
    if isinstance(error, httpcore.ProtocolError):
        return reports.not_http(peer, str(error))
    return reports.unknown(peer, error)


def _proxy_failure(route: Route, proxy: Peer, reason: str) -> NetworkError:
    """Return the error for a proxy that refuses, or that cannot reach the other end."""
    if str(route.proxy_scheme).startswith("socks"):
        return reports.socks_failed(route, proxy, reason.partition(_SOCKS_UNREACHABLE)[2] or reason)
    return reports.no_tunnel(route, proxy, reason)


def _tls_failure(peer: Peer, error: ssl.SSLError, *, shown: bool) -> NetworkError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return reports.bad_certificate(peer, error.verify_message)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return reports.closed_early(peer)
    reason = error.reason or str(error)
    if alerts.is_about_our_certificate(reason, shown=shown):
        return reports.client_certificate(peer, reason, shown=shown)
    return reports.no_tls(peer, reason)


def _connect_failure(peer: Peer, error: Exception, cause: BaseException) -> NetworkError:
    if isinstance(cause, socket.gaierror):
        is_passing = cause.errno == socket.EAI_AGAIN
        return reports.unresolved(peer, cause.strerror or str(cause), retryable=is_passing)
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
    return reports.no_connection(peer, reason)


def _cause(error: BaseException) -> BaseException:
    """Find the operating system's own error under the library's layers."""
    seen = error
    while (deeper := seen.__cause__ or seen.__context__) is not None:
        seen = deeper
        if isinstance(seen, OSError):
            return seen
    return seen
