"""The emulator's own description: an OpenAPI 3.1 document for each behaviour."""

import re
from collections.abc import Iterable

from completions_cli.emulator.behaviours.body import CONTEXT_TOKENS
from completions_cli.emulator.call import Document
from completions_cli.emulator.config import BehaviourName
from completions_cli.version import __version__

PATH = "/openapi.json"
_OPENAI = "/openai/"
_V1 = "/openai/v1/"
_STRING: Document = {"type": "string"}
_INTEGER: Document = {"type": "integer"}
_TOKENS: Document = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_STRINGS: Document = {"type": "array", "items": _STRING}
_PENALTY: Document = {"type": "number", "minimum": -2, "maximum": 2, "default": 0}
_MAX_TOKENS: Document = {
    "type": "integer",
    "minimum": 0,
    "description": f"Together with the tokens of a prompt at most the model's context length, {CONTEXT_TOKENS}.",
}
_SHARE: Document = {"type": "number", "minimum": 0, "maximum": 1, "default": 1}
_PROMPT: Document = {
    "default": "<|endoftext|>",
    "anyOf": [
        _STRING,
        _STRINGS | {"minItems": 1},
        _TOKENS,
        {"type": "array", "items": _TOKENS, "minItems": 1},
    ],
}
_REQUEST: dict[str, Document] = {
    "prompt": _PROMPT,
    "frequency_penalty": _PENALTY,
    "max_tokens": _MAX_TOKENS | {"default": 256},
    "presence_penalty": _PENALTY,
    "seed": _INTEGER,
    "stop": {"anyOf": [_STRING, _STRINGS]},
    "stream": {"type": "boolean", "default": False},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 1},
    "top_p": _SHARE,
    "model": _STRING,
}
_MANAGED_REQUEST = _REQUEST | {
    "prompt": _STRING,
    "max_tokens": _MAX_TOKENS | {"default": 16},
    "temperature": _SHARE | {"default": 0.7},
    "model": {"type": ["string", "null"]},
}
_FOUNDRY_REQUEST = _REQUEST | {
    "prompt": _PROMPT,
    "max_tokens": _MAX_TOKENS | {"default": 16},
    "stop": {"anyOf": [_STRING, _STRINGS | {"maxItems": 4}]},
}
# What the model makes of parameters beyond the reference, on routes that take any; `best_of`, which a schema cannot
# compare with `n`, is one more.
_PASSED: dict[str, Document] = {
    "n": {"type": "integer", "minimum": 1, "maximum": 128, "default": 1},
    "echo": {"type": "boolean", "default": False},
    "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
    "stream_options": {"type": "object"},
}
_NEVER_NULL = ("prompt", "model")
_REQUESTS = {
    BehaviourName.REFERENCE: _REQUEST,
    BehaviourName.MANAGED: _MANAGED_REQUEST,
    BehaviourName.FOUNDRY: _FOUNDRY_REQUEST,
}


def _object(properties: dict[str, Document], required: Iterable[str] | None = None) -> Document:
    wanted = list(properties if required is None else required)
    return {"type": "object", "properties": properties, "required": wanted}


# One event of a stream: a CreateCompletionResponse in JSON, or [DONE].
_EVENT = _object({"data": _STRING})
_ERROR = _object({"error": _STRING, "message": _STRING, "status": _INTEGER})
_SCHEMAS: dict[str, Document] = {
    "CompletionUsage": _object(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _INTEGER)),
    "Choices": _object(
        {
            "index": _INTEGER,
            "text": _STRING,
            "finish_reason": {"enum": ["stop", "length", "content_filter"]},
        }
    ),
    "CreateCompletionResponse": _object(
        {
            "id": _STRING,
            "object": {"const": "text_completion"},
            "created": _INTEGER,
            "model": _STRING,
            "system_fingerprint": _STRING,
            "choices": {"type": "array", "items": {"$ref": "#/components/schemas/Choices"}},
            "usage": {"$ref": "#/components/schemas/CompletionUsage"},
        },
        ("id", "object", "created", "model", "choices", "usage"),
    ),
    "UnauthorizedError": _ERROR,
    "NotFoundError": _ERROR,
    "TooManyRequestsError": _ERROR,
    "UnprocessableContentError": _object(
        {
            "code": _STRING,
            "detail": _object({"loc": _STRINGS, "value": _STRING}),
            "error": _STRING,
            "message": _STRING,
            "status": {"const": 422},
        }
    ),
    "ContentFilterError": _object(
        {
            "code": _STRING,
            "error": _STRING,
            "message": _STRING,
            "param": {"type": ["string", "null"]},
            "status": _INTEGER,
        }
    ),
}
_REFERENCE_ERRORS = {
    "401": "UnauthorizedError",
    "404": "NotFoundError",
    "422": "UnprocessableContentError",
    "429": "TooManyRequestsError",
    "default": "ContentFilterError",
}


