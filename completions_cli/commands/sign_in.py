"""The credentials that the settings ask for."""

from collections.abc import Mapping

from completions_cli.auth import keys
from completions_cli.auth.credentials import Credentials, KeyCredentials, NoCredentials, refuse_plain_http
from completions_cli.auth.keyring_store import KeyringStore
from completions_cli.errors import ConfigError
from completions_cli.settings.resolve import Settings


def credentials(settings: Settings, environ: Mapping[str, str]) -> Credentials:
    """Find the key, or prepare the token, for the endpoint in use. Raises ConfigError."""
    kind = settings.values["auth"]
    if kind == "none" or settings.endpoint is None:
        return NoCredentials()
    refuse_plain_http(settings.endpoint)
    if kind == "key":
        return KeyCredentials(keys.find(settings.key_sources, environ, KeyringStore(environ)))
    raise ConfigError(f"auth {kind!r} is not available in this version", hint="Use --auth key.")
