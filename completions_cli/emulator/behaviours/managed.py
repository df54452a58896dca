"""A managed online endpoint: a FastAPI server in front of vLLM."""

import math
from collections.abc import AsyncIterator, Collection
from typing import cast

from completions_cli.emulator import content_filter
from completions_cli.emulator.behaviours import Chunks, Head, body, extras, lax
from completions_cli.emulator.call import Call, Document
from completions_cli.emulator.config import LimitHeader
from completions_cli.emulator.reply import RefusalError, Reply

_SERVER_ERRORS = 500
_TEMPERATURE = 0.7
_DEFAULT_TOKENS = 16  # what vLLM does when it is told nothing
_OPTIONS = ("error", "drop", "pass-through")
_READERS: dict[str, lax.Reader] = {
    "prompt": lax.text,
    "frequency_penalty": lax.within(lax.number, -2.0, 2.0),
    "max_tokens": lax.within(lax.integer, 0),
    "presence_penalty": lax.within(lax.number, -2.0, 2.0),
    "seed": lax.optional(lax.integer),
    "stop": lax.optional(lax.sequences),
    "stream": lax.boolean,
    "temperature": lax.within(lax.number, 0.0, 1.0),
    "top_p": lax.within(lax.number, 0.0, 1.0),
    "model": lax.optional(lax.text),
}


