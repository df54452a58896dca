"""From settings to what a caller is made of."""

from completions_cli.api.endpoint import Endpoint
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.settings.resolve import Settings
from completions_cli.transport.connection import Connection


def service(settings: Settings, endpoint: Endpoint) -> Service:
    """Say how requests of these settings are labelled."""
    return Service(
        endpoint=endpoint,
        deployment=settings.values["deployment"],
        extra_parameters=settings.values["extra_parameters"],
        headers=dict(settings.headers),
        secret_headers=settings.secret_headers,
        profile=settings.profile,
        auth=settings.values["auth"],
    )


def connection(settings: Settings) -> Connection:
    """Say how the service is reached."""
    chosen = settings.values
    return Connection(
        timeout=chosen["timeout"],
        deadline=chosen["deadline"],
        connect_timeout=chosen["connect_timeout"],
        proxy=chosen["proxy"],
        ca_bundle=chosen["ca_bundle"],
        ca_source=settings.sources["ca_bundle"].replace(f"profile {settings.profile}", "ca_bundle"),
    )


def policy(settings: Settings) -> RetryPolicy:
    """Say how often, and with how much patience, a call is tried again."""
    return RetryPolicy(retries=settings.values["retries"], max_wait=settings.values["max_wait"])
