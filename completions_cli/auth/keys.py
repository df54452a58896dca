"""Looks for a key in the places that the settings allow, in their order."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from completions_cli.auth.secret import Secret
from completions_cli.errors import ConfigError
from completions_cli.settings.resolve import KeySource

_HINT = "Set COMPLETIONS_API_KEY or COMPLETIONS_API_KEY_FILE, or store one with `completions config key set`."


def find(sources: Iterable[KeySource], environ: Mapping[str, str]) -> Secret:
    """Return the first key there is. Raises ConfigError when there is none, or one that cannot be one."""
    for source in sources:
        key = _read(source, environ)
        if key is not None:
            return key
    raise ConfigError("no key for this endpoint", hint=_HINT)


def _read(source: KeySource, environ: Mapping[str, str]) -> Secret | None:
    if source.kind == "variable":
        return Secret.checked(environ[str(source.value)], source.name)
    if source.kind == "file":
        return Secret.checked(_file(str(source.value), source.name), source.name)
    return None


def _file(path: str, name: str) -> str:
    try:
        return Path(path).expanduser().read_bytes().decode()
    except OSError as error:
        raise ConfigError(
            f"the key file {path} ({name}) cannot be read: {error.strerror}", hint=f"Check {name}."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the key file {path} ({name}) is not text", hint=f"Check {name}.") from error
