"""How what goes wrong on the wire is put to the user: one sentence and one hint for each, whichever library saw it.

Each names who was at the other end, with host and port: the endpoint, the proxy or the sign-in server.
"""

import re

from completions_cli.errors import (
    DamagedResponseError,
    MalformedResponseError,
    NetworkError,
    ProxyError,
    RequestTimeoutError,
    UsageError,
)
from completions_cli.transport import certificates
from completions_cli.transport.route import PROXY, Peer, Route

_BROKEN_OFF = "The server, or something in between, closed it. Try again; -v shows the exchange."
_WHICH_PROXY = "Check --proxy, HTTPS_PROXY and NO_PROXY"
_WHICH = {PROXY: f"{_WHICH_PROXY}.", "sign-in server": "Check authority in the profile; is a VPN or a proxy needed?"}
_ALERTS = (
    # What older servers say when they miss a client certificate.
    (
        re.compile("handshake", re.IGNORECASE),
        "It may require a client certificate (--client-cert), or a version of TLS that is not supported here.",
    ),
    (
        re.compile("protocol.?version|unsupported.?protocol", re.IGNORECASE),
        "The server, or something in between, is too old: TLS 1.2 or 1.3 is needed.",
    ),
    (
        re.compile("unrecogni[sz]ed.?name", re.IGNORECASE),
        "The server does not know this host name: check it for a typo.",
    ),
)
# What proxies say who cannot reach the target; all else is about us.
_UNREACHABLE = ("500", "502", "503", "504")

# What SOCKS proxies say of the target (RFC 1928), as against us.
_SOCKS_UNREACHABLE = ("general", "network unreachable", "host unreachable", "connection refused", "ttl")
_SOCKS_REFUSALS = (
    (re.compile("not allowed"), "its rules do not allow the connection"),
    (re.compile("got username/password|implements authentication incorrectly"), "it wants a user name and password"),
    (re.compile("no acceptable methods|does not support user/pass"), "it accepts no way to sign in that was offered"),
    (re.compile("invalid username/password|credentials"), "it does not accept the user name and password"),
)


def connect_timeout(route: Route, seconds: float | None) -> NetworkError:
    """Return the error for a connection or a handshake that took longer than `seconds`."""
    through = "" if route.proxy is None else f" through the {route.proxy}"
    network = "Check the host name and the network; a proxy or firewall may drop packets."
    return NetworkError(
        f"no connection to the {route.target}{through} within {seconds or 0:g} s (--connect-timeout)",
        hint=network if route.proxy is None else f"{_WHICH_PROXY}; is it the kind of proxy that its URL says?",
        retryable=True,
    )


def no_connection(peer: Peer, reason: str) -> NetworkError:
    """Return the error for a refused connection."""
    hint = _WHICH.get(peer.role, "Check the endpoint's host and port; is the server running?")
    return NetworkError(f"no connection to the {peer}: {reason}", hint=hint, retryable=True)


def unresolved(peer: Peer, reason: str, *, retryable: bool) -> NetworkError:
    """Return the error for an unknown host name."""
    hint = _WHICH.get(peer.role, "Check the endpoint for a typo; is a VPN or proxy needed?")
    return NetworkError(f"the host name of the {peer} cannot be resolved: {reason}", hint=hint, retryable=retryable)


def bad_certificate(peer: Peer, reason: str) -> NetworkError:
    """Return the error for a certificate that does not match the host or is not trusted."""
    words, hint = certificates.explained(reason)
    return NetworkError(f"TLS with the {peer} failed: its certificate is not accepted: {words}", hint=hint)


def bracketed_behind_proxy(peer: Peer) -> NetworkError:
    """Return the error for what pyreqwest cannot do: an IPv6 address over https through a proxy."""
    return NetworkError(
        f"batches and AsyncClient cannot reach the {peer}, an IPv6 address, over https through a proxy",
        hint="Use the host's name in the endpoint; `complete`, `stream` and Client take the address, too.",
    )


def no_tls(peer: Peer, reason: str) -> NetworkError:
    """Return the error for a peer that speaks no TLS, or no version that we speak."""
    which = {
        PROXY: "If the proxy speaks plain http, write it as http://HOST:PORT.",
        "endpoint": "Is the endpoint https, and its port right?",
    }
    told = next((hint for pattern, hint in _ALERTS if pattern.search(reason)), None)
    return NetworkError(f"TLS with the {peer} failed: {reason}", hint=told or which.get(peer.role) or _WHICH[peer.role])


def client_certificate(peer: Peer, reason: str, *, shown: bool) -> NetworkError:
    """Return the error for a server that requires a client certificate, or refuses the one it was shown."""
    if shown:
        return NetworkError(
            f"TLS with the {peer} failed: it does not accept the client certificate: {reason}",
            hint="Check --client-cert and --client-key: are they for this server, and still valid?",
        )
    return NetworkError(
        f"TLS with the {peer} failed: it requires a client certificate",
        hint="Give yours with --client-cert FILE and --client-key FILE, or client_cert and client_key in the profile.",
    )


