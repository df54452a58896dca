"""What is wrong with a server's certificate, and what to do about it, whichever library refused it."""

import re

_TRUST = (
    "If you trust it, name its CA file with --ca-bundle or SSL_CERT_FILE; a company's proxy has a CA file of its own."
)
# What OpenSSL or rustls says, what that means, and what helps.
_KINDS = (
    (r"expired", "it has expired", "Is this computer's clock right? If so, the server needs a new certificate."),
    (r"not (yet valid|valid yet)|notvalidyet", "it is not valid yet", "Is this computer's clock right?"),
    (
        r"mismatch|not valid for",
        "it is for another host name",
        "Check the host name, and use one that the certificate names.",
    ),
    (
        r"CaUsedAsEndEntity",
        "it is marked as a CA's own",
        "Batches and AsyncClient need one made with basicConstraints=CA:FALSE; `complete`, `stream` and Client do not.",
    ),
    (r"unknownissuer|local issuer|verify the first|in certificate chain", "its issuer is not trusted", _TRUST),
    (r"self.signed", "it is self-signed", _TRUST),
    (r"revoked", "it was revoked", "The server needs a new certificate."),
)


def explained(reason: str) -> tuple[str, str]:
    """Return what is wrong with a certificate that a library refused for `reason`, and a hint."""
    kinds = ((words, hint) for pattern, words, hint in _KINDS if re.search(pattern, reason, re.IGNORECASE))
    return next(kinds, (reason, _TRUST))
