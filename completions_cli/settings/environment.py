"""The environment as the programs that we start get it."""

from collections.abc import Mapping

_SECRETS = frozenset({"COMPLETIONS_API_KEY", "AZURE_INFERENCE_CREDENTIAL"})


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy the environment without our keys: an editor or a key command has no use for them."""
    return {name: value for name, value in environ.items() if name not in _SECRETS}