def proxy_refused(proxy: Peer, reason: str) -> NetworkError:
    """Return the error for a proxy that refuses the connection, credentials missing included."""
    return ProxyError(f"the {proxy} refused: {reason}", hint=f"{_WHICH_PROXY}, and the proxy's credentials.")


def no_tunnel(route: Route, proxy: Peer, status: str) -> NetworkError:
    """Return the error for a status that a proxy gives to a CONNECT, such as "503 Service Unavailable"."""
    return unreachable(route, status) if status.startswith(_UNREACHABLE) else proxy_refused(proxy, status)


def unreachable(route: Route, reason: str) -> NetworkError:
    """Return the error for a proxy that is well but makes no connection to the target."""
    return NetworkError(
        f"the {route.proxy} cannot reach the {route.target}: {reason}",
        hint=f"Check the {route.target.role}'s host and port first, then --proxy, HTTPS_PROXY and NO_PROXY.",
        retryable=True,
    )


def wants_proxy_credentials(peer: Peer) -> NetworkError:
    """Return the error for a status 407, which only a proxy gives, though it stand where we see none."""
    who = f"the {peer} refused" if peer.role == PROXY else f"a proxy before the {peer} refused"
    return ProxyError(
        f"{who}: 407 Proxy Authentication Required",
        hint="Give the proxy's credentials in its URL, as in --proxy http://USER:PASSWORD@HOST:PORT.",
    )


def closed_early(peer: Peer) -> NetworkError:
    """Return the error for a connection closed before any byte of an answer."""
    return NetworkError(
        f"the connection to the {peer} was closed before an answer came", hint=_BROKEN_OFF, retryable=True
    )


def not_http(peer: Peer, reason: str) -> NetworkError:
    """Return the error for an answer that is not HTTP, without the repr() that the libraries quote in `reason`."""
    words = reason.partition(": bytearray(")[0]
    hint = _WHICH.get(peer.role, "Is the endpoint's port right?")
    return NetworkError(f"the {peer} does not speak HTTP properly: {words}", hint=hint)


def socks_failed(route: Route, proxy: Peer, reason: str) -> NetworkError:
    """Return the error for a SOCKS proxy that makes no connection, in either library's words for `reason`."""
    plain = reason.lower().rstrip(".")
    if plain.startswith(_SOCKS_UNREACHABLE):
        return unreachable(route, plain)
    if re.search("parsing|io error", plain):
        return not_socks(proxy)
    return proxy_refused(proxy, next((words for pattern, words in _SOCKS_REFUSALS if pattern.search(plain)), plain))


def not_socks(proxy: Peer) -> NetworkError:
    """Return the error for a proxy that answers SOCKS with something else."""
    return NetworkError(
        f"the {proxy} does not speak SOCKS", hint="If it is an HTTP proxy, write it as http://HOST:PORT."
    )


def unsendable(peer: Peer) -> NetworkError:
    """Make the error for a request no library will send; the library's own words quote header values, keys too."""
    return NetworkError(
        f"the request to the {peer} cannot be sent as it is", hint="Check the headers given with -H or in the profile."
    )


def closed() -> UsageError:
    """Return the error for a call that a program left behind when it closed its client."""
    return UsageError(
        "the client was closed before this call had ended", hint="Await all calls before you close the client."
    )


def unknown(peer: Peer, error: Exception) -> NetworkError:
    """Make the error for an unforeseen exception of a library, by its name: its message may quote a key."""
    kind = type(error)
    return NetworkError(
        f"the exchange with the {peer} failed: {kind.__module__.partition('.')[0]}.{kind.__qualname__}",
        hint="Try again; -vv shows where it happened.",
    )


def cut_off(peer: Peer) -> MalformedResponseError:
    """Return the error for a connection closed in the middle of an answer."""
    return MalformedResponseError(
        f"the connection to the {peer} was closed before the response was complete", hint=_BROKEN_OFF
    )


def undecodable(peer: Peer) -> DamagedResponseError:
    """Return the error for a body that is not compressed as its header says."""
    return DamagedResponseError(
        f"the response of the {peer} cannot be decompressed", hint="It was damaged in transit; try again."
    )


def redirect(peer: Peer, location: str) -> NetworkError:
    """Make the error for a redirect that is not followed."""
    use = "authority in the profile" if peer.role == "sign-in server" else "--endpoint"
    return NetworkError(
        f"the {peer} redirects to {location}, which is not followed",
        hint=f"Nothing is sent to another origin. If that address is right, use it as {use}.",
    )


def silent(server: str, timeout: float | None) -> RequestTimeoutError:
    """Return the error for a silence longer than the timeout."""
    return RequestTimeoutError(
        f"the {server} was silent for {timeout or 0:g} s (--timeout)",
        hint="Raise --timeout. `stream` prints text as it is generated, so it is rarely silent for long.",
    )


def overdue(server: str, deadline: float | None) -> RequestTimeoutError:
    """Return the error for a call that passed its deadline."""
    return RequestTimeoutError(
        f"the call to the {server} did not end within {deadline or 0:g} s (--deadline)",
        hint="Raise --deadline. A lower -M makes an answer end sooner.",
    )
