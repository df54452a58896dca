"""The foundry behaviour: an api-key gateway in front of many models."""

import json

import pytest

from tests.emulator.exchange import Answer, ask
from tests.emulator_process import EmulatorProcess, Start

VERSION = "?api-version=2024-05-01-preview"


@pytest.fixture
def server(shared: Start) -> EmulatorProcess:
    return shared("--behaviour", "foundry", "--key", "right", "--deployment", "gpt", "--deployment", "llama")


def post(
    server: EmulatorProcess, body: object = None, path: str = f"/models/completions{VERSION}", **headers: str | None
) -> Answer:
    sent = {"api-key": "right"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(server, {"prompt": "x", "model": "gpt"} if body is None else body, path, headers=sent)


def test_a_key_as_a_bearer_token_is_401(server: EmulatorProcess) -> None:
    answer = post(server, api_key=None, Authorization="Bearer right")
    assert answer.status == answer.json()["statusCode"] == 401
    assert answer.json()["message"].startswith("Unauthorized. Access token is missing, invalid, audience is incorrect")
    assert post(server, api_key="wrong").status == 401
    assert post(server).status == 200


def test_the_v1_route_takes_the_key_as_a_bearer_token_too(server: EmulatorProcess) -> None:
    assert post(server, path="/openai/v1/completions", api_key=None, Authorization="Bearer right").status == 200
    assert post(server, path="/openai/v1/completions", api_key=None, Authorization="Bearer wrong").status == 401
    assert post(server, path="/openai/v1/completions", api_key="wrong", Authorization="Bearer right").status == 401


@pytest.mark.parametrize("path", ["/completions", "/models/completions", "/openai/deployments/gpt/completions"])
def test_an_unknown_api_version_is_404(server: EmulatorProcess, path: str) -> None:
    for query in ("", "?api-version=2024-08-01-preview"):
        answer = post(server, path=path + query)
        assert answer.status == 404
        assert answer.json() == {"error": {"code": "404", "message": "Resource not found"}}
    assert post(server, path=path + VERSION).status == 200


def test_the_v1_route_knows_no_api_version(server: EmulatorProcess) -> None:
    assert post(server, path="/openai/v1/completions").status == 200


def test_the_model_is_named_in_body_header_or_path(server: EmulatorProcess) -> None:
    assert post(server, {"model": "llama"}).json()["model"] == "llama"
    assert post(server, {}, x_ms_model_mesh_model_name="llama").json()["model"] == "llama"
    assert post(server, {}, f"/openai/deployments/llama/completions{VERSION}").json()["model"] == "llama"
    nameless = post(server, {})
    assert nameless.status == 400
    assert nameless.json()["error"]["code"] == "no_model_name"


def test_an_unknown_model_is_404_as_text(server: EmulatorProcess) -> None:
    answer = post(server, {"model": "X"})
    message = "Unknown model: X"
    assert answer.status == 404
    assert answer.json() == {"error": {"code": "unknown_model", "message": message, "details": message}}
    assert answer.headers["content-type"] == "text/plain"
    unknown = post(server, {}, f"/openai/deployments/X/completions{VERSION}")
    assert unknown.json()["error"]["code"] == "DeploymentNotFound"


@pytest.mark.parametrize(
    "wrong", [{"temperature": 3}, {"stop": ["a"] * 5}, {"prompt": ["x"] * 2049}, {"max_tokens": 200_000}, {"stream": 1}]
)
def test_a_models_error_has_the_help_text_behind_it(server: EmulatorProcess, wrong: dict[str, object]) -> None:
    answer = post(server, {"prompt": "x", "model": "gpt", **wrong})
    document, end = json.JSONDecoder().raw_decode(answer.text)
    assert answer.status == document["code"] == 400
    assert document["object"] == "error"
    assert answer.text[end:].startswith("\nPlease check this guide")


def test_extra_parameters(server: EmulatorProcess) -> None:
    body = {"prompt": "x", "model": "gpt", "n": 2}
    assert post(server, body).status == 400
    assert post(server, body, extra_parameters="ignore").status == 400
    assert len(post(server, body, extra_parameters="drop").json()["choices"]) == 1
    assert len(post(server, body, extra_parameters="pass-through").json()["choices"]) == 2
    assert len(post(server, body, "/openai/v1/completions").json()["choices"]) == 2


def test_content_filter(server: EmulatorProcess) -> None:
    answer = post(server, {"prompt": "TRIGGER_CONTENT_FILTER", "model": "gpt"})
    error = answer.json()["error"]
    assert answer.status == 400
    assert (error["code"], error["param"]) == ("content_filter", "prompt")
    assert error["innererror"]["code"] == "ResponsibleAIPolicyViolation"


def test_answers_tell_what_the_filter_found(server: EmulatorProcess) -> None:
    document = post(server, {"prompt": ["a", "b"], "model": "gpt"}).json()
    assert [result["prompt_index"] for result in document["prompt_filter_results"]] == [0, 1]
    assert document["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}


def test_a_stream_begins_without_choices_and_tells_usage_when_asked(server: EmulatorProcess) -> None:
    body = {"prompt": "x", "model": "gpt", "max_tokens": 3, "stream": True}
    *chunks, done = post(server, body).events
    assert done == "[DONE]"
    assert chunks[0]["choices"] == []
    assert chunks[0]["prompt_filter_results"]
    assert not any("usage" in chunk for chunk in chunks)
    asked = {**body, "stream_options": {"include_usage": True}}
    *chunks, _ = post(server, asked, extra_parameters="pass-through").events
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_wrong_paths_and_methods_are_not_found(server: EmulatorProcess) -> None:
    assert post(server, path=f"/chat{VERSION}").status == 404
    assert ask(server, method="GET", path=f"/completions{VERSION}").json()["error"]["message"] == "Resource not found"


def test_sixteen_tokens_unless_told_otherwise(server: EmulatorProcess) -> None:
    lengths = [post(server, {"model": "gpt", "seed": seed}).json()["usage"]["completion_tokens"] for seed in range(20)]
    assert max(lengths) == 16
