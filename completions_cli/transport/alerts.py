"""What a server says by TLS alert when it is our certificate that it misses or refuses, in either library's words."""

import re

_ALERT = re.compile(r"alert[ _:]*(?P<name>[a-z_ ]+)", re.IGNORECASE)
# RFC 8446 §6.2: the alerts about the other side's certificate, and those that servers send for one that is missing.
_ABOUT_CERTIFICATES = ("certificate", "unknownca", "accessdenied", "decrypterror")


def is_about_our_certificate(reason: str, *, shown: bool) -> bool:
    """Return whether a reason, such as TLSV13_ALERT_CERTIFICATE_REQUIRED, is about a certificate of ours.

    `shown`: one was shown, so that a failed handshake is most likely about it.
    """
    found = _ALERT.search(reason)
    name = "" if found is None else re.sub("[ _]", "", found["name"].lower())
    return any(word in name for word in _ABOUT_CERTIFICATES) or (shown and "handshakefailure" in name)
