"""Tokens of whoever is signed in: azure-identity's default chain, from the optional extra `entra`.

It tries the environment, workload and managed identities, the Azure CLI and others in turn.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from completions_cli.api.masking import Mask
from completions_cli.auth.entra import refuse_secret
from completions_cli.auth.secret import Secret
from completions_cli.auth.token import Token
from completions_cli.errors import AuthError, CompletionsError, ConfigError
from completions_cli.installation import install

_MOST_SHOWN = 400
# What azure-identity reads from the environment and sends, or opens a certificate with.
_SECRETS = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "IDENTITY_HEADER",
    "MSI_SECRET",
)
_SILENT = logging.NullHandler()


@dataclass(frozen=True, slots=True)
class Chain:
    """What narrows the chain down; None leaves it to azure-identity.

    `proxy` picks the proxy for a URL; `environ` is what azure-identity reads.
    """

    scope: str
    proxy: Callable[[str], str | None]
    environ: Mapping[str, str] = field(repr=False)
    tenant: str | None = None
    client: str | None = None
    authority: str | None = None
    ca_bundle: str | None = None

    def fetch(self, now: float) -> Token:
        """Get a token from the first identity that has one. Raises ConfigError, or AuthError when none has.

        Raises MalformedResponseError for a token that holds a secret which azure-identity knows.
        """
        mask = Mask(self.environ[name] for name in _SECRETS if self.environ.get(name))
        try:
            return self._issued(mask, now)
        except CompletionsError as error:
            # Neither the library's errors nor its frames: they hold what was sent and received.
            raise mask.error(error).with_traceback(None) from None

    def _issued(self, mask: Mask, now: float) -> Token:
        identity = _library()
        from azure.core.exceptions import AzureError
        from azure.core.pipeline.transport import RequestsTransport

        from completions_cli.auth.identity_session import Session

        tenant = {"tenant_id": self.tenant} if self.tenant else {}
        verify = {"connection_verify": self.ca_bundle} if self.ca_bundle else {}
        try:
            with Session(self.proxy, mask) as session:
                transport = RequestsTransport(session=session, session_owner=False, **verify)
                with identity.DefaultAzureCredential(transport=transport, **self._options()) as credential:
                    issued = credential.get_token(self.scope, **tenant)
        except AzureError as error:
            raise _refused(error) from error
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"sign-in is not possible: {error}", hint="Check authority, tenant_id and the variables AZURE_…."
            ) from error
        refuse_secret(issued.token, mask, "the sign-in server")
        return Token(Secret.checked(issued.token, "azure-identity"), now, float(issued.expires_on))

    def _options(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        if self.client:
            chosen |= {"managed_identity_client_id": self.client, "workload_identity_client_id": self.client}
        if self.authority:
            # An authority of one's own is not in the public cloud's directory of authorities.
            chosen |= {"authority": self.authority, "disable_instance_discovery": True}
        return chosen


def _library() -> Any:  # noqa: ANN401 - a module of an optional extra
    try:
        import azure.identity
    except ImportError as error:
        raise ConfigError(
            "auth entra without tenant_id and client_id needs the extra `entra`",
            hint=f"{install('entra')}, or set tenant_id and client_id in the profile.",
        ) from error
    # They log identities that are not there, and answers as they came. Without a handler it would go to stderr.
    for name in ("azure", "msal", "msal_extensions"):
        logging.getLogger(name).addHandler(_SILENT)
    return azure.identity


def _refused(error: Exception) -> AuthError:
    """Return in one line what azure-identity says in a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "AADSTS" in line), lines[0] if lines else type(error).__name__)
    return AuthError(
        f"no identity to sign in with: {told[:_MOST_SHOWN]}",
        hint="Sign in with `az login`, or set tenant_id and client_id in the profile.",
    )
