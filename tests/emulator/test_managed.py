"""The managed behaviour: FastAPI in front of vLLM."""

from typing import Any

import pytest

from tests.emulator.exchange import Answer, ask
from tests.emulator_process import EmulatorProcess, Start


@pytest.fixture
def server(shared: Start) -> EmulatorProcess:
    return shared("--behaviour", "managed")


def post(server: EmulatorProcess, body: object = None, **headers: str | None) -> Answer:
    return ask(server, body, "/completions", headers={name.replace("_", "-"): value for name, value in headers.items()})


def items(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 422, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["status"], error["message"]) == ("Invalid input", 422, "invalid input error")
    found: list[dict[str, Any]] = error["details"]
    return found


def test_no_api_version_is_asked_for(server: EmulatorProcess) -> None:
    assert post(server).status == 200
    assert ask(server, path="/v1/completions?api-version=whatever").status == 200


def test_unauthorized_bodies(shared: Start) -> None:
    server = shared("--behaviour", "managed", "--key", "right")
    missing, wrong = post(server, Authorization=None), post(server, Authorization="Bearer wrong")
    assert (missing.status, wrong.status) == (401, 401)
    assert missing.json() == {"status": "Auth token must be passed as a header called Authorization"}
    assert wrong.json() == {"status": "Invalid auth token"}
    assert post(server, Authorization="Bearer right").status == 200


def test_a_missing_prompt_is_told_as_fastapi_does(server: EmulatorProcess) -> None:
    assert items(post(server, {"seed": 1})) == [
        {"type": "missing", "loc": ["body", "prompt"], "msg": "Field required", "input": {"seed": 1}}
    ]


WRONG = [
    ("prompt", ["a"], "string_type", ["body", "prompt"]),
    ("prompt", None, "string_type", ["body", "prompt"]),
    ("temperature", 1.5, "less_than_equal", ["body", "temperature"]),
    ("temperature", -1, "greater_than_equal", ["body", "temperature"]),
    ("temperature", "warm", "float_parsing", ["body", "temperature"]),
    ("max_tokens", 2.5, "int_from_float", ["body", "max_tokens"]),
    ("max_tokens", "many", "int_parsing", ["body", "max_tokens"]),
    ("max_tokens", [], "int_type", ["body", "max_tokens"]),
    ("max_tokens", -1, "greater_than_equal", ["body", "max_tokens"]),
    ("stream", "perhaps", "bool_parsing", ["body", "stream"]),
    ("stream", 2, "bool_parsing", ["body", "stream"]),
    ("stream", [], "bool_type", ["body", "stream"]),
]


@pytest.mark.parametrize(("name", "value", "kind", "loc"), WRONG)
def test_wrong_values_are_told_as_pydantic_does(
    server: EmulatorProcess, name: str, value: object, kind: str, loc: list[str]
) -> None:
    (item,) = items(post(server, {"prompt": "x", name: value}))
    assert (item["type"], item["loc"], item["input"]) == (kind, loc, value)


def test_a_limit_is_told_with_its_context(server: EmulatorProcess) -> None:
    (item,) = items(post(server, {"prompt": "x", "temperature": 1.5}))
    assert item["msg"] == "Input should be less than or equal to 1"
    assert item["ctx"] == {"le": 1.0}


def test_each_member_of_a_union_has_its_say(server: EmulatorProcess) -> None:
    assert [item["loc"] for item in items(post(server, {"prompt": "x", "stop": 5}))] == [
        ["body", "stop", "str"],
        ["body", "stop", "list[str]"],
    ]
    assert [item["loc"] for item in items(post(server, {"prompt": "x", "stop": ["a", 5]}))] == [
        ["body", "stop", "str"],
        ["body", "stop", "list[str]", 1],
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", "5"),
        ("max_tokens", 5.0),
        ("temperature", "0.5"),
        ("stream", "no"),
        ("seed", None),
        ("stop", None),
    ],
)
def test_values_are_coerced(server: EmulatorProcess, name: str, value: object) -> None:
    assert post(server, {"prompt": "x", name: value}).status == 200


