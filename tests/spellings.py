"""The ways in which a server, a proxy or a log may spell a key that it was sent."""

import base64
import codecs
import html
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "swapped case": str.swapcase,
    "as a token": lambda key: f"Bearer {key}",
    "in a query": lambda key: f"https://x.example/?api-key={quote(key, safe='')}&a=b",
    "percent-encoded": lambda key: quote(key, safe=""),
    "percent-encoded twice": lambda key: quote(quote(key, safe=""), safe=""),
    "percent-encoded whole": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "percent-encoded in small letters": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "JSON": json.dumps,
    "JSON in JSON": lambda key: json.dumps(json.dumps(key)),
    "JSON escapes": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "braced escapes": lambda key: "".join(f"\\u{{{ord(c):x}}}" for c in key),
    "braced escapes with zeros": lambda key: "".join(f"\\u{{{ord(c):06X}}}" for c in key),
    "repr": repr,
    "repr of bytes": lambda key: repr(key.encode()),
    "repr of JSON": lambda key: repr(json.dumps({"key": key})),
    "hexadecimal escapes": lambda key: "".join(f"\\x{ord(c):02X}" for c in key),
    "octal escapes": lambda key: "".join(f"\\{ord(c):03o}" for c in key),
    "a backslash before each": lambda key: "".join(c if c.isalnum() else f"\\{c}" for c in key),
    "HTML": html.escape,
    "decimal entities": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "hexadecimal entities": lambda key: "".join(f"&#x{ord(c):x};" for c in key),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "base64 after one": lambda key: base64.b64encode(b"u:" + key.encode()).decode(),
    "base64 after two": lambda key: base64.b64encode(b"me:" + key.encode() + b"!").decode(),
    "base64 in lines": lambda key: base64.encodebytes(2 * key.encode()).decode(),
    "base32": lambda key: base64.b32encode(b"k=" + key.encode()).decode(),
    "base85": lambda key: base64.b85encode(b"key" + key.encode()).decode(),
    "ASCII 85": lambda key: base64.a85encode(key.encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal with colons": lambda key: key.encode().hex(":").upper(),
    "numbers": lambda key: str(list(key.encode())),
    "backwards": lambda key: key[::-1],
    "rotated by 13": lambda key: codecs.encode(key, "rot13"),
    "blanks between": " ".join,
    "dashes between": "-".join,
    "lines": "\n".join,
    "nothing that is seen between": "\u200b".join,
    "full width": lambda key: "".join(chr(ord(c) + 0xFEE0) for c in key),
    "quoted-printable": lambda key: quopri.encodestring(key.encode()).decode(),
}
