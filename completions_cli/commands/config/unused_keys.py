"""Keys that would be stored and never used, because the profile signs in another way."""

import shlex
from collections.abc import Iterator

from completions_cli.errors import UsageError
from completions_cli.settings.resolve import Settings


def refuse(settings: Settings, *, to_file: bool) -> None:
    """Raise UsageError for a profile that would not use a key from the keyring, or from a key file."""
    values, name = settings.values, shlex.quote(str(settings.profile))
    kinds = {source.kind for source in settings.key_sources if not source.name.startswith("COMPLETIONS_")}
    change = f"Run first: completions config set -p {name}"
    if values["auth"] == "none":
        raise _unused(settings, 'says auth = "none"', f"{change} auth key")
    if settings.is_signed_by_headers:
        header = "authorization" if "authorization" in settings.headers else "api-key"
        raise _unused(
            settings,
            f"signs in with a header of its own ({header})",
            "First remove that header: completions config edit",
        )
    if values["auth"] == "entra" and not (values["tenant_id"] and values["client_id"]):
        raise _unused(
            settings,
            "uses your Azure sign-in, as it has no tenant_id and client_id",
            f"{change} tenant_id ID, and the same for client_id; or: completions config set -p {name} auth key",
        )
    if "command" in kinds:
        raise _unused(
            settings, "gets its key from key_command", f"Run first: completions config unset -p {name} key_command"
        )
    if "file" in kinds and not to_file:
        raise _unused(
            settings,
            f"has its key in a file ({values['key_file']})",
            f"To replace it, add --to-file; to use the keyring, first run: completions config key delete -p {name}",
        )


def notes(settings: Settings) -> Iterator[str]:
    """Yield what to say of variables that are used instead of the key that was stored."""
    for source in settings.key_sources:
        if source.name.startswith("COMPLETIONS_"):
            yield f"{source.name} is set, and is used instead of the stored key until you unset it"


def _unused(settings: Settings, reason: str, hint: str) -> UsageError:
    return UsageError(f"the profile {settings.profile} {reason}, so a stored key would not be used", hint=hint)
