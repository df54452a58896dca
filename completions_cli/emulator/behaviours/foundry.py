"""A Foundry resource: an api-key gateway in front of many models."""

import math
from collections.abc import AsyncIterator, Collection
from typing import cast

from completions_cli.emulator import content_filter
from completions_cli.emulator.behaviours import Chunks, Head, body, extras
from completions_cli.emulator.behaviours.managed import vllm_error
from completions_cli.emulator.call import Call, Document
from completions_cli.emulator.config import LimitHeader
from completions_cli.emulator.reply import RefusalError, Reply

_VERSIONS = {
    "2024-02-01",
    "2024-04-01-preview",
    "2024-05-01-preview",
    "2024-10-21",
    "2025-02-01-preview",
    "2025-04-01",
    "2025-05-01",
    "2025-05-01-preview",
    "2025-05-15-preview",
}
_SERVER_ERRORS = 500
_DEFAULT_TOKENS = 16
_MOST_PROMPTS = 2048
_MOST_STOPS = 4
_MODEL_HEADER = "x-ms-model-mesh-model-name"
_OPTIONS = ("error", "drop", "pass-through")
HELP = (
    "\nPlease check this guide to understand why this error code might have been returned \n"
    "https://docs.microsoft.com/en-us/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes\n"
)
_SAFE: Document = {
    name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")
}


class Foundry:
    """The models route and the OpenAI routes of a resource; the model is named in the body, a header or the path."""

    paths: tuple[str, ...] = (
        "/completions",
        "/models/completions",
        "/openai/v1/completions",
        "/openai/deployments/{deployment}/completions",
    )
    redirects_slash = False
    limit_headers = frozenset({LimitHeader.RATELIMIT})

    def __init__(self, key: str | None, deployments: Collection[str], model: str) -> None:
        self._key = key
        self._models = deployments
        self._model_of_engine = model

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were named, or the engine's own."""
        return tuple(self._models) or (self._model_of_engine,)

    def check_key(self, head: Head) -> None:
        """Check the api-key; a key as a Bearer token is taken by the OpenAI v1 route alone."""
        key = head.headers.get("api-key", "").strip() or (head.bearer if _is_v1(head) else "")
        if not key or (self._key is not None and key != self._key):
            message = (
                "Unauthorized. Access token is missing, invalid, audience is incorrect "
                "(https://cognitiveservices.azure.com), or have expired."
            )
            raise RefusalError(Reply.of_json(401, {"statusCode": 401, "message": message}))

    def admit(self, head: Head) -> None:
        """Check the key, then the version."""
        self.check_key(head)
        if not _is_v1(head) and head.query.get("api-version") not in _VERSIONS:
            raise RefusalError(_not_found())

    def read(self, head: Head, body_bytes: bytes) -> Call:
        """Check the model's name, then the fields, then the content."""
        try:
            document = body.parse(body_bytes)
        except body.NotJsonError as error:
            raise RefusalError(_nested(400, "BadRequest", f"The request body is not JSON: {error}.")) from error
        if not isinstance(document, dict):
            raise RefusalError(_nested(400, "BadRequest", "The request body must be a JSON object."))
        document = extras.without_nulls(document)
        model = self._model(head, document)
        for violation in body.violations(document, body.REFERENCE_FIELDS):
            raise RefusalError(_explained(f"{violation.loc[-1]} {violation.why}"))
        passed = _extras(head, document)
        options = extras.understood(passed, is_stream=document.get("stream") is True)
        if isinstance(options, body.Violation):
            raise RefusalError(_explained(f"{options.loc[-1]} {options.why}"))
        call = body.as_call(document, model, _DEFAULT_TOKENS, passed, options)
        _check(call)
        return call

    def _model(self, head: Head, document: Document) -> str:
        if head.path_deployment is not None:
            if self._models and head.path_deployment not in self._models:
                message = (
                    "The API deployment for this resource does not exist. If you created the deployment within the "
                    "last 5 minutes, please wait a moment and try again."
                )
                raise RefusalError(_nested(404, "DeploymentNotFound", message))
            return head.path_deployment
        model = document.get("model") or head.headers.get(_MODEL_HEADER)
        if not isinstance(model, str):
            message = (
                "No model specified in request. Please provide a model name in the request body or as a "
                "x-ms-model-mesh-model-name header."
            )
            raise RefusalError(_nested(400, "no_model_name", message, details=message))
        if self._models and model not in self._models:
            message = f"Unknown model: {model}"
            reply = _nested(404, "unknown_model", message, details=message)
            reply.headers["content-type"] = "text/plain"
            raise RefusalError(reply)
        return model

    def too_many(self, wait: float) -> Reply:
        """429, nested; the wait stands in the message."""
        return _nested(429, "429", f"Rate limit is exceeded. Try again in {math.ceil(wait)} seconds.")

    def model_error(self, status: int, message: str) -> Reply:
        """Pass on what the model said, with the gateway's help text behind it."""
        if status < _SERVER_ERRORS:
            return _explained(message)
        return Reply.of_json(status, {"statusCode": status, "message": message})

    def elsewhere(self, head: Head) -> Reply:
        """404, nested."""
        return _not_found()

    def wrong_method(self, head: Head) -> Reply:
        """404: the gateway knows no other method of the path."""
        return _not_found()

    def dress(self, call: Call, document: Document) -> Document:
        """Add what the content filter found."""
        choices = cast("list[Document]", document["choices"])
        dressed = [{"logprobs": None} | choice | {"content_filter_results": _SAFE} for choice in choices]
        return document | {"choices": dressed, "prompt_filter_results": _prompt_results(call)}

    async def dress_stream(self, call: Call, chunks: Chunks) -> AsyncIterator[Document]:
        """Begin with what the filter found in the prompt; end with the usage, if it was asked for."""
        first: Document = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        yield first | {"prompt_filter_results": _prompt_results(call)}
        async for chunk, usage in chunks:
            choices = cast("list[Document]", chunk["choices"])
            yield chunk | {"choices": [{"logprobs": None} | choice for choice in choices]}
            if usage and call.include_usage:
                yield chunk | {"choices": [], "usage": usage.document()}


