"""Every setting of a connection: one table for flags, variables, the profile file and `config show`."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from completions_cli.models import Json

EXTRA_PARAMETERS = ("pass-through", "ignore", "drop", "error")
AUTH_KINDS = ("key", "entra", "none")
FORMATS = ("text", "json", "jsonl")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `check` returns the value in its type or raises ValueError saying what it must be."""

    name: str
    check: Callable[[Json], Json]
    flag: str | None = None
    variable: str | None = None
    fallback: str | None = None  # a variable that comes after the profile
    default: Json = None
    in_profile: bool = True


def text(value: Json) -> str:
    """Accept a string with something in it."""
    if not isinstance(value, str) or not value.strip():
        message = "a string that is not empty"
        raise ValueError(message)
    return value


def seconds(value: Json) -> float:
    """Accept a positive number of seconds, also as text."""
    number = _number(value)
    if not number > 0 or not math.isfinite(number):
        message = "a positive number of seconds"
        raise ValueError(message)
    return number


def whole(value: Json) -> int:
    """Accept a whole number from 0, also as text."""
    number = _number(value)
    if number < 0 or number != int(number):
        message = "a whole number, 0 or more"
        raise ValueError(message)
    return int(number)


def command(value: Json) -> list[str]:
    """Accept a command as an array of its words."""
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        message = 'an array of words, as in ["pass", "show", "foundry"]'
        raise ValueError(message)
    return value


def one_of(*words: str) -> Callable[[Json], str]:
    """Accept one of some words."""

    def check(value: Json) -> str:
        if value not in words:
            message = " or ".join(words)
            raise ValueError(message)
        return str(value)

    return check


def _number(value: Json) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        message = "a number"
        raise ValueError(message)
    return value


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "endpoint",
            text,
            flag="--endpoint",
            variable="COMPLETIONS_ENDPOINT",
            fallback="AZURE_INFERENCE_ENDPOINT",
        ),
        Setting("api_version", text, flag="--api-version", variable="COMPLETIONS_API_VERSION"),
        Setting("deployment", text, flag="--deployment", variable="COMPLETIONS_DEPLOYMENT"),
        Setting("model", text, flag="--model", variable="COMPLETIONS_MODEL"),
        Setting("extra_parameters", one_of(*EXTRA_PARAMETERS), flag="--extra-parameters"),
        Setting("auth", one_of(*AUTH_KINDS), flag="--auth", default="key"),
        Setting("key_command", command),
        Setting("tenant_id", text),
        Setting("client_id", text),
        Setting("scope", text),
        Setting("authority", text, variable="COMPLETIONS_AUTHORITY"),
        Setting("timeout", seconds, flag="--timeout", variable="COMPLETIONS_TIMEOUT", default=300.0),
        Setting("deadline", seconds, flag="--deadline"),
        Setting("connect_timeout", seconds, flag="--connect-timeout", default=10.0),
        Setting("retries", whole, flag="--retries", variable="COMPLETIONS_RETRIES", default=4),
        Setting("max_wait", seconds, flag="--max-wait", default=120.0),
        Setting("proxy", text, flag="--proxy"),
        Setting("ca_bundle", text, flag="--ca-bundle"),
        Setting("model_path", text, flag="--model-path"),
        Setting(
            "format", one_of(*FORMATS), flag="--format", variable="COMPLETIONS_FORMAT", default="text", in_profile=False
        ),
    )
}

# The tables a profile may hold beside its settings.
PROFILE_TABLES = ("params", "extra", "headers")
