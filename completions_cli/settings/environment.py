"""The environment, and the parts of it that other programs may see."""

import os
from collections.abc import Mapping

from completions_cli.streams import SECRET_VARIABLES

_OWN = ("COMPLETIONS_", "AZURE_INFERENCE_")


def current() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy the environment without our keys: an editor or a key command has no use for them."""
    return {name: value for name, value in environ.items() if name not in SECRET_VARIABLES}


def of_the_system(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy the variables that are for every program, such as proxies and certificates, but not our own."""
    return {name: value for name, value in environ.items() if not name.startswith(_OWN)}
