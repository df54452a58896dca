"""What goes wrong on the wire, in the user's terms. One table for every way an exchange can break."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore

from completions_cli.errors import CompletionsError, MalformedResponseError, NetworkError
from completions_cli.transport.patience import Patience

_BROKEN_OFF = "The server or something on the way broke off; try again. Add -v to see the exchange."


@contextmanager
def mapped(patience: Patience, *, answering: bool) -> Iterator[None]:
    """Turn httpcore's exceptions into ours. `answering` is true once the head of the answer is in."""
    try:
        yield
    except httpcore.ConnectTimeout as error:
        patience.remaining()  # raises if it is the whole call that is over
        raise NetworkError(
            "no connection within the time allowed (--connect-timeout)",
            hint="Check the host name and the network; a proxy or firewall may drop packets.",
            retryable=True,
        ) from error
    except (httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
        raise patience.expired() from error
    except httpcore.ConnectError as error:
        raise _connect_failure(error) from error
    except httpcore.ProxyError as error:
        raise NetworkError(
            f"the proxy refused: {error}", hint="Check --proxy, HTTPS_PROXY and NO_PROXY, and the proxy's credentials."
        ) from error
    except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError) as error:
        raise _broken(error, answering=answering) from error
    except httpcore.LocalProtocolError as error:
        # Its text quotes header values, keys among them.
        raise NetworkError("the request cannot be sent as it is", hint="Check the headers given with -H.") from error
    except httpcore.UnsupportedProtocol as error:
        raise NetworkError(f"unsupported protocol: {error}", hint="The endpoint must be https or http.") from error


def redirect(location: str) -> NetworkError:
    """Make the error for a redirect that is not followed."""
    return NetworkError(
        f"the server redirects to {location or 'nowhere'}, which is not followed",
        hint="Nothing is sent to another origin. If that address is right, use it as --endpoint.",
    )


def _broken(error: Exception, *, answering: bool) -> CompletionsError:
    if answering:
        return MalformedResponseError("the connection was closed before the response was complete", hint=_BROKEN_OFF)
    if isinstance(error, httpcore.RemoteProtocolError) and "without sending" not in str(error):
        return NetworkError(f"the server does not speak HTTP properly: {error}", hint="Is the endpoint's port right?")
    return NetworkError("the connection was closed before an answer came", hint=_BROKEN_OFF, retryable=True)


def _connect_failure(error: Exception) -> NetworkError:
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NetworkError(
            f"the server's certificate is not accepted: {cause.verify_message}",
            hint="Behind a company proxy? Name its CA file with --ca-bundle or SSL_CERT_FILE.",
        )
    if isinstance(cause, ssl.SSLError):
        return NetworkError(
            f"no TLS connection: {cause.reason or cause}", hint="Is the endpoint https, and its port right?"
        )
    if isinstance(cause, socket.gaierror):
        again = cause.errno == socket.EAI_AGAIN
        return NetworkError(
            f"the host name cannot be resolved: {cause.strerror}",
            hint="Check the endpoint for a typo; is a VPN or proxy needed?",
            retryable=again,
        )
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
    return NetworkError(
        f"no connection: {reason}", hint="Check the endpoint's host and port; is the server running?", retryable=True
    )


def _cause(error: BaseException) -> BaseException:
    """Find the operating system's own error under the library's layers."""
    seen = error
    while (deeper := seen.__cause__ or seen.__context__) is not None:
        seen = deeper
        if isinstance(seen, OSError):
            return seen
    return seen
