"""A request shown instead of sent."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from completions_cli.api import headers, wire
from completions_cli.api.headers import MASK
from completions_cli.models import HttpRequest

# Linux takes 128 KiB in one argument; quoting makes up to five characters of one.
_LONGEST_ARGUMENT = 24 * 1024
_CURL_FILES = {"--cacert": "ca_bundle", "--cert": "client_cert", "--key": "client_key", "--unix-socket": "unix_socket"}


def masked(request: HttpRequest) -> dict[str, str]:
    """Return the headers with every value hidden that may be a secret."""
    return {name: _mask(name, value, request) for name, value in request.headers.items()}


def dry_run(request: HttpRequest, *, as_json: bool) -> str:
    """Show method, URL, headers and body: as HTTP has them, or as one JSON object."""
    url = headers.shown_url(request.url)
    if as_json:
        fields = {"method": "POST", "url": url, "headers": masked(request), "body": json.loads(request.body)}
        return wire.dumps(fields) + "\n"
    lines = [f"POST {url}", *(f"{name}: {value}" for name, value in masked(request).items()), ""]
    return "\n".join(lines) + "\n" + request.body.decode() + "\n"


def curl(request: HttpRequest, settings: Mapping[str, Any]) -> str:
    """Show the request as a command for the shell; secrets are taken from variables."""
    streaming = ["--no-buffer"] if "text/event-stream" in request.headers.get("accept", "") else []
    words = ["curl", "--silent", "--show-error", "--fail-with-body", *streaming]
    words += _curl_proxy(settings["proxy"]) if settings.get("proxy") else []
    for option, name in _CURL_FILES.items():
        file = settings.get(name)
        if file and (name == "unix_socket" or request.url.startswith("https:")):
            words += [option, shlex.quote(file)]
    lines = [" ".join([*words, _curl_url(request.url)])]
    # Without accept-encoding: curl would print the compressed bytes.
    shown = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
    lines += [f"--header {_curl_header(name, value, request)}" for name, value in shown.items()]
    body = request.body.decode()
    if len(request.body) <= _LONGEST_ARGUMENT:
        lines.append(f"--data-binary {shlex.quote(body)}")
        return " \\\n  ".join(lines) + "\n"
    # JSON on one line, so no line of it can be the mark; the newline after it is white space.
    lines.append("--data-binary @- <<'END-OF-BODY'")
    return " \\\n  ".join(lines) + f"\n{body}\nEND-OF-BODY\n"


def _curl_proxy(proxy: str) -> list[str]:
    """Name the proxy for curl; what signs in at it is taken from a variable, as other secrets are."""
    scheme, _, rest = proxy.partition("://")
    credentials, _, host = rest.rpartition("@")
    # To curl, socks5 means that names are resolved on this machine, and socks is SOCKS 4.
    scheme = "socks5h" if scheme in ("socks", "socks5") else scheme
    signing = ["--proxy-user", '"$PROXY_USER"'] if credentials else []
    return ["--proxy", shlex.quote(f"{scheme}://{host}"), *signing]


def _curl_url(url: str) -> str:
    """Quote a URL for the shell; keys in its query are taken from variables, as those of headers are."""
    words, rest = [], url
    for name, value in headers.secret_parameters(url):
        before, _, rest = rest.partition(f"{name}={value}")
        words += [shlex.quote(f"{before}{name}="), f'"${_variable(name)}"']
    return "".join([*words, shlex.quote(rest) if rest or not words else ""])


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]|^(?=[0-9])", "_", name.upper())


def _curl_header(name: str, value: str, request: HttpRequest) -> str:
    if name == "authorization" and value.startswith("Bearer "):
        return '"authorization: Bearer $COMPLETIONS_API_KEY"'
    if name == "api-key":
        return '"api-key: $COMPLETIONS_API_KEY"'
    if _is_secret(name, request):
        variable = _variable(name)
        # The name itself may hold what a shell would act upon.
        return (
            f'{shlex.quote(f"{name}: ")}"${variable}"' if re.search(r"[^a-z0-9-]", name) else f'"{name}: ${variable}"'
        )
    # curl's way to send a header without a value; with a colon it would send none.
    return shlex.quote(f"{name}: {value}" if value else f"{name};")


def _mask(name: str, value: str, request: HttpRequest) -> str:
    if not _is_secret(name, request):
        return value
    return f"Bearer {MASK}" if value.startswith("Bearer ") else MASK


def _is_secret(name: str, request: HttpRequest) -> bool:
    return name in request.secret_headers or headers.is_sensitive(name)