def _is_v1(head: Head) -> bool:
    return head.path.startswith("/openai/v1/")


def _prompt_results(call: Call) -> list[Document]:
    return [{"prompt_index": index, "content_filter_results": _SAFE} for index in range(len(call.prompts))]


def _nested(status: int, code: str, message: str, /, **fields: object) -> Reply:
    return Reply.of_json(status, {"error": {"code": code, "message": message} | fields})


def _not_found() -> Reply:
    return _nested(404, "404", "Resource not found")


def _explained(message: str) -> Reply:
    """Return a model's own 400 with the help text that the gateway appends to it."""
    reply = vllm_error(message)
    reply.body += HELP.encode()
    return reply


def _extras(head: Head, document: Document) -> Document:
    """Decide on extra parameters; the OpenAI routes take them without a header."""
    found = extras.unknown(document, body.REFERENCE_FIELDS)
    if head.path.startswith("/openai/"):
        return found
    choice = head.headers.get(extras.HEADER)
    if choice is not None and choice not in _OPTIONS:
        message = f"Unexpected EXTRA_PARAMETERS option {choice}, expected options are {list(_OPTIONS)}"
        raise RefusalError(_nested(400, "BadRequest", message))
    if found and choice in (None, extras.ERROR):
        message = (
            f"Extra parameters {list(found)} are not allowed when extra-parameters is not set or set to be 'error'."
        )
        raise RefusalError(_nested(400, "BadRequest", message))
    return found if choice == extras.PASS_THROUGH else {}


def _check(call: Call) -> None:
    if len(call.prompts) > _MOST_PROMPTS:
        raise RefusalError(_explained(f"prompt must have at most {_MOST_PROMPTS} items"))
    if len(call.stop) > _MOST_STOPS:
        raise RefusalError(_explained(f"stop must have at most {_MOST_STOPS} items"))
    if content_filter.refuses(call):
        found = _SAFE | {"jailbreak": {"filtered": True, "detected": True}}
        inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found}
        message = (
            "The response was filtered due to the prompt triggering Microsoft's content management policy. "
            "Please modify your prompt and retry."
        )
        reply = _nested(400, "content_filter", message, type=None, param="prompt", status=400, innererror=inner)
        raise RefusalError(reply)
    if too_long := body.over_context(call):
        raise RefusalError(_explained(too_long))
