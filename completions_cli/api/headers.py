"""The request headers of the API reference, and which of them may be shown."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from completions_cli.api import urls
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest, Json
from completions_cli.version import __version__

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\t\x20-\x7e]*")
_SENSITIVE = re.compile(
    r"key|token|secret|auth|cookie|pass(?:w|phrase|code)|pwd|credential|signature|session|bearer|jwt|\b(?:pass|pat|sas)\b",
    re.IGNORECASE,
)
# A semicolon parts them too, unless no name follows.
_PARAMETER = re.compile(r"(?P<mark>[?&;#])(?P<name>[^=?&;#]+)=(?P<value>(?:[^&;#]|;(?![^=?&;#]+=))+)")
MASK = "****"
# What the client owns: a value of the user's here would break the exchange or leak a key.
RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type"})


def build(
    request: CompletionRequest,
    *,
    deployment: str | None = None,
    extra_parameters: str | None = None,
    custom: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Make the headers of a request, names in lower case. Extras send `pass-through` unless told otherwise."""
    headers = {
        # Some servers that know no streams refuse a request that takes nothing else.
        "accept": "text/event-stream, application/json" if request.stream else "application/json",
        # Compression would hold back the events of a stream.
        "accept-encoding": "identity" if request.stream else "gzip, deflate",
        "content-type": "application/json",
        "user-agent": f"completions-cli/{__version__}",
    }
    behaviour = extra_parameters or ("pass-through" if request.extra else None)
    if behaviour is not None:
        headers["extra-parameters"] = behaviour
    if deployment is not None:
        headers["azureml-model-deployment"] = deployment
    headers.update({name.lower(): value for name, value in (custom or {}).items()})
    return headers


def parse(line: str) -> tuple[str, str]:
    """Split a header as it is typed, `Name: value`. Raises UsageError that does not repeat the value."""
    name, colon, value = line.partition(":")
    name = name.strip()
    reason = error(name, value) if colon and name else "a header must be written as 'Name: value'"
    if reason:
        raise UsageError(reason, hint="For example: -H 'x-team: blue'.")
    return name.lower(), value.strip()


def error(name: str, value: Json) -> str | None:
    """Return what is wrong with a header of the user's, or None. The value is not repeated: it may be a secret."""
    if not NAME.fullmatch(name):
        return f"{name!r} cannot be the name of a header"
    if name.lower() in RESERVED:
        return f"the header {name} is set by the client itself"
    if not isinstance(value, str) or not VALUE.fullmatch(value):
        return f"the value of header {name} must be a line of ASCII text"
    return None


def request_id(entropy: bytes) -> str:
    """Make a random UUID of 16 random bytes; the module for them costs more than this."""
    digits = bytearray(entropy)
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def secret_parameters(url: str) -> list[tuple[str, str]]:
    """Return the parameters of a URL's query that are better not shown: some gateways take keys there."""
    found = _PARAMETER.finditer(url.partition("#")[0])
    return [(parameter["name"], parameter["value"]) for parameter in found if _is_secret_parameter(parameter["name"])]


def query_secrets(url: str) -> list[str]:
    """Return the values of those parameters, however a server may write them: escaped or not."""
    return [reading for _, value in secret_parameters(url) for reading in urls.readings(value)]


def shown_url(url: str) -> str:
    """Return a URL, or a text that was meant as one, without what may be a password or key in it."""
    return _PARAMETER.sub(_shown_parameter, urls.shown(url) if urls.holds_user(url) else url)


def _shown_parameter(found: re.Match[str]) -> str:
    return f"{found['mark']}{found['name']}={MASK}" if _is_secret_parameter(found["name"]) else found[0]


def _is_secret_parameter(name: str) -> bool:
    name = unquote(name)
    return is_sensitive(name) or name.lower() in ("code", "sig")


def is_sensitive(name: str) -> bool:
    """Return whether a header's value is better not shown."""
    # How many tokens are left of a rate limit is no secret.
    return bool(_SENSITIVE.search(name)) and not name.lower().startswith("x-ratelimit-")
