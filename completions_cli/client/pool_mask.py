"""One mask for all members of a pool: what was sent to one may come back from another."""

from collections.abc import Iterable

from completions_cli.api.masking import Mask
from completions_cli.auth.credentials import Credentials, KeyCredentials


def of(credentials: Iterable[Credentials]) -> Mask:
    """Return a mask that knows the keys of all members. Tokens are added when they are first sent."""
    mask = Mask()
    for member in credentials:
        if isinstance(member, KeyCredentials):
            for name, value in member.headers().items():
                mask.add_header(name, value)
    return mask