class Managed:
    """POST /completions as a managed server has it: no api-version, a string prompt, coercion, its own errors."""

    paths: tuple[str, ...] = ("/completions", "/v1/completions")
    redirects_slash = True
    limit_headers = frozenset({LimitHeader.RATELIMIT, LimitHeader.RETRY_AFTER})

    def __init__(self, key: str | None, deployments: Collection[str], model: str) -> None:
        self._key = key
        self._deployments = deployments
        self._model = next(iter(deployments), model)

    @property
    def models(self) -> tuple[str, ...]:
        """The deployments, or the engine's own model."""
        return tuple(self._deployments) or (self._model,)

    def check_key(self, head: Head) -> None:
        """Check the Authorization header."""
        if not head.headers.get("authorization"):
            message = "Auth token must be passed as a header called Authorization"
            raise RefusalError(Reply.of_json(401, {"status": message}))
        if not head.bearer or (self._key is not None and head.bearer != self._key):
            raise RefusalError(Reply.of_json(401, {"status": "Invalid auth token"}))

    def admit(self, head: Head) -> None:
        """Check the key, then the deployment; the query is not looked at."""
        self.check_key(head)
        wanted = head.headers.get("azureml-model-deployment")
        if wanted is not None and self._deployments and wanted not in self._deployments:
            raise _refused(404, "Not Found", f"Specified deployment {wanted} could not be found.")

    def read(self, head: Head, body_bytes: bytes) -> Call:
        """Check the fields, then the extra parameters, then the content."""
        document = _document(head, body_bytes)
        values, wrong = lax.read_fields(document, _READERS)
        if "prompt" not in document:
            missing: Document = {"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}
            wrong.insert(0, missing | {"input": document})
        if wrong:
            raise _invalid(wrong)
        passed = _extras(head, document)
        options = extras.understood(passed, is_stream=values.get("stream") is True)
        if isinstance(options, body.Violation):
            raise RefusalError(vllm_error(f"{options.loc[-1]} {options.why}"))
        model = head.headers.get("azureml-model-deployment") or self._model
        call = body.as_call({"temperature": _TEMPERATURE} | values, model, _DEFAULT_TOKENS, passed, options)
        if content_filter.refuses(call):
            raise _refused(400, "Bad Request", "request input violates azure ai content safety setting.")
        if too_long := body.over_context(call):
            raise RefusalError(vllm_error(too_long))
        return call

    def too_many(self, wait: float) -> Reply:
        """429, nested."""
        message = f"Rate limit is exceeded. Try again in {math.ceil(wait)} seconds."
        return Reply.of_json(429, {"error": {"code": "429", "message": message}})

    def model_error(self, status: int, message: str) -> Reply:
        """Pass on what the model said, as vLLM and the server around it do."""
        if status < _SERVER_ERRORS:
            return vllm_error(message)
        content = {"code": "Internal Server Error", "message": f"An error occurred: {message}", "status": status}
        return Reply.of_json(status, {"error": content})

    def elsewhere(self, head: Head) -> Reply:
        """Serve the container's own pages; 404 as FastAPI says it."""
        if head.method == "GET" and head.path == "/":
            return Reply.of_json(200, "healthy")
        if head.method == "GET" and head.path == "/info":
            info = {"model_name": self._model, "model_type": "completion", "model_provider_name": "emulator"}
            return Reply.of_json(200, info)
        return Reply.of_json(404, {"detail": "Not Found"})

    def wrong_method(self, head: Head) -> Reply:
        """405, as FastAPI says it."""
        return Reply.of_json(405, {"detail": "Method Not Allowed"}, {"allow": "POST"})

    def dress(self, call: Call, document: Document) -> Document:
        """Add vLLM's fields; text that the content filter found is blanked and nothing said."""
        choices = cast("list[Document]", document["choices"])
        blank: Document = {"text": "", "finish_reason": "stop"}
        dressed = [
            _VLLM_CHOICE | choice | (blank if choice["finish_reason"] == "content_filter" else {}) for choice in choices
        ]
        return _without_fingerprint(document) | {"choices": dressed}

    async def dress_stream(self, call: Call, chunks: Chunks) -> AsyncIterator[Document]:
        """Put the usage into the last chunk and null into the others."""
        async for chunk, usage in chunks:
            choices = cast("list[Document]", chunk["choices"])
            yield _without_fingerprint(chunk) | {
                "choices": [_VLLM_CHOICE | choice for choice in choices],
                "usage": usage.document() if usage else None,
            }


_VLLM_CHOICE: Document = {"logprobs": None, "stop_reason": None}


def _without_fingerprint(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "system_fingerprint"}


def vllm_error(message: str) -> Reply:
    """Return 400 as vLLM says it."""
    content = {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400}
    return Reply.of_json(400, content)


def _refused(status: int, code: str, message: str) -> RefusalError:
    return RefusalError(Reply.of_json(status, {"error": {"code": code, "message": message, "status": status}}))


def _invalid(items: list[Document]) -> RefusalError:
    content = {"code": "Invalid input", "status": 422, "message": "invalid input error", "details": items}
    return RefusalError(Reply.of_json(422, {"error": content}))


def _document(head: Head, body_bytes: bytes) -> Document:
    """Read the body as FastAPI does: JSON if it is said to be, or if nothing is said."""
    if not body_bytes:
        raise _invalid([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    media = head.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    is_json = media == "application/json" or (media.startswith("application/") and media.endswith("+json"))
    try:
        document = body.parse(body_bytes) if is_json else body_bytes.decode("utf-8", "replace")
    except body.NotJsonError as error:
        item: Document = {"type": "json_invalid", "loc": ["body", error.position], "msg": "JSON decode error"}
        raise _invalid([item | {"input": {}, "ctx": {"error": str(error)}}]) from error
    if not isinstance(document, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise _invalid([{"type": "model_attributes_type", "loc": ["body"], "msg": message, "input": document}])
    return extras.without_nulls(document)


def _extras(head: Head, document: Document) -> Document:
    """Decide on extra parameters; `/v1/completions` drops them without a word unless told to pass them."""
    choice = head.headers.get(extras.HEADER)
    if choice is not None and choice not in _OPTIONS:
        message = f"Unexpected EXTRA_PARAMETERS option {choice}, expected options are {list(_OPTIONS)}"
        raise RefusalError(Reply.of_json(400, {"detail": message}))
    found = extras.unknown(document, _READERS)
    if found and choice in (None, extras.ERROR) and head.path == "/completions":
        message = (
            f"Extra parameters {list(found)} are not allowed when extra-parameters is not set or set to be 'error'. "
            "Set extra-parameters to 'pass-through' to pass to the model."
        )
        raise RefusalError(Reply.of_json(400, {"detail": message}))
    return found if choice == extras.PASS_THROUGH else {}
