"""Tokens of whoever is signed in: azure-identity's default chain, from the optional extra `entra`.

It tries the environment, workload and managed identities, the Azure CLI and others in turn.
"""

import logging
from dataclasses import dataclass
from typing import Any

from completions_cli.auth.secret import Secret
from completions_cli.auth.token import Token
from completions_cli.errors import AuthError, ConfigError
from completions_cli.installation import install

_MOST_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Chain:
    """What narrows the chain down; None leaves it to azure-identity."""

    scope: str
    tenant: str | None = None
    client: str | None = None
    authority: str | None = None
    proxy: str | None = None
    ca_bundle: str | None = None

    def fetch(self, now: float) -> Token:
        """Get a token from the first identity that has one. Raises ConfigError, or AuthError when none has."""
        identity = _library()
        from azure.core.exceptions import AzureError

        try:
            credential = identity.DefaultAzureCredential(**self._options())
            with credential:
                issued = credential.get_token(self.scope, **({"tenant_id": self.tenant} if self.tenant else {}))
        except AzureError as error:
            raise _refused(error) from error
        except ValueError as error:
            raise ConfigError(f"sign-in is not possible: {error}", hint="Check authority and tenant_id.") from error
        return Token(Secret.checked(issued.token, "azure-identity"), now, float(issued.expires_on))

    def _options(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        if self.client:
            chosen |= {"managed_identity_client_id": self.client, "workload_identity_client_id": self.client}
        if self.authority:
            # An authority of one's own is not in the public cloud's directory of authorities.
            chosen |= {"authority": self.authority, "disable_instance_discovery": True}
        if self.ca_bundle:
            chosen["connection_verify"] = self.ca_bundle
        if self.proxy:
            chosen["proxies"] = {"https": self.proxy, "http": self.proxy}
        return chosen


def _library() -> Any:  # noqa: ANN401 - a module of an optional extra
    try:
        import azure.identity
    except ImportError as error:
        raise ConfigError(
            "auth entra without tenant_id and client_id needs the extra `entra`",
            hint=f"{install('entra')}, or set tenant_id and client_id in the profile.",
        ) from error
    # It logs every identity that is not there as a warning.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    return azure.identity


def _refused(error: Exception) -> AuthError:
    """Return in one line what azure-identity says in a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "AADSTS" in line), lines[0] if lines else type(error).__name__)
    return AuthError(
        f"no identity to sign in with: {told[:_MOST_SHOWN]}",
        hint="Sign in with `az login`, or set tenant_id and client_id in the profile.",
    )