def test_stream_is_coerced_too(server: EmulatorProcess) -> None:
    assert post(server, {"prompt": "x", "stream": "True"}).events[-1] == "[DONE]"


def test_bodies_that_are_not_json(server: EmulatorProcess) -> None:
    (broken,) = items(post(server, b'{"prompt": '))
    assert (broken["type"], broken["loc"]) == ("json_invalid", ["body", 11])
    (empty,) = items(post(server, b""))
    assert (empty["type"], empty["loc"]) == ("missing", ["body"])
    (mistyped,) = items(post(server, {"prompt": "x"}, Content_Type="application/x-www-form-urlencoded"))
    assert (mistyped["type"], mistyped["input"]) == ("model_attributes_type", '{"prompt": "x"}')


def test_ignore_is_refused_in_the_words_of_the_server(server: EmulatorProcess) -> None:
    answer = post(server, extra_parameters="ignore")
    assert answer.status == 400
    assert answer.json() == {
        "detail": "Unexpected EXTRA_PARAMETERS option ignore, expected options are ['error', 'drop', 'pass-through']"
    }


def test_extra_parameters_are_refused_dropped_or_passed(server: EmulatorProcess) -> None:
    body = {"prompt": "x", "n": 2}
    refused = post(server, body)
    assert refused.status == 400
    assert refused.json()["detail"].startswith(
        "Extra parameters ['n'] are not allowed when extra-parameters is not set"
    )
    assert len(post(server, body, extra_parameters="drop").json()["choices"]) == 1
    assert len(post(server, body, extra_parameters="pass-through").json()["choices"]) == 2


def test_the_v1_route_drops_extras_without_a_word(server: EmulatorProcess) -> None:
    assert len(ask(server, {"prompt": "x", "n": 2}, "/v1/completions").json()["choices"]) == 1


def test_a_trailing_slash_is_redirected_with_its_query(server: EmulatorProcess) -> None:
    answer = ask(server, path="/completions/?a=b")
    assert (answer.status, answer.headers["location"]) == (307, "/completions?a=b")


def test_the_containers_own_pages(server: EmulatorProcess) -> None:
    assert ask(server, path="/", method="GET").json() == "healthy"
    assert ask(server, path="/info", method="GET").json()["model_type"] == "completion"
    assert ask(server, path="/nowhere", method="GET").json() == {"detail": "Not Found"}
    assert ask(server, path="/completions", method="GET").json() == {"detail": "Method Not Allowed"}


def test_sixteen_tokens_unless_told_otherwise(server: EmulatorProcess) -> None:
    lengths = [post(server, {"prompt": "x", "seed": n}).json()["usage"]["completion_tokens"] for n in range(20)]
    assert max(lengths) == 16


def test_model_is_accepted_and_ignored(shared: Start) -> None:
    server = shared("--behaviour", "managed", "--deployment", "blue")
    assert post(server, {"prompt": "x", "model": "other"}).json()["model"] == "blue"
    assert post(server, azureml_model_deployment="red").status == 404


def test_content_safety(server: EmulatorProcess) -> None:
    refused = post(server, {"prompt": "TRIGGER_CONTENT_FILTER"})
    assert refused.status == 400
    assert refused.json()["error"]["message"] == "request input violates azure ai content safety setting."
    (choice,) = post(server, {"prompt": "TRIGGER_FILTERED_OUTPUT"}).json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("", "stop")


def test_every_chunk_but_the_last_has_usage_null(server: EmulatorProcess) -> None:
    *chunks, _ = post(server, {"prompt": "x", "max_tokens": 3, "stream": True}).events
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 3
    assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_over_the_context_is_vllms_400(server: EmulatorProcess) -> None:
    answer = post(server, {"prompt": "x", "max_tokens": 200_000})
    assert answer.status == answer.json()["code"] == 400
    assert answer.json()["message"].startswith("This model's maximum context length is")
