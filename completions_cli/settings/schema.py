"""JSON Schema of completions.toml, made from the tables that the reader checks the file with.

Editors complete keys and mark mistakes with it. It allows everything that the reader accepts. A few rules are the
reader's alone: that `default_profile` and `members` name profiles of the file, what a pool may hold, and how deep
values in `extra` may be nested.
It is draft 7, which every editor knows.
"""

from completions_cli.api import headers
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS, Parameter
from completions_cli.models import Json
from completions_cli.settings.table import PROFILE_SETTINGS, SETTINGS

FILE_NAME = "completions.schema.json"
DIRECTIVE = f"#:schema ./{FILE_NAME}\n"

# What an editor shows beside a key.
_ABOUT = {
    "endpoint": "Address of the service, as the portal shows it. `https://` except on this machine.",
    "api_version": 'Sent as `api-version`, as in "2024-04-01-preview". "none" sends no version.',
    "deployment": "Sent as the header `azureml-model-deployment`: which deployment answers.",
    "model": "Sent in the body, for endpoints that serve several models.",
    "extra_parameters": "What to do with the parameters in `extra`.",
    "auth": "How to sign in: with a key, with OAuth2 (entra), or not at all.",
    "key_command": "A command; the first line of its output is the key.",
    "key_file": "A file that holds the key, relative to this one. Only you may read it (mode 0600).",
    "tenant_id": "OAuth2: the tenant.",
    "client_id": "OAuth2: the client. Its secret is kept where keys are.",
    "scope": "OAuth2: the scope of the token. Derived from the host unless set.",
    "authority": "OAuth2: the sign-in server. Change it for a sovereign cloud.",
    "timeout": "Maximum time without data from the server, in seconds.",
    "deadline": "Maximum time for the whole call, in seconds.",
    "connect_timeout": "Maximum time to connect, in seconds.",
    "retries": "Retries after the first attempt.",
    "max_wait": "Maximum wait before a retry, in seconds. 0 means no waiting.",
    "proxy": "A proxy: http://, https:// or socks5://. Never used for this machine.",
    "ca_bundle": "A PEM file of certificates to trust instead of the system's.",
    "client_cert": "A PEM file with the client certificate, for a server that requires one.",
    "client_key": "A PEM file with its private key, if it is not in the same file.",
    "unix_socket": "A Unix socket to connect to instead of the host.",
    "model_path": "Profile `local` only: a GGUF file to use instead of the default model.",
    "infill": "For a server that takes no `suffix`: the prompt that is sent instead.",
    "members": "The profiles of a pool, which are used together. A pool has no endpoint of its own.",
    "rpm": "Batches: maximum requests per minute; for a pool, over all members.",
    "tpm": "Batches: maximum tokens per minute; for a pool, over all members.",
    "concurrency": "Batches: maximum requests in flight; for a pool, over all members.",
    "price_in": "Batches: price per million prompt tokens.",
    "price_out": "Batches: price per million completion tokens.",
}
_TYPES: dict[str, dict[str, Json]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}
_PRINTABLE = {"pattern": r"^[^\x00-\x1f\x7f]+$"}


def document() -> dict[str, Json]:
    """Return the schema of the whole file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "completions.toml",
        "description": "Profiles of the command `completions`.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "default_profile": {
                "type": "string",
                "description": "The profile to use unless -p or COMPLETIONS_PROFILE names another.",
            },
            "profiles": {
                "type": "object",
                "description": "The profiles, by name.",
                "propertyNames": _PRINTABLE,
                "additionalProperties": {"$ref": "#/definitions/profile"},
            },
        },
        "definitions": {"profile": _profile(), "json": _json()},
    }


def _profile() -> dict[str, Json]:
    settings = {name: _setting(name) for name in PROFILE_SETTINGS}
    tables = {"params": _params(), "extra": _extra(), "headers": _headers()}
    return {"type": "object", "additionalProperties": False, "properties": settings | tables}


def _setting(name: str) -> dict[str, Json]:
    known = SETTINGS[name]
    default = {} if known.default is None else {"default": known.default}
    return {**known.kind.schema, "description": _ABOUT[name], **default}


def _params() -> dict[str, Json]:
    return {
        "type": "object",
        "description": "Parameters to send, unless an option overrides them.",
        "additionalProperties": False,
        "properties": {name: _parameter(parameter) for name, parameter in PARAMETERS.items()},
    }


def _parameter(parameter: Parameter) -> dict[str, Json]:
    """Describe a parameter by its type; its range is advice, for the server decides."""
    if parameter.low is None:
        return _TYPES[parameter.type]
    top = "or more" if parameter.high is None else f"to {parameter.high:g}"
    return {**_TYPES[parameter.type], "description": f"The API reference allows {parameter.low:g} {top}."}


def _extra() -> dict[str, Json]:
    return {
        "type": "object",
        "description": "Parameters that are not in the API reference.",
        "propertyNames": {"not": {"enum": sorted(DOCUMENTED)}},
        "additionalProperties": {"$ref": "#/definitions/json"},
    }


def _headers() -> dict[str, Json]:
    reserved = "|".join(_caseless(name) for name in sorted(headers.RESERVED))
    return {
        "type": "object",
        "description": "Additional headers. They are sent only to this profile's endpoint.",
        "propertyNames": {"pattern": f"^(?!({reserved})$){headers.NAME.pattern}$"},
        "additionalProperties": {"type": "string", "pattern": f"^{headers.VALUE.pattern}$"},
    }


def _caseless(name: str) -> str:
    """Return a pattern that matches a name in any case; JSON Schema has no flag for it."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in name)


def _json() -> dict[str, Json]:
    """Describe what both TOML and JSON can hold; dates and times are not among it."""
    nested = {"$ref": "#/definitions/json"}
    return {
        "anyOf": [
            {"type": ["string", "number", "boolean"]},
            {"type": "array", "items": nested},
            {"type": "object", "additionalProperties": nested},
        ]
    }


def text() -> str:
    """Return the schema as it is saved: indented, with a newline at the end."""
    import json

    return json.dumps(document(), indent=2) + "\n"
