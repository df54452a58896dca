"""Advice for every error of the service: never none, and never that of another error."""

import json

import pytest

from completions_cli.api import error_map
from completions_cli.api.hints import HintContext, hint


def advice(status: int, message: str = "m", code: str = "", context: HintContext | None = None, **headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"x-ms-error-code": code}
    error = error_map.from_response(status, sent, message.encode(), 0.0)
    return hint(error, context or HintContext())


def test_every_status_has_advice() -> None:
    for status in range(300, 600):
        text = advice(status)
        assert text
        assert "\n" not in text


def test_more_attempts_are_for_what_is_retried() -> None:
    advised = {status for status in range(500, 600) if "--retries" in advice(status)}
    assert advised == {500, 502, 503, 504, *range(520, 525), 529}


@pytest.mark.parametrize(
    ("context", "part"),
    [
        (HintContext(), "config key set`"),
        (HintContext(profile="blue"), "config key set -p blue`"),
        (HintContext(auth="entra"), "scope"),
        (HintContext(auth="none"), "--auth none"),
        (HintContext(auth="none", profile="blue"), "--auth none"),
        (HintContext(auth="none", auth_source="other profile", profile="blue"), "--auth key"),
        (HintContext(auth="none", auth_source="profile", profile="blue"), "config set -p blue auth key`, then"),
    ],
)
def test_a_refused_key_depends_on_how_one_signs_in(context: HintContext, part: str) -> None:
    assert part in advice(401, context=context)
    assert part in advice(403, context=context)


@pytest.mark.parametrize(
    ("host", "path", "part"),
    [
        ("r.services.ai.azure.com", "/completions", "ends in /models"),
        ("r.services.ai.azure.com", "/models/completions", "completions route"),
        ("r.openai.azure.com", "/completions", "/openai/deployments/DEPLOYMENT"),
        ("r.openai.azure.com", "/openai/v1/completions", "completions route"),
        ("n.eastus2.models.ai.azure.com", "/completions", "--deployment"),
    ],
)
def test_a_missing_route_depends_on_the_kind_of_endpoint(host: str, path: str, part: str) -> None:
    assert part in advice(404, "Resource not found", context=HintContext(host=host, path=path))


@pytest.mark.parametrize(
    ("status", "message", "part"),
    [
        (429, "API version 2024-02-01 exceeded its rate", "--max-wait"),
        (429, "request body too large for your tier", "--max-wait"),
        (408, "api version", "fewer tokens"),
        (400, "content management policy forbids the API version", "Reword"),
        (400, "API version not supported", "--api-version"),
        (404, "API version not supported", "--api-version"),
        (413, "too many tokens", "Shorten"),
        (401, '{"error":{"code":"PermissionDenied","message":"Principal has no access."}}', "role"),
        (431, "too large", "-H"),
        (400, "temperature is too large", "Check the parameters"),
        (400, "the request exceeds the available context size", "Shorten"),
        (424, "model_not_ready", "its model failed"),
        (424, '{"detail":"Not Found"}', "completions route"),
    ],
)
def test_words_that_only_occur_in_passing_do_not_mislead(status: int, message: str, part: str) -> None:
    assert part in advice(status, message)


def test_a_code_speaks_as_its_message_does() -> None:
    assert "--auth entra" in advice(403, code="AuthenticationTypeDisabled")
    assert "-m MODEL" in advice(404, code="unknown_model")


def test_a_424_that_may_pass_is_told_from_one_that_will_not() -> None:
    assert "try again later" in advice(424, ms_azureml_model_error_statuscode="429")
    assert "parameters" in advice(424, ms_azureml_model_error_statuscode="400")


def test_a_server_that_takes_one_text_is_told_from_one_that_got_none() -> None:
    item = '{"detail":[{"type":"string_type","loc":["body","prompt"],"msg":"%s"}]}'
    assert "`batch`" in advice(422, item % "Input should be a valid string")
    assert "leave out prompt" in advice(422, item % "Field required")


@pytest.mark.parametrize(
    ("sources", "part"),
    [
        (("COMPLETIONS_API_KEY",), "The key came from COMPLETIONS_API_KEY"),
        (("key_command",), "The key came from key_command"),
        (("the keyring",), "Replace it with `completions config key set`."),
        (("the keyring", "AZURE_INFERENCE_CREDENTIAL"), "may also be that of AZURE_INFERENCE_CREDENTIAL"),
    ],
)
def test_a_refused_key_is_looked_for_where_it_came_from(sources: tuple[str, ...], part: str) -> None:
    assert part in advice(401, context=HintContext(key_sources=sources))


@pytest.mark.parametrize("path", ["/openai/v1/completions", "/managed-deployments/blue/completions"])
def test_a_route_that_cannot_end_in_models_is_not_told_to(path: str) -> None:
    context = HintContext(host="r.services.ai.azure.com", path=path)
    assert "/models" not in advice(404, "Resource not found", context=context)


@pytest.mark.parametrize(
    ("path", "is_told"),
    [("/completions", True), ("/v1/completions", False), ("/completions?api-version=2024-04-01-preview", True)],
)
def test_a_server_of_ones_own_may_have_its_routes_below_v1(path: str, *, is_told: bool) -> None:
    assert ("end in /v1" in advice(404, "Not Found", context=HintContext(host="localhost", path=path))) is is_told


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/v1/models/completions", "in /v1."),
        ("/api/v1/embeddings/completions?api-version=1", "in /api/v1."),
        ("/v1/completions", None),
        ("/v1/models", None),
        ("/a/v1/completions", None),
        ("/completions", None),
    ],
)
def test_the_address_of_another_route_is_to_end_in_v1(path: str, end: str | None) -> None:
    told = advice(404, "Not Found", context=HintContext(host="localhost", path=path))
    assert ("another route" in told) is (end is not None)
    assert told.endswith(end or "")


def test_a_route_that_the_server_itself_says_it_lacks_may_be_outside_v1() -> None:
    context = HintContext(host="localhost", path="/v1/completions?api-version=1")
    assert "without /v1" in advice(404, "Cannot POST /v1/completions", context=context)
    assert "without /v1" not in advice(404, "Not Found", context=context)


def test_the_word_ignore_may_be_what_a_server_does_not_know() -> None:
    ignoring = HintContext(extra_parameters="ignore")
    assert "drop" in advice(400, "Bad header value", context=ignoring)
    assert "drop" not in advice(400, "Bad header value")
    assert "drop" not in advice(400, '{"error":{"message":"too hot","param":"temperature"}}', context=ignoring)


@pytest.mark.parametrize(
    ("message", "is_told"),
    [
        ("Field 'n': [json.exception.type_error.302] type must be number, but is string", True),
        ("Invalid type for 'n': expected an integer, but got a string instead.", True),
        ("1 validation error: echo: Input should be a valid boolean, unable to interpret input", True),
        ("'three' is not of type 'integer' - 'n'", True),
        ("stop.str: Input should be a valid string; stop.list[str]: Input should be a valid list", False),
        ("n must be at least 1", False),
    ],
)
def test_text_where_a_number_is_wanted_is_told_how_to_send_one(message: str, *, is_told: bool) -> None:
    assert ("-x NAME:=VALUE sends a number" in advice(400, json.dumps({"error": {"message": message}}))) is is_told
