"""URLs, read once and in one way: what is compared, shown, stored and sent is the same ASCII text.

Libraries disagree about URLs: on backslashes and tabs, addresses such as `0x7f.1`, names that are not ASCII, `%` and
dots in paths. What any of them reads in its own way is put into the form that all of them read alike, or refused.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, unquote_plus

from completions_cli import limits

DEFAULT_PORTS = {"http": 80, "https": 443}

# How a proxy may be spoken to, each with its usual port.
PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks": 1080}

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<address>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")
# Names that end so are addresses to some parsers, in octal, hexadecimal or with parts left out.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_LONGEST_NAME = 253
_HIGHEST_PORT = 65535
_MOST_SHOWN = 500  # characters
# Controls, white space and halves of characters; the backslash is a slash to browsers.
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
# What may stand unescaped; the apostrophe is escaped in queries by some.
_SAFE_IN_PATHS = "/:@!$&'()*+,;=~-._%"
_SAFE_IN_QUERIES = "/:@!$&()*+,;=~-._%?"
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_ESCAPED_DOT = re.compile("%2e", re.IGNORECASE)
_BEFORE_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_USER = re.compile(r"\A((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?.*@", re.DOTALL)
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


class UrlError(ValueError):
    """What is wrong with a URL, as the end of a sentence that begins with what it was for. Repeats no password."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, all in ASCII: what a key is bound to. `host` is without the brackets of IPv6."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Return scheme://host[:port], the default port left out."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The host and, unless it is the default, the port: what the header Host says."""
        return bracketed(self.host) if self.has_default_port else self.host_and_port

    @property
    def has_default_port(self) -> bool:
        """True when the scheme implies the port."""
        return self.port == DEFAULT_PORTS.get(self.scheme)

    @property
    def host_and_port(self) -> str:
        """The host with its port in any case."""
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in the form that every parser reads alike. `path` begins with a slash; an empty query is none."""

    origin: Origin
    path: str = "/"
    query: str = field(default="", repr=False)  # some gateways take a key in it

    def __str__(self) -> str:
        """Return the URL as it is sent and shown; it has no fragment."""
        return f"{self.origin}{self.target}"

    @property
    def target(self) -> str:
        """The path with the query: what stands in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def joined(self, reference: str) -> "Url":
        """Return the URL that a reference found here means, such as a Location. Raises UrlError."""
        _refuse_characters(reference)
        if _SCHEME.match(reference):
            return parse(reference)
        if reference.startswith("//"):
            return parse(f"{self.origin.scheme}:{reference}")
        path, mark, query = reference.partition("#")[0].partition("?")
        if not path:
            return Url(self.origin, self.path, _escaped(query, _SAFE_IN_QUERIES) if mark else self.query)
        if not path.startswith("/"):
            path = self.path.rpartition("/")[0] + "/" + path
        return Url(self.origin, _path(path), _escaped(query, _SAFE_IN_QUERIES))


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy is and who we are to it. The scheme of its origin says how it is spoken to."""

    origin: Origin
    user: str | None = None
    password: str = ""


def parse(text: str) -> Url:
    """Read an http or https URL. Raises UrlError."""
    parts = _parts(text)
    if "@" in parts["authority"]:
        raise UrlError("contains a user name or password")
    scheme = parts["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise UrlError(f"has the scheme {scheme[:_LONGEST_NAME]!r}; only https and http are supported")
    origin = _origin(scheme, parts["authority"], text, DEFAULT_PORTS[scheme])
    return Url(origin, _path(parts["path"]), _escaped(parts["query"] or "", _SAFE_IN_QUERIES))


def parse_proxy(text: str) -> Proxy:
    """Read a proxy's URL; without a scheme it is http. Raises UrlError, without what the URL holds."""
    try:
        return _proxy(_parts(text if "://" in text else f"http://{text}"))
    except UrlError:
        raise UrlError("is not a usable URL") from None


def shown(text: str) -> str:
    """Return a text that may be a URL without what may be a user name and password in it."""
    return _USER.sub(r"\1****@", text)


def _refused(text: str) -> str:
    """Return what to show of a text that is not a URL: nothing of its query, where some gateways take keys."""
    before, mark, _ = shown(text).partition("?")
    return repr(f"{before[:_MOST_SHOWN]}{'…' if len(before) > _MOST_SHOWN else ''}{'?…' if mark else ''}")


def holds_user(text: str) -> bool:
    """Return whether a text that may be a URL has a user name or password before its host."""
    text = text.strip()
    scheme = _BEFORE_AUTHORITY.match(text)
    return "@" in re.split("[/?#]", text[scheme.end() if scheme else 0 :], maxsplit=1)[0]


def readings(part: str) -> tuple[str, ...]:
    """Return a part of a URL as it is written, and as those who receive it read it."""
    return tuple(dict.fromkeys((part, unquote(part), unquote_plus(part))))


