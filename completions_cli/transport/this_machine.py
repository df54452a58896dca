"""The name localhost: keys go there unencrypted, so it must not be what some resolver makes of it."""

import socket

from completions_cli.api.endpoint import is_loopback
from completions_cli.api.urls import Origin

ELSEWHERE = "its name points to another machine here"


def may_be(host: str, address: str) -> bool:
    """Return whether a host may have an address: one that stands for this machine only such as do, too."""
    return not is_loopback(host) or is_loopback(address.partition("%")[0])


def is_elsewhere(origin: Origin) -> bool:
    """Return whether localhost leads to another machine, where whoever answers could read all that is sent."""
    if origin.scheme != "http" or not is_loopback(origin.host) or origin.host[0].isdigit() or ":" in origin.host:
        return False
    try:
        answers = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except OSError:
        return False  # nothing is sent either
    return not all(may_be(origin.host, str(answer[4][0])) for answer in answers)
