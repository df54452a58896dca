"""Makes what a caller needs from settings: a service, a connection, a retry policy."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from completions_cli.api import hints
from completions_cli.api.endpoint import Endpoint
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.auth.given_credential import Proof
from completions_cli.errors import ConfigError, UsageError
from completions_cli.settings import environment, profile_file
from completions_cli.settings.layers import Flags
from completions_cli.settings.pool import resolve_pool
from completions_cli.settings.resolve import Settings, resolve
from completions_cli.transport.connection import Connection


def service(settings: Settings, endpoint: Endpoint) -> Service:
    """Return how requests of these settings are labelled."""
    return Service(
        endpoint=endpoint,
        deployment=settings.values["deployment"],
        extra_parameters=settings.values["extra_parameters"],
        headers=dict(settings.headers),
        secret_headers=settings.secret_headers,
        profile=settings.profile,
        auth=settings.values["auth"],
        auth_source=_auth_source(settings),
        key_sources=_key_sources(settings),
    )


def _auth_source(settings: Settings) -> hints.AuthSource:
    """Return who chose how to sign in: an option, the profile, or a profile that is for another endpoint."""
    source = settings.sources["auth"]
    if settings.profile is None or source != f"profile {settings.profile}":
        return "option"
    return "profile" if settings.sources["endpoint"] == source else "other profile"


def _key_sources(settings: Settings) -> tuple[str, ...]:
    """Name where the key came from; the keyring may turn out to have none, and leave it to the next."""
    if settings.is_signed_by_headers:
        return ("a header of your own",)
    names = tuple(source.name for source in settings.key_sources)
    return names if names[:1] == (hints.KEYRING,) else names[:1]


def connection(settings: Settings) -> Connection:
    """Return how the service is reached."""
    chosen = settings.values
    return Connection(
        timeout=chosen["timeout"],
        deadline=chosen["deadline"],
        connect_timeout=chosen["connect_timeout"],
        proxy=chosen["proxy"],
        ca_bundle=chosen["ca_bundle"],
        ca_source=settings.sources["ca_bundle"].replace(f"profile {settings.profile}", "ca_bundle"),
        client_cert=chosen["client_cert"],
        client_key=chosen["client_key"],
        unix_socket=chosen["unix_socket"],
    )


def policy(settings: Settings) -> RetryPolicy:
    """Return how often, and with how much patience, a call is tried again."""
    return RetryPolicy(retries=settings.values["retries"], max_wait=settings.values["max_wait"])


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that a program's client is made of. `engine` is the embedded model, if that is what answers."""

    settings: Settings
    service: Service
    credentials: Credentials
    connection: Connection
    policy: RetryPolicy
    engine: ExitStack


def explicit(flags: Flags, proof: Proof) -> Configuration:
    """Configure a client from what the program says and nothing else. Raises ConfigError or UsageError."""
    environ = environment.of_the_system(environment.current())
    settings = resolve(flags, environ, profile_file.ProfileFile(Path()))
    _require_proof(settings, proof)
    return _configuration(settings, environ, proof)


def _require_proof(settings: Settings, proof: Proof) -> None:
    if proof.secret or proof.credential or settings.is_signed_by_headers:
        return
    chosen = settings.values
    if chosen["auth"] == "key":
        raise ConfigError(
            "no key for this endpoint",
            hint="Give api_key=…, or auth='none' to a server that needs none; Client.from_profile() finds stored keys.",
        )
    if chosen["auth"] == "entra" and chosen["tenant_id"] and chosen["client_id"]:
        raise ConfigError("no secret of this application", hint="Give client_secret=…, or a credential of your own.")


def of_profile(flags: Flags, config: str | None, proof: Proof) -> list[Configuration]:
    """Configure a client as the command would be, for each member of a pool. Raises ConfigError or UsageError."""
    environ = environment.current()
    pool = resolve_pool(flags, environ, profile_file.find(config, environ))
    if pool.is_pool and (proof.secret is not None or proof.credential is not None):
        raise UsageError(
            "a key or a credential cannot be used with several profiles", hint="Each profile has its own: leave it out."
        )
    return [_configuration(settings, environ, proof) for settings in pool.members]


def _configuration(settings: Settings, environ: Mapping[str, str], proof: Proof) -> Configuration:
    from completions_cli.auth import sign_in

    engine = ExitStack()
    reached = connection(settings)
    if settings.endpoint is None:
        from completions_cli.local import embedded

        endpoint, credentials = engine.enter_context(embedded.endpoint(settings.values["model_path"]))
    else:
        endpoint = settings.endpoint
        credentials = sign_in.credentials(settings, environ, reached, proof=proof)
    return Configuration(settings, service(settings, endpoint), credentials, reached, policy(settings), engine)
