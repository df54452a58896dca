"""Sign-in with Microsoft Entra ID: the client-credentials flow of OAuth2.

See the API reference, "Security: AADToken", and the identity platform's documentation of the flow.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from completions_cli import limits
from completions_cli.api import endpoint as endpoints
from completions_cli.api import error_map, headers, urls
from completions_cli.api.masking import Mask
from completions_cli.auth.secret import Secret
from completions_cli.auth.token import Token
from completions_cli.errors import (
    AuthError,
    CompletionsError,
    ConfigError,
    MalformedResponseError,
    NetworkError,
    RequestTimeoutError,
)
from completions_cli.models import HttpRequest, Json
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import Response, SyncTransport
from completions_cli.wall_clock import unix_time

AUTHORITY = "https://login.microsoftonline.com"

# An authority answers in less than a second; nobody wants to wait for a broken one as long as for a model.
_TIMEOUT = 30.0
_BRINGS_TOKEN, _SERVERS_FAULT = 200, 500  # statuses, the latter with all above
_TELLING = 16  # characters of a secret that no token has by chance
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_NO_TENANTS = ("common", "organizations", "consumers")
_CODE = re.compile(r"AADSTS\d+")

# What the authority refuses because the profile is wrong, and which part of it; all else is the secret's fault.
_PROFILE_AT_FAULT = {
    "AADSTS90002": "tenant_id",
    "AADSTS900021": "tenant_id",
    "AADSTS900023": "tenant_id",
    "AADSTS90010": "tenant_id",
    "AADSTS50059": "tenant_id",
    "AADSTS700016": "client_id",
    "AADSTS900144": "client_id",
    "AADSTS70011": "scope",
    "AADSTS1002012": "scope",
    "AADSTS500011": "scope",
    "AADSTS650057": "scope",
}
_BUSY = "The sign-in server is busy or at fault, not the endpoint: try again later."
_ADVICE = {
    "AADSTS7000215": "Use the secret's value, not its id. Store it with `completions config key set`.",
    "AADSTS7000222": "The secret has expired. Create a new one, and store it with `completions config key set`.",
    "AADSTS7000229": "The application has no service principal in this tenant: an administrator must add it.",
}


@dataclass(frozen=True, slots=True)
class Application:
    """Who signs in, where, and for what."""

    tenant: str
    client: str
    scope: str
    authority: str = AUTHORITY


class ClientCredentialsFlow:
    """Trades an application's secret for tokens. The secret is only read when one is needed."""

    def __init__(
        self,
        application: Application,
        secret: Callable[[], Secret],
        connection: Connection,
        trace: Trace | None = None,
    ) -> None:
        check_tenant(application.tenant)
        self._application = application
        self._url = f"{check_authority(application.authority)}/{application.tenant}/oauth2/v2.0/token"
        self._secret = secret
        self._connection = replace(
            connection, timeout=min(connection.timeout or _TIMEOUT, _TIMEOUT), server="sign-in server"
        )
        self._trace = trace

    def fetch(self, now: float) -> Token:
        """Ask the authority for a token. Raises AuthError, ConfigError, or what went wrong on the way."""
        secret = self._secret()
        request = self._request(secret)
        mask = Mask([secret.reveal(), *self._connection.secrets])
        trace = _Discreet(self._trace, mask) if self._trace is not None else None
        try:
            token = self._exchange(request, trace, now)
            refuse_secret(token.value.reveal(), mask, self._server)
        except CompletionsError as error:
            raise mask.error(error) from None
        return token

    def _request(self, secret: Secret) -> HttpRequest:
        form = {
            "client_id": self._application.client,
            "scope": self._application.scope,
            "client_secret": secret.reveal(),
            "grant_type": "client_credentials",
        }
        return HttpRequest(
            url=self._url,
            shared={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
            body=urlencode(form).encode(),
        )

    def _exchange(self, request: HttpRequest, trace: Trace | None, now: float) -> Token:
        patience = Patience(self._connection.timeout, self._connection.deadline)
        try:
            with SyncTransport(self._connection, trace) as transport, transport.send(request, patience) as answer:
                return self._token(answer.status, answer.headers, _body(answer), now)
        except (NetworkError, RequestTimeoutError, MalformedResponseError) as error:
            if "redirects" in error.message:
                error.hint = "Check authority in the profile: the secret is sent nowhere else."
            error.message = f"no token: {error.message}"
            raise

    def _token(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Token:
        answer = _json(body)
        if status != _BRINGS_TOKEN:
            raise self._failure(status, headers, body, answer)
        if not isinstance(answer.get("access_token"), str):
            raise MalformedResponseError(
                f"{self._server} answered without one", hint="Check authority and tenant_id in the profile."
            )
        if str(answer.get("token_type") or "bearer").lower() != "bearer":
            raise MalformedResponseError(
                f"{self._server} answered with a token of another type than Bearer", hint="Check scope in the profile."
            )
        return Token(Secret.checked(answer["access_token"], "the authority"), now, _end(answer, now))

    @property
    def _server(self) -> str:
        return f"the sign-in server {urls.parse(self._url).origin.host_and_port}"

    def _failure(
        self, status: int, headers: Mapping[str, str], body: bytes, answer: dict[str, Json]
    ) -> CompletionsError:
        said = _said(answer)
        code = found[0] if (found := _CODE.search(said)) else str(answer.get("error", ""))
        refusal = error_map.from_response(status, headers, body, unix_time())
        if refusal.retryable or status >= _SERVERS_FAULT or not said:
            refusal.message = f"no token from {self._server}: {said or refusal.message}"
            refusal.hint = _BUSY if refusal.retryable else "Check authority and tenant_id in the profile."
            return refusal
        message = f"sign-in failed: {said}"
        if code in _PROFILE_AT_FAULT:
            return ConfigError(message, hint=f"Check {_PROFILE_AT_FAULT[code]} in the profile.")
        return AuthError(
            message,
            status=status,
            code=code,
            hint=_ADVICE.get(code, "Check tenant_id, client_id and the client secret."),
            request_id=str(answer["trace_id"]) if answer.get("trace_id") else None,
        )


class _Discreet:
    """Shows the exchange without its bodies: they hold the secret and the token."""

    def __init__(self, trace: Trace, mask: Mask) -> None:
        self._trace = trace
        self._mask = mask

    def request(self, request: HttpRequest) -> None:
        self._trace.request(replace(request, body=b"(a form with the client secret)"))

    def response(self, version: str, status: int, reason: str, headers: Mapping[str, str]) -> None:
        shown = {name: self._mask.text(value) for name, value in headers.items()}
        self._trace.response(version, status, self._mask.text(reason), shown)

    def body(self, received: bytes) -> None:
        pass


def refuse_secret(token: str, mask: Mask, server: str) -> None:
    """Raise MalformedResponseError for a token that holds a secret: the endpoint would get it."""
    if mask.strong.word(token) != token or any(len(sent) >= _TELLING and sent in token for sent in mask.secrets):
        raise MalformedResponseError(
            f"no token: {server} gave the client secret back in place of one", hint="Check authority in the profile."
        )


def check_tenant(tenant: str) -> None:
    """Raise ConfigError for a tenant that is not an organization's own: its sign-in cannot succeed."""
    if tenant.lower().rstrip(".") in _NO_TENANTS:
        raise ConfigError(
            f"tenant_id {tenant!r} is not a tenant that an application can sign in to",
            hint="Use the tenant's id or domain, as in contoso.onmicrosoft.com.",
        )
    if not _TENANT.fullmatch(tenant):
        raise ConfigError(f"tenant_id {tenant!r} is neither an id nor a domain", hint="Copy it from the portal.")


def check_authority(authority: str) -> str:
    """Return the authority's URL without a trailing slash. Raises ConfigError when secrets must not go there."""
    try:
        url = endpoints.parse(authority)
    except ConfigError as error:
        shown = headers.shown_url(authority)
        raise ConfigError(
            f"the authority {shown!r} is not a URL", hint=f"For example: {AUTHORITY}, the default."
        ) from error
    if url.origin.scheme != "https" and not endpoints.is_loopback(url.origin.host):
        raise ConfigError(
            f"the client secret is not sent over unencrypted http to {url.origin.host}", hint="Use an https authority."
        )
    if "?" in authority or "#" in authority:
        raise ConfigError(
            f"the authority {headers.shown_url(authority)!r} has more than a host and a path",
            hint=f"For example: {AUTHORITY}.",
        )
    return str(url).rstrip("/")


def _body(answer: Response) -> bytes:
    data = b""
    for part in answer.body():
        data += part
        if len(data) > limits.SIGN_IN_BYTES:
            raise MalformedResponseError("its answer is too large", hint="Check authority in the profile.")
    return data


def _json(body: bytes) -> dict[str, Json]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _said(answer: dict[str, Json]) -> str:
    """Return the first line of the authority's message; the others name traces and times."""
    return str(answer.get("error_description") or "").partition("\r\n")[0].partition("\n")[0].strip()


def _end(answer: dict[str, Json], now: float) -> float | None:
    """Read when a token expires, which some authorities write as text and others leave out."""
    try:
        return now + min(max(0.0, float(answer["expires_in"])), limits.TOKEN_LIFE_SECONDS)
    except (KeyError, TypeError, ValueError):
        return None
