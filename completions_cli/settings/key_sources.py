"""Where the key of an endpoint may come from. Pure: nothing is read, only named."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from completions_cli.api import endpoint as endpoints
from completions_cli.api.endpoint import Endpoint
from completions_cli.errors import CompletionsError
from completions_cli.models import Json

_KEY_VARIABLES: tuple[tuple[Literal["variable", "file"], str], ...] = (
    ("variable", "COMPLETIONS_API_KEY"),
    ("file", "COMPLETIONS_API_KEY_FILE"),
)


@dataclass(frozen=True, slots=True)
class KeySource:
    """A place to look for a key, allowed for the endpoint in use.

    `value` is the variable's name, the file's path, the command's words, or the keyring's user name. `is_own` is
    false when the endpoint in use is not the profile's. `is_private` is true for a file that nobody else may read,
    `is_of_member` where the profile is one of several: no variable has a key for it.
    """

    kind: Literal["variable", "file", "command", "keyring"]
    value: str | tuple[str, ...]
    name: str
    is_own: bool = True
    is_private: bool = False
    is_of_member: bool = False


def listed(
    name: str | None,
    profile: Mapping[str, Json],
    target: Endpoint,
    environ: Mapping[str, str],
    folder: Path,
) -> tuple[KeySource, ...]:
    """List where a key for this endpoint may come from, first choice first. A `key_file` is relative to `folder`."""
    found, is_own = [], has_origin(profile.get("endpoint"), target)
    if not withheld(environ, target):
        for kind, variable in _KEY_VARIABLES:
            if environ.get(variable):
                found.append(KeySource(kind, variable if kind == "variable" else environ[variable], variable))
    if is_own and "key_command" in profile:
        found.append(KeySource("command", tuple(profile["key_command"]), "key_command"))
    if is_own and "key_file" in profile:
        found.append(KeySource("file", key_file(profile["key_file"], folder), "key_file", is_private=True))
    if name is not None:
        found.append(KeySource("keyring", f"{name}@{target.origin}", "the keyring", is_own))
    if environ.get("AZURE_INFERENCE_CREDENTIAL") and has_origin(environ.get("AZURE_INFERENCE_ENDPOINT"), target):
        found.append(KeySource("variable", "AZURE_INFERENCE_CREDENTIAL", "AZURE_INFERENCE_CREDENTIAL"))
    return tuple(found)


def key_file(named: str, folder: Path) -> str:
    """Return the path of a profile's key file, which is relative to the folder of the profile file."""
    return named if named.startswith("~") else str(folder / named)


def withheld(environ: Mapping[str, str], target: Endpoint) -> str | None:
    """Name the variable whose key is not for this endpoint, as COMPLETIONS_ENDPOINT says of another; None: none is."""
    own = environ.get("COMPLETIONS_ENDPOINT")
    if not own or has_origin(own, target):
        return None
    return next((variable for _, variable in _KEY_VARIABLES if environ.get(variable)), None)


def paired(environ: Mapping[str, str], source: str) -> str | None:
    """Name the variable with the key for an endpoint whose `source` is COMPLETIONS_ENDPOINT; None: there is none."""
    if source != "COMPLETIONS_ENDPOINT":
        return None
    return next((variable for _, variable in _KEY_VARIABLES if environ.get(variable)), None)


def has_origin(text: Json, target: Endpoint) -> bool:
    """Return whether an endpoint, as a profile or variable has it, is of the same origin as another."""
    if not isinstance(text, str):
        return False
    try:
        return endpoints.origin(text) == target.origin
    except CompletionsError:
        return False
