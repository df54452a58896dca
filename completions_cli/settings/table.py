"""Every setting of a connection: one table for flags, variables, the profile file and `config show`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, get_args

from completions_cli.api import infill
from completions_cli.models import Json
from completions_cli.settings import numbers

# What the service does with parameters that it does not know.
ExtraParameters: TypeAlias = Literal["pass-through", "ignore", "drop", "error"]
AuthKind: TypeAlias = Literal["key", "entra", "none"]
Format: TypeAlias = Literal["text", "json", "jsonl"]
EXTRA_PARAMETERS: tuple[ExtraParameters, ...] = get_args(ExtraParameters)
AUTH_KINDS: tuple[AuthKind, ...] = get_args(AuthKind)
FORMATS: tuple[Format, ...] = get_args(Format)


class Kind(NamedTuple):
    """What a setting may be. Both functions return the value in its type, or raise ValueError saying what it must be.

    `check` takes what a file holds, `parse` what was typed or stands in a variable. `schema` says the same as `check`
    in JSON Schema, for editors.
    """

    check: Callable[[Json], Json]
    parse: Callable[[str], Json]
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its names in each layer and its default."""

    name: str
    kind: Kind
    flag: str | None = None
    variable: str | None = None
    fallback: str | None = None  # a variable that comes after the profile
    default: Json = None
    in_profile: bool = True


class Values(TypedDict):
    """The value of each setting once all layers are laid over one another."""

    endpoint: str | None
    api_version: str | None
    deployment: str | None
    model: str | None
    extra_parameters: ExtraParameters | None
    auth: AuthKind
    key_command: list[str] | None
    key_file: str | None
    tenant_id: str | None
    client_id: str | None
    scope: str | None
    authority: str | None
    timeout: float
    deadline: float | None
    connect_timeout: float
    retries: int
    max_wait: float
    proxy: str | None
    ca_bundle: str | None
    client_cert: str | None
    client_key: str | None
    unix_socket: str | None
    model_path: str | None
    infill: str | None
    members: list[str] | None
    rpm: float | None
    tpm: float | None
    concurrency: int | None
    price_in: float | None
    price_out: float | None
    format: Format


def _text(value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a string that is not empty")
    return value


def _unicode(value: Json) -> str:
    text = _text(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text in UTF-8") from None
    return text


def _header(value: Json) -> str:
    text = _text(value)
    if text.lstrip().startswith(("{", "[")):
        raise ValueError("the name of a deployment (give a JSON body with --request)")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("a line of ASCII text, for it becomes a header")
    return text


def _command(value: Json) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value) and value[0]:
        return value
    raise ValueError('an array of words, as in ["pass", "show", "foundry"]')


def _members(value: Json) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(name, str) and name for name in value):
        if len(set(value)) == len(value):
            return value
        raise ValueError("an array that names each profile once")
    raise ValueError('an array of names of profiles, as in ["east", "west"]')


def _infill(value: Json) -> str:
    if isinstance(value, str) and infill.is_template(value):
        return value
    raise ValueError(f'a text with {{prefix}} and {{suffix}} in it, as in "{infill.EXAMPLE}"')


def _choice(*words: str) -> Kind:
    def check(value: Json) -> str:
        if value not in words:
            raise ValueError(" or ".join([", ".join(words[:-1]), words[-1]]))
        return str(value)

    return Kind(check, check, {"enum": list(words)})


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _number(option: str) -> Kind:
    """Return the kind of a setting that an option of `batch` overrides."""
    return Kind(numbers.OPTIONS[option].check, numbers.OPTIONS[option].parse, numbers.OPTIONS[option].schema)


def _float(read: Callable[[Any], Json]) -> Callable[[Any], float]:
    return lambda value: float(read(value))


def _json(text: str) -> Json:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


