"""The credentials that the settings ask for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from completions_cli.api import endpoint as endpoints
from completions_cli.api.endpoint import Endpoint
from completions_cli.auth import keys
from completions_cli.auth.credentials import (
    Credentials,
    KeyCredentials,
    NoCredentials,
    refuse_plain_http,
    refuse_plain_secrets,
)
from completions_cli.auth.given_credential import GivenCredential, Proof
from completions_cli.auth.keyring_store import KeyringStore
from completions_cli.auth.secret import Secret
from completions_cli.settings import environment, proxies
from completions_cli.settings.resolve import Settings
from completions_cli.transport.connection import Connection, Trace

if TYPE_CHECKING:
    from completions_cli.auth.bearer import TokenSource
    from completions_cli.auth.entra import Application
    from completions_cli.auth.token import TokenCache

_NO_PROOF = Proof()


def credentials(
    settings: Settings,
    environ: Mapping[str, str],
    connection: Connection,
    trace: Trace | None = None,
    proof: Proof = _NO_PROOF,
) -> Credentials:
    """Find the key, or prepare to fetch a token, for the endpoint in use. Raises ConfigError.

    Without a `proof` at hand, the places that the settings allow are looked through for a key or a client secret.
    """
    kind = settings.values["auth"]
    if settings.endpoint is not None:
        refuse_plain_secrets(settings.endpoint, settings.headers)
    if kind == "none" or settings.endpoint is None or settings.is_signed_by_headers:
        return NoCredentials()
    refuse_plain_http(settings.endpoint)
    store = KeyringStore(environ)

    def secret() -> Secret:
        return proof.secret or keys.find(settings.key_sources, environ, store, settings.withheld)

    if kind == "key":
        return KeyCredentials(secret())
    from completions_cli.auth.bearer import EntraCredentials

    scope = token_scope(settings, settings.endpoint)
    if proof.credential is not None:
        return EntraCredentials(GivenCredential(proof.credential, scope))
    reached = _to_authority(settings, environ, connection)
    application = _application(settings, scope)
    source: TokenSource
    if application is not None:
        from completions_cli.auth.entra import ClientCredentialsFlow

        source = ClientCredentialsFlow(application, secret, reached, trace)
    else:
        source = _chain(settings, scope, environ, reached)
    return EntraCredentials(source, _cache(settings, scope, environ, store))


def _application(settings: Settings, scope: str) -> "Application | None":
    """Return the application that the settings name, if they do."""
    from completions_cli.auth import entra

    tenant, client = settings.values["tenant_id"], settings.values["client_id"]
    if not (tenant and client):
        return None
    return entra.Application(tenant, client, scope, settings.values["authority"] or entra.AUTHORITY)


def _chain(settings: Settings, scope: str, environ: Mapping[str, str], connection: Connection) -> "TokenSource":
    from completions_cli.auth import entra
    from completions_cli.auth.identity_chain import Chain

    values = settings.values
    if values["tenant_id"]:
        entra.check_tenant(values["tenant_id"])
    return Chain(
        scope=scope,
        tenant=values["tenant_id"],
        client=values["client_id"],
        authority=entra.check_authority(values["authority"]) if values["authority"] else None,
        proxy=lambda url: _proxy(settings, environ, connection, endpoints.resolve(url)),
        environ=environment.current(),
        ca_bundle=connection.ca_bundle,
    )


def _cache(settings: Settings, scope: str, environ: Mapping[str, str], store: KeyringStore) -> "TokenCache | None":
    from completions_cli.auth.token import TokenCache, entry_of

    if settings.profile is None or settings.endpoint is None:
        return None
    values = settings.values
    # Whoever the environment says we are is part of whose token it is.
    azure = [f"{name}={value}" for name, value in sorted(environ.items()) if name in _IDENTITY_VARIABLES]
    identity = (values["tenant_id"], values["client_id"], scope, values["authority"], *azure)
    return TokenCache(store, entry_of(f"{settings.profile}@{settings.endpoint.origin}"), identity)


_IDENTITY_VARIABLES = frozenset({"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_USERNAME", "AZURE_AUTHORITY_HOST"})


def _to_authority(settings: Settings, environ: Mapping[str, str], connection: Connection) -> Connection:
    """Return how the authority is reached: another host than the endpoint, it may need another proxy, or none."""
    from completions_cli.auth import entra

    # What the endpoint's own certificate and socket are for is the endpoint.
    connection = replace(connection, client_cert=None, client_key=None, unix_socket=None)
    target = endpoints.resolve(entra.check_authority(settings.values["authority"] or entra.AUTHORITY))
    return replace(connection, proxy=_proxy(settings, environ, connection, target))


def _proxy(settings: Settings, environ: Mapping[str, str], connection: Connection, target: Endpoint) -> str | None:
    """Return the proxy for a server of the sign-in: the one that is set for the endpoint, or the environment's."""
    if target.takes_no_proxy:
        return None
    if settings.values["proxy"] and not settings.sources["proxy"].lower().endswith("_proxy"):
        return connection.proxy
    found = proxies.from_environ(target, environ)
    return proxies.checked(*found) if found else None


def token_scope(settings: Settings, endpoint: Endpoint) -> str:
    """Name what a token is asked for. Raises ConfigError where only the user can say."""
    from completions_cli.settings import endpoint_kind

    return endpoint_kind.scope_for(endpoint, settings.values["scope"])
