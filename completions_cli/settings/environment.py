"""The environment, and the parts of it that other programs may see."""

import os
from collections.abc import Mapping

from completions_cli.api import near_names
from completions_cli.settings.table import SETTINGS
from completions_cli.streams import OWN_VARIABLES, secret_variables

READ = frozenset(
    {
        *(setting.variable for setting in SETTINGS.values() if setting.variable),
        "COMPLETIONS_API_KEY",
        "COMPLETIONS_API_KEY_FILE",
        "COMPLETIONS_CONFIG",
        "COMPLETIONS_NO_KEYRING",
        "COMPLETIONS_PROFILE",
    }
)
# What variables of other tools, with their own prefix, are called that mean the same.
_OTHER_NAMES = dict.fromkeys(("KEY", "TOKEN", "API_TOKEN"), "COMPLETIONS_API_KEY") | dict.fromkeys(
    ("URL", "BASE_URL", "API_BASE", "API_URL", "HOST"), "COMPLETIONS_ENDPOINT"
)


def current() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy the environment without our keys: an editor or a key command has no use for them."""
    secret = frozenset(secret_variables(environ))
    return {name: value for name, value in environ.items() if name not in secret}


def of_the_system(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy the variables that are for every program, such as proxies and certificates, but not our own."""
    return {name: value for name, value in environ.items() if not name.startswith(OWN_VARIABLES)}


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """Return what to say of variables that are nearly called as one that is read."""
    names = (name for name in environ if name.upper().startswith("COMPLETION") and name not in READ)
    return [
        f"the variable {name} is not read; did you mean {ours}?" for name in names if (ours := _meant(name.upper()))
    ]


def _meant(name: str) -> str | None:
    near = near_names.nearest(name.lower(), map(str.lower, READ))
    return name if name in READ else _OTHER_NAMES.get(name.partition("_")[2]) or (near and near.upper())