PATH = Kind(_text, _text, {"type": "string", "pattern": r"\S"})  # whatever the system takes for a name
TEXT = Kind(_unicode, _unicode, PATH.schema)
HEADER = Kind(_header, _header, {"type": "string", "pattern": r"^(?! *[{\[])[ -~]*[!-~][ -~]*$"})
SECONDS = Kind(_float(numbers.SECONDS.check), _float(numbers.SECONDS.parse), numbers.SECONDS.schema)
WAIT = Kind(_float(numbers.WAIT.check), _float(numbers.WAIT.parse), numbers.WAIT.schema)
RETRIES = Kind(numbers.RETRIES.check, numbers.RETRIES.parse, numbers.RETRIES.schema)
INFILL = Kind(_infill, _infill, {"type": "string", "allOf": [{"pattern": r"\{prefix\}"}, {"pattern": r"\{suffix\}"}]})
COMMAND = Kind(
    _command,
    lambda text: _command(_json(text)),
    {
        "type": "array",
        "minItems": 1,
        "items": [{"type": "string", "minLength": 1}],
        "additionalItems": {"type": "string"},
    },
)
MEMBERS = Kind(
    _members,
    lambda text: _members(_json(text) if text.lstrip().startswith("[") else _names(text)),
    {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string", "minLength": 1}},
)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "endpoint",
            TEXT,
            flag="--endpoint",
            variable="COMPLETIONS_ENDPOINT",
            fallback="AZURE_INFERENCE_ENDPOINT",
        ),
        Setting("api_version", TEXT, flag="--api-version", variable="COMPLETIONS_API_VERSION"),
        Setting("deployment", HEADER, flag="--deployment", variable="COMPLETIONS_DEPLOYMENT"),
        Setting("model", TEXT, flag="--model", variable="COMPLETIONS_MODEL"),
        Setting("extra_parameters", _choice(*EXTRA_PARAMETERS), flag="--extra-parameters"),
        Setting("auth", _choice(*AUTH_KINDS), flag="--auth", default="key"),
        Setting("key_command", COMMAND),
        Setting("key_file", PATH),
        Setting("tenant_id", TEXT),
        Setting("client_id", TEXT),
        Setting("scope", TEXT),
        Setting("authority", TEXT, variable="COMPLETIONS_AUTHORITY"),
        Setting("timeout", SECONDS, flag="--timeout", variable="COMPLETIONS_TIMEOUT", default=300.0),
        Setting("deadline", SECONDS, flag="--deadline"),
        Setting("connect_timeout", SECONDS, flag="--connect-timeout", default=10.0),
        Setting("retries", RETRIES, flag="--retries", variable="COMPLETIONS_RETRIES", default=4),
        Setting("max_wait", WAIT, flag="--max-wait", default=120.0),
        Setting("proxy", TEXT, flag="--proxy"),
        Setting("ca_bundle", PATH, flag="--ca-bundle"),
        Setting("client_cert", PATH, flag="--client-cert"),
        Setting("client_key", PATH, flag="--client-key"),
        Setting("unix_socket", PATH, flag="--unix-socket"),
        Setting("model_path", PATH, flag="--model-path"),
        Setting("infill", INFILL),
        Setting("members", MEMBERS),
        Setting("rpm", _number("--rpm")),
        Setting("tpm", _number("--tpm")),
        Setting("concurrency", _number("--concurrency")),
        Setting("price_in", _number("--price-in")),
        Setting("price_out", _number("--price-out")),
        Setting(
            "format",
            _choice(*FORMATS),
            flag="--format",
            variable="COMPLETIONS_FORMAT",
            default="text",
            in_profile=False,
        ),
    )
}

# The tables a profile may hold beside its settings.
PROFILE_TABLES = ("params", "extra", "headers")
PROFILE_SETTINGS = tuple(setting.name for setting in SETTINGS.values() if setting.in_profile)
# What a profile with members may say itself: it holds for each of them, but for the limits, which are totals.
POOL_SETTINGS = (
    "members",
    "rpm",
    "tpm",
    "concurrency",
    "price_in",
    "price_out",
    "extra_parameters",
    "timeout",
    "deadline",
    "connect_timeout",
    "retries",
    "max_wait",
)
POOL_TABLES = ("params", "extra")
