"""What goes wrong on the wire, in the user's terms. One table for every way an exchange can break."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore

from completions_cli.errors import CompletionsError, NetworkError
from completions_cli.transport import reports
from completions_cli.transport.patience import Patience


@contextmanager
def mapped(patience: Patience, *, answering: bool, proxied: bool = False) -> Iterator[None]:
    """Turn httpcore's exceptions into ours. `answering` is true once the head of the answer is in."""
    try:
        yield
    except httpcore.ConnectTimeout as error:
        patience.remaining()  # raises if it is the whole call that is over
        raise reports.connect_timeout() from error
    except (httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
        raise patience.expired() from error
    except httpcore.ConnectError as error:
        raise _connect_failure(error, proxied=proxied) from error
    except httpcore.ProxyError as error:
        raise reports.proxy_refused(str(error)) from error
    except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError) as error:
        raise _broken(error, answering=answering) from error
    except httpcore.LocalProtocolError as error:
        raise reports.unsendable() from error
    except httpcore.UnsupportedProtocol as error:
        raise NetworkError(f"unsupported protocol: {error}", hint="The endpoint must be https or http.") from error


def _broken(error: Exception, *, answering: bool) -> CompletionsError:
    if answering:
        return reports.cut_off()
    if isinstance(error, httpcore.RemoteProtocolError) and "without sending" not in str(error):
        return reports.not_http(str(error))
    return reports.closed_early()


def _connect_failure(error: Exception, *, proxied: bool) -> NetworkError:
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return reports.bad_certificate(cause.verify_message)
    if isinstance(cause, ssl.SSLError):
        return reports.no_tls(cause.reason or str(cause))
    if isinstance(cause, socket.gaierror):
        reason, is_passing = cause.strerror or str(cause), cause.errno == socket.EAI_AGAIN
        return reports.unresolved(reason, retryable=is_passing, proxied=proxied)
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
    return reports.no_connection(reason, proxied=proxied)


def _cause(error: BaseException) -> BaseException:
    """Find the operating system's own error under the library's layers."""
    seen = error
    while (deeper := seen.__cause__ or seen.__context__) is not None:
        seen = deeper
        if isinstance(seen, OSError):
            return seen
    return seen
