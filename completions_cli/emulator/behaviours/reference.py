"""The API reference, to the letter: its parameters, its defaults, its error schemas."""

import json
import math
import re
from collections.abc import AsyncIterator, Collection
from datetime import date
from http import HTTPStatus
from typing import cast

from completions_cli.emulator import content_filter
from completions_cli.emulator.behaviours import Chunks, Head, body, extras
from completions_cli.emulator.call import Call, Document
from completions_cli.emulator.config import LimitHeader
from completions_cli.emulator.reply import RefusalError, Reply

_API_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?")
_EXTRA_CHOICES = (extras.ERROR, "ignore", extras.PASS_THROUGH)
_SHOWN_VALUE = 200
_DEFAULT_TOKENS = 256


class Reference:
    """POST /completions as the API reference describes it."""

    paths: tuple[str, ...] = ("/completions",)
    redirects_slash = False
    limit_headers = frozenset(LimitHeader)

    def __init__(self, key: str | None, deployments: Collection[str], model: str) -> None:
        self._key = key
        self._deployments = deployments
        self._model = model

    @property
    def models(self) -> tuple[str, ...]:
        """The deployments, or the engine's own model."""
        return tuple(self._deployments) or (self._model,)

    def check_key(self, head: Head) -> None:
        """Check the Bearer token."""
        if not head.bearer or (self._key is not None and head.bearer != self._key):
            raise RefusalError(unauthorized())

    def admit(self, head: Head) -> None:
        """Check the key, then the version, then the deployment."""
        self.check_key(head)
        _check_version(head.query.get("api-version"))
        wanted = head.headers.get("azureml-model-deployment")
        if wanted is not None and self._deployments and wanted not in self._deployments:
            raise RefusalError(not_found(f"The deployment {wanted!r} does not exist."))

    def read(self, head: Head, body_bytes: bytes) -> Call:
        """Check every field as it stands, without coercion."""
        document = _object(body_bytes)
        for violation in body.violations(document, body.REFERENCE_FIELDS):
            raise RefusalError(unprocessable(violation))
        passed = _extras(head, document)
        options = extras.understood(passed, is_stream=document.get("stream") is True)
        if isinstance(options, body.Violation):
            raise RefusalError(unprocessable(options))
        model = cast("str", document.get("model")) or self._deployment(head)
        call = body.as_call(document, model, _DEFAULT_TOKENS, passed, options)
        _check_content(call)
        return call

    def _deployment(self, head: Head) -> str:
        return head.headers.get("azureml-model-deployment") or next(iter(self._deployments), self._model)

    def too_many(self, wait: float) -> Reply:
        """429 in the reference's shape."""
        message = (
            "You have hit your assigned rate limit and your request need to be paced. "
            f"Try again in {math.ceil(wait)} seconds."
        )
        return flat(HTTPStatus.TOO_MANY_REQUESTS, message, "too_many_requests")

    def model_error(self, status: int, message: str) -> Reply:
        """Pass on what the model said, in the schema of all other statuses."""
        return other(HTTPStatus(status), "model_error", message, None)

    def elsewhere(self, head: Head) -> Reply:
        """404 in the reference's shape."""
        return not_found(f"There is no route {head.path}; this behaviour has /completions.")

    def wrong_method(self, head: Head) -> Reply:
        """405, with the reference's shape for all other statuses."""
        reply = other(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", f"Use POST, not {head.method}.", None)
        reply.headers["allow"] = "POST"
        return reply

    def dress(self, call: Call, document: Document) -> Document:
        """Add nothing."""
        return document

    async def dress_stream(self, call: Call, chunks: Chunks) -> AsyncIterator[Document]:
        """Put the usage into the last chunk; the schema does not allow it as null in the others."""
        async for chunk, usage in chunks:
            yield chunk | {"usage": usage.document()} if usage else chunk


def flat(status: HTTPStatus, message: str, code: str) -> Reply:
    """Return the schema of 401, 404 and 429: error, message, status."""
    content = {"error": status.phrase, "message": message, "status": int(status)}
    return Reply.of_json(status, content, {"x-ms-error-code": code})


def unauthorized() -> Reply:
    """Return UnauthorizedError."""
    reply = flat(HTTPStatus.UNAUTHORIZED, "Access token is missing or invalid", "unauthorized")
    reply.headers["www-authenticate"] = "Bearer"
    return reply


def not_found(message: str) -> Reply:
    """Return NotFoundError."""
    advice = "Check the documentation of the model to see which routes are available."
    return flat(HTTPStatus.NOT_FOUND, f"{message} {advice}", "not_found")


def unprocessable(violation: body.Violation) -> Reply:
    """Return UnprocessableContentError; the value is shown as it was written in JSON."""
    value = violation.value if isinstance(violation.value, str) else json.dumps(violation.value)
    loc = [str(part) for part in violation.loc]
    content = {
        "code": "parameter_not_supported",
        "detail": {"loc": loc, "value": value[:_SHOWN_VALUE]},
        "error": "Unprocessable Content",
        "message": f"One of the parameters contain invalid values: {loc[-1]} {violation.why}.",
        "status": 422,
    }
    return Reply.of_json(HTTPStatus.UNPROCESSABLE_ENTITY, content, {"x-ms-error-code": "parameter_not_supported"})


def other(status: HTTPStatus, code: str, message: str, param: str | None) -> Reply:
    """Return ContentFilterError, the schema of all other statuses."""
    content = {"code": code, "error": status.phrase, "message": message, "param": param, "status": int(status)}
    return Reply.of_json(status, content, {"x-ms-error-code": code})


def bad_request(code: str, message: str, param: str | None) -> RefusalError:
    """Refuse with 400."""
    return RefusalError(other(HTTPStatus.BAD_REQUEST, code, message, param))


def _check_version(version: str | None) -> None:
    if not version:
        raise bad_request("missing_api_version", "The api-version query parameter is required.", "api-version")
    matched = _API_VERSION.fullmatch(version)
    try:
        date.fromisoformat(matched[1] if matched else "")
    except ValueError as error:
        message = 'The api-version query parameter must be "YYYY-MM-DD" or "YYYY-MM-DD-preview".'
        raise bad_request("invalid_api_version", message, "api-version") from error


def _object(body_bytes: bytes) -> Document:
    try:
        document = body.parse(body_bytes)
    except body.NotJsonError as error:
        message = f"The request body is not JSON: {error} at character {error.position}."
        raise bad_request("invalid_json", message, None) from error
    if not isinstance(document, dict):
        raise RefusalError(unprocessable(body.Violation(("body",), document, "must be an object")))
    return document


def _extras(head: Head, document: Document) -> Document:
    choice = head.headers.get(extras.HEADER)
    if choice is not None and choice not in _EXTRA_CHOICES:
        message = f"Unexpected {extras.HEADER} option {choice}, expected options are {list(_EXTRA_CHOICES)}"
        raise bad_request("invalid_extra_parameters", message, extras.HEADER)
    found = extras.unknown(document, body.REFERENCE_FIELDS)
    if found and choice in (None, extras.ERROR):
        message = (
            f"Extra parameters {list(found)} are not allowed when {extras.HEADER} is not set or set to be 'error'. "
            f"Set {extras.HEADER} to 'pass-through' to pass to the model."
        )
        raise bad_request("extra_parameters", message, next(iter(found)))
    return found if choice == extras.PASS_THROUGH else {}


def _check_content(call: Call) -> None:
    if content_filter.refuses(call):
        message = "The response was filtered due to the prompt triggering the content filter. Modify the prompt."
        raise bad_request("content_filter", message, "prompt")
    if too_long := body.over_context(call):
        raise bad_request("context_length_exceeded", too_long, "max_tokens")
