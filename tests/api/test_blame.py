"""Refusals that concern a run, a model, or one row: decided by their shape, in the words of many servers."""

import json
from typing import Any

import pytest

from completions_cli.api import error_map
from completions_cli.api.blame import blamed
from completions_cli.errors import (
    ConfigError,
    ContentFilterError,
    MisfitError,
    NetworkError,
    ServiceError,
)

MODEL_STATUS = "ms-azureml-model-error-statuscode"


def refusal(status: int, body: Any = None, headers: dict[str, str] | None = None) -> ServiceError:
    """Return the error of an answer."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else b""
    return error_map.from_response(status, headers or {}, data, 0.0)


@pytest.mark.parametrize(
    ("status", "whom"),
    [
        (400, "row"), (401, "run"), (402, "run"), (403, "run"), (404, "model"), (405, "run"), (406, "row"), (407, "run"),
        (410, "model"), (413, "row"), (422, "row"), (424, "run"), (431, "row"),
    ],
)  # fmt: skip
def test_a_bare_status(status: int, whom: str) -> None:
    assert blamed(refusal(status)) == whom


@pytest.mark.parametrize(
    ("model_status", "whom"),
    [("404", "run"), ("405", "run"), ("400", "row"), ("422", "row"), ("x", "run"), ("", "run")],
)
def test_a_424_by_what_the_model_said(model_status: str, whom: str) -> None:
    assert blamed(refusal(424, headers={MODEL_STATUS: model_status})) == whom


def nested(code: str | None, message: str, param: str | None = None) -> dict[str, Any]:
    """Write an error as OpenAI does."""
    return {"error": {"code": code, "message": message, "param": param, "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    "body",
    [
        nested(
            "OperationNotSupported", "The completion operation does not work with the specified model, gpt-35-turbo."
        ),
        nested("no_model_name", "No model specified in request. Please provide a model name in the request body."),
        nested("unavailable_model", "Unavailable model: x"),
        nested("unknown_model", "Unknown model: x"),
        nested("model_not_found", "m"),
        nested("ModelNotFound", "m"),
        nested("MODEL_NOT_FOUND", "m"),
        nested("DeploymentNotFound", "m"),
        nested("unsupported-model", "m"),
        nested("invalid_model_error", "m"),
        nested("model_decommissioned", "m"),
        nested("InvalidModelId", "m"),
        nested(None, "you must provide a model parameter", "model"),
        {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]},
        {"error": "model is required"},
        {"error": '"nomic-embed-text" does not support generate'},
        {"error": 'model "x" not found, try pulling it first'},
        {"error": "No models loaded. Please load a model in the developer page"},
        {"error": 'Failed to load model "x". Error: Model does not exist.'},
        nested("400", "/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models"),
        nested("400", "The API deployment for this resource does not exist."),
        nested("Bad Request", "task_type chat-completion not available with text generation API."),
        nested(None, "This is a chat model and not supported in the v1/completions endpoint."),
        nested(None, "The model `x` has been deprecated, learn more here"),
        nested(None, "The requested model isn't available in your region."),
        {"object": "error", "message": "The model `x` does not exist.", "type": "BadRequestError", "code": 400},
        "Unknown model x",
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_the_model_or_the_operation_is_not_to_be_had(status: int, body: Any) -> None:
    assert blamed(refusal(status, body)) == "model"


@pytest.mark.parametrize(
    "body",
    [
        nested("context_length_exceeded", "This model's maximum context length is 4096 tokens. You requested 5000."),
        nested(None, "max_tokens is too large: 5000. This model supports at most 4096 completion tokens", "max_tokens"),
        nested(None, "max_tokens is too large: 5000. This model supports at most 4096 completion tokens"),
        nested(None, "'logprobs' is not supported by this model."),
        nested(None, "Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        nested(None, "This model does not support suffix"),
        nested(None, "The model does not support image inputs"),
        nested(None, "Invalid model input: prompt must be a string"),
        nested("model_error", "The model failed on this input"),
        nested("invalid_model_parameters", "m"),
        nested("invalid_prompt", "The prompt was not found to be valid"),
        nested("parameter_not_supported", "One of the parameters contain invalid values."),
        nested("tokens_limit_reached", "Request body too large for X model. Max size: 4000 tokens."),
        {"detail": "Extra parameters ['n'] are not allowed when extra-parameters is not set or set to be 'error'."},
        {"detail": [{"type": "string_type", "loc": ["body", "prompt"], "msg": "Input should be a valid string"}]},
        "no reason",
    ],
)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_a_row_asks_for_is_its_own_fault(status: int, body: Any) -> None:
    assert blamed(refusal(status, body)) == "row"


@pytest.mark.parametrize(
    "body",
    [
        nested("insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
        {"error": {"message": "m", "type": "insufficient_quota", "code": None}},
        {"message": "Insufficient balance"},
    ],
)
def test_no_quota_is_nothing_that_waiting_mends(body: Any) -> None:
    error = refusal(429, body)
    assert (blamed(error), error.retryable, int(error.exit_code)) == ("run", False, 8)


@pytest.mark.parametrize("message", ["Rate limit is exceeded.", "Quota exceeded for requests per minute."])
def test_a_rate_limit_is_worth_waiting_for(message: str) -> None:
    assert refusal(429, nested("429", message)).retryable


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Your credit balance is too low to access the API."}},
        {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."},
        {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}},
        "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
        "Client sent an HTTP request to an HTTPS server.\n",
    ],
)
def test_money_keys_and_the_scheme_concern_the_run_though_the_status_is_400(body: Any) -> None:
    assert blamed(refusal(400, body)) == "run"


def test_what_is_no_refusal() -> None:
    assert blamed(ContentFilterError("m", status=400)) == "row"
    assert blamed(MisfitError("m", retryable=False)) == "row"
    assert blamed(NetworkError("the server's certificate is not accepted")) == "run"
    assert blamed(ConfigError("m")) == "run"
