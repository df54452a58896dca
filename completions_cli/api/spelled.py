"""The ways in which a server, or something on the way, may write a secret that it was sent."""

import base64
import codecs
import re
from collections.abc import Callable, Iterator

RUN = 8  # characters of a secret that are not shown in a row

ALPHANUMERIC = re.compile(r"[0-9a-z]+", re.IGNORECASE)


def forms(secret: str) -> Iterator[tuple[str, int]]:
    """Yield how a secret may be written, in small letters, and how many characters of that are not shown in a row."""
    data = secret.encode()
    for written in (secret, codecs.encode(secret, "rot13")):
        for text in (lower(written), lower(written)[::-1]):
            yield text, RUN
            alphanumeric = "".join(ALPHANUMERIC.findall(text))
            if len(alphanumeric) >= RUN:
                yield alphanumeric, RUN
    yield "".join(map(str, data)), 2 * RUN
    yield data.hex(), 2 * RUN - 1
    yield data[::-1].hex(), 2 * RUN - 1
    yield secret.encode("utf-16-le").hex(), 4 * RUN - 3  # big-endian is the same, shifted by a byte
    for encode, group, length in _ENCODINGS:
        yield from _encoded(data, encode, group, length, RUN)
    yield from _encoded(data[::-1], *_BASE64, RUN)
    yield from _encoded(secret.encode("utf-16-le"), *_BASE64, 2 * RUN - 1)
    for shift in range(_BASE64[1]):
        yield from _encoded(_base64(data, shift), *_BASE64, RUN * _BASE64[2] // _BASE64[1])


def _encoded(
    data: bytes, encode: Callable[[bytes], bytes], group: int, length: int, run: int
) -> Iterator[tuple[str, int]]:
    """Yield how bytes look once encoded, whatever stands before them, and what a `run` of them comes to."""
    for shift in range(group):  # what stands before it decides where a group begins
        encoded = encode(bytes(shift) + data).decode().rstrip("=").lower()
        kept = encoded[-(-shift * length // group) :]
        signs = encode in (base64.b85encode, base64.a85encode)
        yield kept if signs else "".join(ALPHANUMERIC.findall(kept)), run * length // group


def _base64(data: bytes, shift: int) -> bytes:
    """Return the base64 of bytes that others precede, without those."""
    _, group, length = _BASE64
    return base64.b64encode(bytes(shift) + data).rstrip(b"=")[-(-shift * length // group) :]


_BASE64 = (base64.b64encode, 3, 4)
_ENCODINGS = (
    _BASE64,
    (base64.b32encode, 5, 8),
    (base64.b85encode, 4, 5),
    (base64.a85encode, 4, 5),
)


def lower(text: str) -> str:
    """Return a text in small letters, as long as it was."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)