def description(behaviour: BehaviourName, paths: Iterable[str]) -> Document:
    """Describe an emulator of that behaviour."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Completions",
            "version": __version__,
            "description": f"Text completions, played locally with the behaviour {behaviour}.",
        },
        "paths": {path: {"post": _operation(behaviour, path)} for path in paths},
        "components": {"schemas": _SCHEMAS, "securitySchemes": _security_schemes(behaviour)},
    }


def _security_schemes(behaviour: BehaviourName) -> Document:
    bearer: Document = {"bearer": {"type": "http", "scheme": "bearer"}}
    if behaviour is BehaviourName.FOUNDRY:
        return bearer | {"key": {"type": "apiKey", "in": "header", "name": "api-key"}}
    return bearer


def _security(behaviour: BehaviourName, path: str) -> list[Document]:
    if behaviour is not BehaviourName.FOUNDRY:
        return [{"bearer": []}]
    return [{"key": []}, {"bearer": []}] if path.startswith(_V1) else [{"key": []}]


def _operation(behaviour: BehaviourName, path: str) -> Document:
    return {
        "operationId": re.sub(r"\W+", "_", f"complete{path}").strip("_"),
        "summary": "Creates a completion for the provided prompt and parameters",
        "parameters": _parameters(behaviour, path),
        "security": _security(behaviour, path),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _request(behaviour, path)}},
        },
        "responses": _responses(behaviour),
    }


def _request(behaviour: BehaviourName, path: str) -> Document:
    required = _required(behaviour, path)
    properties = dict(_REQUESTS[behaviour])
    if "model" in required:  # elsewhere the path names it, and what the body says is not looked at
        properties["model"] = _STRING | {"minLength": 1}
    if path.startswith(_OPENAI):
        properties |= _PASSED
    if behaviour is not BehaviourName.REFERENCE:
        properties |= {name: _nullable(schema) for name, schema in properties.items() if name not in _NEVER_NULL}
    return _object(properties, required) | {"additionalProperties": path.startswith((_OPENAI, "/v1/"))}


def _nullable(schema: Document) -> Document:
    return {"anyOf": [schema, {"type": "null"}]}


def _required(behaviour: BehaviourName, path: str) -> tuple[str, ...]:
    if behaviour is BehaviourName.MANAGED:
        return ("prompt",)
    return ("model",) if behaviour is BehaviourName.FOUNDRY and "{" not in path else ()


def _parameters(behaviour: BehaviourName, path: str) -> list[Document]:
    versioned = behaviour is not BehaviourName.MANAGED and not path.startswith(_V1)
    lenient = "ignore" if behaviour is BehaviourName.REFERENCE else "drop"
    version: Document = _STRING | {"pattern": r"^20[0-9]{2}-0[1-9]-[0-2][1-8](-preview)?$"}
    if behaviour is BehaviourName.FOUNDRY:
        version = {"enum": ["2024-04-01-preview", "2024-05-01-preview"]}
    names = re.findall(r"{(\w+)}", path)
    found: list[Document] = [{"name": name, "in": "path", "required": True, "schema": _STRING} for name in names]
    if versioned:
        found.append({"name": "api-version", "in": "query", "required": True, "schema": version})
    if not path.startswith(_OPENAI):
        choices = {"enum": ["error", lenient, "pass-through"]}
        found.append({"name": "extra-parameters", "in": "header", "schema": choices})
    if behaviour is not BehaviourName.FOUNDRY:
        found.append({"name": "azureml-model-deployment", "in": "header", "schema": _STRING})
    return found


def _responses(behaviour: BehaviourName) -> Document:
    answer = {"schema": {"$ref": "#/components/schemas/CreateCompletionResponse"}}
    done = {"description": "OK", "content": {"application/json": answer, "text/event-stream": {"schema": _EVENT}}}
    if behaviour is not BehaviourName.REFERENCE:
        return {"200": done, "default": {"description": "An error in one of this back end's dialects"}}
    return {"200": done} | {status: _error(name) for status, name in _REFERENCE_ERRORS.items()}


def _error(name: str) -> Document:
    return {
        "description": name,
        "headers": {"x-ms-error-code": {"schema": _STRING, "required": True}},
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
