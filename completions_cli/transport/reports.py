"""How what goes wrong on the wire is put to the user: one sentence and one hint for each, whichever library saw it."""

from completions_cli.errors import MalformedResponseError, NetworkError, RequestTimeoutError

_BROKEN_OFF = "The server or something on the way broke off; try again. Add -v to see the exchange."
_WHICH_PROXY = "Check --proxy, HTTPS_PROXY and NO_PROXY"


def connect_timeout() -> NetworkError:
    """Return the error for a connection attempt that nobody answered."""
    return NetworkError(
        "no connection within the time allowed (--connect-timeout)",
        hint="Check the host name and the network; a proxy or firewall may drop packets.",
        retryable=True,
    )


def no_connection(reason: str, *, proxied: bool) -> NetworkError:
    """Return the error for a refused connection, to the proxy if there is one."""
    if proxied:
        return NetworkError(f"no connection to the proxy: {reason}", hint=f"{_WHICH_PROXY}.", retryable=True)
    return NetworkError(
        f"no connection: {reason}", hint="Check the endpoint's host and port; is the server running?", retryable=True
    )


def unresolved(reason: str, *, retryable: bool, proxied: bool) -> NetworkError:
    """Return the error for an unknown host name, of the proxy if there is one."""
    if proxied:
        return NetworkError(
            f"the proxy's host name cannot be resolved: {reason}", hint=f"{_WHICH_PROXY}.", retryable=retryable
        )
    return NetworkError(
        f"the host name cannot be resolved: {reason}",
        hint="Check the endpoint for a typo; is a VPN or proxy needed?",
        retryable=retryable,
    )


def bad_certificate(reason: str) -> NetworkError:
    """Return the error for a certificate that does not match the host or is not trusted."""
    return NetworkError(
        f"the server's certificate is not accepted: {reason}",
        hint="Behind a company proxy? Name its CA file with --ca-bundle or SSL_CERT_FILE.",
    )


def no_tls(reason: str) -> NetworkError:
    """Return the error for a peer that speaks no TLS, or no version that we speak."""
    return NetworkError(f"no TLS connection: {reason}", hint="Is the endpoint https, and its port right?")


def proxy_refused(reason: str) -> NetworkError:
    """Return the error for a proxy that refuses the connection."""
    return NetworkError(f"the proxy refused: {reason}", hint=f"{_WHICH_PROXY}, and the proxy's credentials.")


def closed_early() -> NetworkError:
    """Return the error for a connection closed before any byte of an answer."""
    return NetworkError("the connection was closed before an answer came", hint=_BROKEN_OFF, retryable=True)


def not_http(reason: str) -> NetworkError:
    """Return the error for an answer that is not HTTP, without the repr() that the libraries quote in `reason`."""
    words = reason.partition(": bytearray(")[0]
    return NetworkError(f"the server does not speak HTTP properly: {words}", hint="Is the endpoint's port right?")


def unsendable() -> NetworkError:
    """Make the error for a request no library will send; the library's own words quote header values, keys too."""
    return NetworkError("the request cannot be sent as it is", hint="Check the headers given with -H.")


def cut_off() -> MalformedResponseError:
    """Return the error for a connection closed in the middle of an answer."""
    return MalformedResponseError("the connection was closed before the response was complete", hint=_BROKEN_OFF)


def undecodable() -> MalformedResponseError:
    """Return the error for a body that is not compressed as its header says."""
    return MalformedResponseError("the response cannot be decompressed", hint="It was damaged on its way; try again.")


def redirect(location: str) -> NetworkError:
    """Make the error for a redirect that is not followed."""
    return NetworkError(
        f"the server redirects to {location}, which is not followed",
        hint="Nothing is sent to another origin. If that address is right, use it as --endpoint.",
    )


def silent(timeout: float | None) -> RequestTimeoutError:
    """Return the error for a silence longer than the timeout."""
    return RequestTimeoutError(
        f"the server was silent for {timeout or 0:g} s (--timeout)",
        hint="Raise --timeout. The text of `stream` comes as it is made, so it is seldom silent for long.",
    )


def overdue(deadline: float | None) -> RequestTimeoutError:
    """Return the error for a call that passed its deadline."""
    return RequestTimeoutError(
        f"the call did not end within {deadline or 0:g} s (--deadline)",
        hint="Raise --deadline, or ask for fewer tokens.",
    )
