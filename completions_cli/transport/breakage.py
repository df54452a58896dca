"""What pyreqwest says went wrong, in the user's terms: the same sentences as for the synchronous transport.

Its exception classes say little; the chain of causes they carry says all.
"""

import re

from pyreqwest.exceptions import DetailedPyreqwestError, PoolTimeoutError, RequestTimeoutError

from completions_cli.errors import CompletionsError
from completions_cli.transport import reports
from completions_cli.transport.connection import Connection

_OS_ERROR = re.compile(r" \(os error \d+\)$")
# Its timers and our clock need not agree to the millisecond.
_SLACK = 0.05


def mapped(error: Exception, connection: Connection, elapsed: float, *, answering: bool) -> CompletionsError:
    """Turn an exception into ours. `answering` is true when the head of the answer was seen, `elapsed` in seconds."""
    if not isinstance(error, DetailedPyreqwestError):
        return reports.unsendable()
    causes = [cause["message"] for cause in error.details.get("causes") or ()]
    connecting = any("(Connect)" in cause for cause in causes)
    last = _OS_ERROR.sub("", causes[-1]) if causes else error.message
    if isinstance(error, RequestTimeoutError) and not isinstance(error, PoolTimeoutError):
        return _timeout(connection, elapsed, connecting=connecting)
    # The start of the body is read along with the head.
    if answering or any("decoding response body" in cause for cause in causes):
        is_broken = any("reading a body" in cause or "error (" in cause for cause in causes)
        return reports.cut_off() if is_broken else reports.undecodable()
    if connecting:
        return _connecting(causes, last, proxied=connection.proxy is not None)
    return _sending(causes, last)


def _timeout(connection: Connection, elapsed: float, *, connecting: bool) -> CompletionsError:
    if connection.deadline is not None and elapsed >= connection.deadline - _SLACK:
        return reports.overdue(connection.deadline)
    return reports.connect_timeout() if connecting else reports.silent(connection.timeout)


def _sending(causes: list[str], last: str) -> CompletionsError:
    """Tell a connection that closed from one that answered with something else than HTTP."""
    if any("closed before message" in cause or _OS_ERROR.search(cause) for cause in causes):
        return reports.closed_early()
    if any("(SendRequest)" in cause for cause in causes):
        return reports.not_http(last)
    return reports.no_connection(last, proxied=False)


def _connecting(causes: list[str], last: str, *, proxied: bool) -> CompletionsError:
    text = " ".join(causes)
    if "invalid peer certificate" in text:
        found: CompletionsError = reports.bad_certificate(last.removeprefix("invalid peer certificate: "))
    elif "dns error" in text:
        reason = last.removeprefix("failed to lookup address information: ")
        found = reports.unresolved(reason, retryable="emporary" in reason, proxied=proxied)
    elif "tcp connect error" in text or "underlying connection" in text:
        found = reports.no_connection(last, proxied=proxied)
    elif "tunnel error" in text or "socks" in text.lower():
        found = reports.proxy_refused(last.removeprefix("tunnel error: "))
    elif any(word in last for word in ("closed", "reset", "eof")):
        found = reports.closed_early()
    else:
        found = reports.no_tls(last)
    return found