def bracketed(host: str) -> str:
    """Return a host as it is written before a port."""
    return f"[{host}]" if ":" in host else host


def _parts(text: str) -> re.Match[str]:
    _refuse_characters(text)
    parts = _URL.fullmatch(text)
    if parts is None:
        raise _no_url(text)
    return parts


def _refuse_characters(text: str) -> None:
    if len(text) > limits.URL_CHARACTERS:
        raise UrlError(f"is not a usable URL: it is longer than {limits.URL_CHARACTERS} characters")
    if _NOT_IN_URLS.search(text) or not text:
        raise _no_url(text)


def _no_url(text: str) -> UrlError:
    """Make the error for what is no URL. What a server put there is masked later, cut or not."""
    return UrlError(f"is not a URL: {_refused(text)}")


def _proxy(parts: re.Match[str]) -> Proxy:
    scheme = parts["scheme"].lower()
    user_info, at, host = parts["authority"].rpartition("@")
    origin = _origin("socks5" if scheme == "socks" else scheme, host, parts[0], PROXY_PORTS.get(scheme))
    if scheme not in PROXY_PORTS or parts["path"] not in ("", "/") or parts["query"] or not origin.port:
        raise UrlError(parts[0])
    user, _, password = user_info.partition(":")
    return Proxy(origin, unquote(user) if at else None, unquote(password))


def _origin(scheme: str, authority: str, text: str, default_port: int | None) -> Origin:
    parts = _HOST_AND_PORT.fullmatch(authority)
    if parts is None or (parts["port"] and not 0 < int(parts["port"]) <= _HIGHEST_PORT):
        raise _no_url(text)
    if not authority.partition(":")[0]:
        raise UrlError(f"names no host: {_refused(text)}")
    host = _name(parts["name"]) if parts["address"] is None else _address(parts["address"])
    return Origin(scheme, host, int(parts["port"]) if parts["port"] else default_port or 0)


def _address(text: str) -> str:
    """Return an IPv6 address as all parsers write it, which those of IPv4 within are not."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        address = None
    if address is None or address.scope_id is not None:
        raise UrlError(f"has an invalid host: {text[:_LONGEST_NAME]!r}")
    if address.ipv4_mapped is not None:
        high, low = divmod(int(address.ipv4_mapped), 1 << 16)
        return f"::ffff:{high:x}:{low:x}"
    return address.compressed


def _name(text: str) -> str:
    """Return a host name or an IPv4 address in ASCII, by IDNA 2008. Raises UrlError for what nobody should resolve."""
    try:
        host = text.lower() if text.isascii() else _ascii(text)
        # A host called `https` comes of a slash that is missing, or of a scheme written twice.
        is_valid = bool(_NAME.fullmatch(host)) and len(host) <= _LONGEST_NAME and host not in DEFAULT_PORTS
        if is_valid and _ENDS_IN_NUMBER.fullmatch(host):
            is_valid = str(ipaddress.IPv4Address(text)) == text  # what is not ASCII is no address
        if is_valid and "xn--" in host:
            _check_international(host)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise UrlError(f"has an invalid host name: {text[:_LONGEST_NAME]!r}")
    return host


def _ascii(name: str) -> str:
    import idna

    if len(name) > _LONGEST_NAME:
        raise ValueError(name)
    # UTS 46 folds upper case and wide letters; the letters that IDNA 2003 replaced, such as the sharp s, stay.
    return idna.encode(name, uts46=True, transitional=False).decode()


def _check_international(host: str) -> None:
    """Raise ValueError unless each `xn--` label is what IDNA 2008 makes of a name, and the whole can be displayed."""
    import idna

    labels = host.removesuffix(".").split(".")
    named = [idna.ulabel(label) if label.startswith("xn--") else label for label in labels]
    if any(idna.alabel(name).decode() != label for name, label in zip(named, labels, strict=True) if name != label):
        raise ValueError(host)
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for name in named for character in name):
        for name in named:
            idna.check_bidi(name, check_ltr=True)


def _path(path: str) -> str:
    """Return a path escaped, its dots resolved: some parsers resolve them, escaped ones too, and others do not."""
    segments: list[str] = []
    *before, last = _escaped(path or "/", _SAFE_IN_PATHS).split("/")[1:]
    for segment in before:
        _walk(segments, segment)
    if _walk(segments, last):
        segments.append("")
    return "/" + "/".join(segments)


def _walk(segments: list[str], segment: str) -> bool:
    """Add a segment to those before it; return whether it was one of dots."""
    meant = _ESCAPED_DOT.sub(".", segment)
    if meant == "..":
        del segments[-1:]
    elif meant != ".":
        segments.append(segment)
        return False
    return True


def _escaped(text: str, safe: str) -> str:
    return _STRAY_PERCENT.sub("%25", quote(text, safe=safe))
