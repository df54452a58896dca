"""The reference behaviour: the API reference, to the letter."""

import json
import re

import pytest

from tests.emulator.exchange import Answer, ask
from tests.emulator_process import EmulatorProcess, Start

SAMPLE = {
    "prompt": "This is a very good text",
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "max_tokens": 256,
    "seed": 42,
    "stop": "<|endoftext|>",
    "stream": False,
    "temperature": 0,
    "top_p": 1,
}


@pytest.fixture
def server(shared: Start) -> EmulatorProcess:
    return shared()


def texts(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    return [choice["text"] for choice in answer.json()["choices"]]


def test_the_sample_request_is_answered_as_the_schema_says(server: EmulatorProcess) -> None:
    answer = ask(server, SAMPLE)
    document = answer.json()
    assert answer.status == 200
    assert document.keys() == {"id", "object", "created", "model", "system_fingerprint", "choices", "usage"}
    assert document["object"] == "text_completion"
    assert document["choices"][0].keys() == {"index", "finish_reason", "text"}
    assert re.fullmatch("fp_[0-9a-f]+", document["system_fingerprint"])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?api-version=",
        "?api-version=2024",
        "?api-version=2024-13-01",
        "?api-version=2024-04-01-beta",
        "?api-version=latest",
    ],
)
def test_api_version_missing_or_malformed_is_400(server: EmulatorProcess, query: str) -> None:
    answer = ask(server, path="/completions" + query)
    assert answer.status == 400
    assert answer.json()["param"] == "api-version"
    assert answer.headers["x-ms-error-code"]


@pytest.mark.parametrize("version", ["2024-04-01-preview", "2024-05-01", "2031-12-31-preview"])
def test_any_well_formed_api_version_passes(server: EmulatorProcess, version: str) -> None:
    assert ask(server, path=f"/completions?api-version={version}").status == 200


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "k", "Basic k"])
def test_without_a_bearer_key_it_is_401(server: EmulatorProcess, value: str | None) -> None:
    answer = ask(server, headers={"Authorization": value, "api-key": "k"})
    assert answer.status == 401
    assert answer.json() == {"error": "Unauthorized", "message": "Access token is missing or invalid", "status": 401}
    assert answer.headers["x-ms-error-code"] == "unauthorized"


def test_with_key_only_that_one_passes(shared: Start) -> None:
    server = shared("--key", "right")
    assert ask(server, headers={"Authorization": "Bearer right"}).status == 200
    assert ask(server, headers={"Authorization": "bearer right"}).status == 200
    assert ask(server, headers={"Authorization": "Bearer wrong"}).status == 401
    assert ask(server, headers={"Authorization": "Bearer righ"}).status == 401


WRONG = [
    ("max_tokens", "256", "256"),
    ("max_tokens", 2.0, "2.0"),
    ("max_tokens", 2.5, "2.5"),
    ("max_tokens", True, "true"),
    ("max_tokens", None, "null"),
    ("max_tokens", -1, "-1"),
    ("temperature", -0.1, "-0.1"),
    ("temperature", 2.1, "2.1"),
    ("temperature", "1", "1"),
    ("temperature", False, "false"),
    ("temperature", None, "null"),
    ("top_p", 1.01, "1.01"),
    ("top_p", -0.01, "-0.01"),
    ("frequency_penalty", 2.5, "2.5"),
    ("frequency_penalty", -2.5, "-2.5"),
    ("presence_penalty", 3, "3"),
    ("presence_penalty", [1], "[1]"),
    ("seed", "42", "42"),
    ("seed", 4.2, "4.2"),
    ("stream", "true", "true"),
    ("stream", 1, "1"),
    ("stop", 5, "5"),
    ("stop", ["a", 5], '["a", 5]'),
    ("stop", None, "null"),
    ("model", 5, "5"),
    ("prompt", 5, "5"),
    ("prompt", None, "null"),
    ("prompt", [], "[]"),
    ("prompt", ["a", 1], '["a", 1]'),
    ("prompt", [1, "a"], '[1, "a"]'),
    ("prompt", [1, 2.5], "[1, 2.5]"),
    ("prompt", [-1], "[-1]"),
    ("prompt", [[1], []], "[[1], []]"),
    ("prompt", [[1], ["a"]], '[[1], ["a"]]'),
    ("prompt", [True], "[true]"),
    ("prompt", {"a": 1}, '{"a": 1}'),
]


@pytest.mark.parametrize(("name", "value", "shown"), WRONG)
def test_a_wrong_value_is_422_with_where_and_what(
    server: EmulatorProcess, name: str, value: object, shown: str
) -> None:
    answer = ask(server, {"prompt": "x", name: value})
    document = answer.json()
    assert answer.status == document["status"] == 422
    assert document["detail"] == {"loc": ["body", name], "value": shown}
    assert document["error"] == "Unprocessable Content"
    assert document["message"].startswith("One of the parameters contain invalid values")
    assert answer.headers["x-ms-error-code"] == document["code"]


RIGHT = [
    ("max_tokens", 0),
    ("temperature", 0),
    ("temperature", 2),
    ("top_p", 0),
    ("top_p", 1.0),
    ("frequency_penalty", -2),
    ("presence_penalty", 2.0),
    ("seed", -(2**70)),
    ("stop", []),
    ("stop", ["a", "b", "c", "d", "e"]),
    ("model", "anything"),
    ("prompt", ""),
    ("prompt", [""]),
    ("prompt", [1, 2, 3]),
    ("prompt", [[1, 2], [3]]),
    ("prompt", ["a", "b"]),
]


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_the_edges_of_the_ranges_and_every_form_pass(server: EmulatorProcess, name: str, value: object) -> None:
    assert ask(server, {"prompt": "x", name: value}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"max_tokens": NaN}',
        b'{"prompt": "\xff"}',
        b"[" * 100_000,
        b'{"seed": %s}' % (b"9" * 5000),
    ],
)
def test_a_body_that_is_not_json_is_400(server: EmulatorProcess, body: bytes) -> None:
    answer = ask(server, body)
    assert answer.status == 400
    assert answer.json()["code"] == "invalid_json"


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_a_body_that_is_no_object_is_422(server: EmulatorProcess, body: object) -> None:
    answer = ask(server, json.dumps(body).encode())
    assert answer.status == 422
    assert answer.json()["detail"]["loc"] == ["body"]


def test_without_a_prompt_the_model_begins_a_new_document(server: EmulatorProcess) -> None:
    assert texts(ask(server, {})) == texts(ask(server, {"prompt": "<|endoftext|>"}))


@pytest.mark.parametrize("header", [None, "error"])
def test_an_unknown_parameter_without_the_header_is_400_naming_it(server: EmulatorProcess, header: str | None) -> None:
    answer = ask(server, {"prompt": "x", "logit_bias": {}}, headers={"extra-parameters": header})
    assert answer.status == 400
    assert answer.json()["param"] == "logit_bias"
    assert "logit_bias" in answer.json()["message"]


def test_ignore_drops_what_pass_through_gives_the_model(server: EmulatorProcess) -> None:
    body = {"prompt": "x", "n": 2}
    assert len(texts(ask(server, body, headers={"extra-parameters": "ignore"}))) == 1
    assert len(texts(ask(server, body, headers={"extra-parameters": "pass-through"}))) == 2


@pytest.mark.parametrize("word", ["drop", "Error", "PASS-THROUGH", "allow", ""])
def test_another_word_in_the_header_is_400(server: EmulatorProcess, word: str) -> None:
    answer = ask(server, headers={"extra-parameters": word})
    assert answer.status == 400
    assert "['error', 'ignore', 'pass-through']" in answer.json()["message"]


def test_passed_through_parameters_reach_the_model(server: EmulatorProcess) -> None:
    passing = {"extra-parameters": "pass-through"}
    echoed = ask(server, {"prompt": "Once more", "echo": True}, headers=passing)
    assert texts(echoed)[0] == "Once more" + texts(ask(server, {"prompt": "Once more"}))[0]
    for name, value in (("n", "0"), ("echo", "0"), ("stream_options", "[]")):
        wrong = ask(server, {"prompt": "x", name: json.loads(value)}, headers=passing)
        assert wrong.status == 422
        assert wrong.json()["detail"] == {"loc": ["body", name], "value": value}


def test_deployments_that_exist_are_the_ones_given(shared: Start) -> None:
    server = shared("--deployment", "blue", "--deployment", "green")
    assert ask(server).json()["model"] == "blue"
    assert ask(server, headers={"azureml-model-deployment": "green"}).json()["model"] == "green"
    answer = ask(server, headers={"azureml-model-deployment": "red"})
    assert answer.status == 404
    assert answer.json()["error"] == "Not Found"
    assert answer.headers["x-ms-error-code"] == "not_found"


@pytest.mark.parametrize("path", ["/", "/v1/completions", "/chat/completions", "/completions/", "/completions/x"])
def test_another_route_is_404(server: EmulatorProcess, path: str) -> None:
    answer = ask(server, path=path + "?api-version=2024-04-01-preview")
    assert answer.status == answer.json()["status"] == 404
    assert answer.json().keys() == {"error", "message", "status"}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405(server: EmulatorProcess, method: str) -> None:
    answer = ask(server, method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_the_content_filter_refuses_by_its_trigger(server: EmulatorProcess) -> None:
    answer = ask(server, {"prompt": ["fine", "say TRIGGER_CONTENT_FILTER now"]})
    document = answer.json()
    assert answer.status == document["status"] == 400
    assert document.keys() == {"code", "error", "message", "param", "status"}
    assert (document["code"], document["param"]) == ("content_filter", "prompt")
    assert answer.headers["x-ms-error-code"] == "content_filter"


def test_the_content_filter_cuts_answers_by_its_other_trigger(server: EmulatorProcess) -> None:
    (choice,) = ask(server, {"prompt": "TRIGGER_FILTERED_OUTPUT"}).json()["choices"]
    assert choice["finish_reason"] == "content_filter"


def test_prompt_and_max_tokens_over_the_context_are_400(server: EmulatorProcess) -> None:
    answer = ask(server, {"prompt": "x", "max_tokens": 200_000})
    assert answer.status == 400
    assert answer.json()["code"] == "context_length_exceeded"


def test_max_tokens_is_256_unless_said_otherwise(server: EmulatorProcess) -> None:
    lengths = [ask(server, {"prompt": "x", "seed": seed}).json()["usage"]["completion_tokens"] for seed in range(60)]
    assert max(lengths) == 256
    assert ask(server, {"prompt": "x", "max_tokens": 0}).json()["usage"]["completion_tokens"] == 0


def test_choices_come_by_index_and_usage_adds_up(server: EmulatorProcess) -> None:
    prompts = ["alpha", "beta", "gamma"]
    alone = [ask(server, {"prompt": prompt}).json() for prompt in prompts]
    packed = ask(server, {"prompt": prompts}).json()
    assert [choice["index"] for choice in packed["choices"]] == [0, 1, 2]
    assert [choice["text"] for choice in packed["choices"]] == [one["choices"][0]["text"] for one in alone]
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert packed["usage"][name] == sum(one["usage"][name] for one in alone)


def test_the_same_prompt_twice_gives_two_samples(server: EmulatorProcess) -> None:
    first, second = texts(ask(server, {"prompt": ["again", "again"]}))
    assert first != second
    assert first == texts(ask(server, {"prompt": "again"}))[0]


def test_seed_decides(server: EmulatorProcess, shared: Start) -> None:
    one, same, two = (ask(server, SAMPLE | {"seed": seed}) for seed in (1, 1, 2))
    assert texts(one) == texts(same) != texts(two)
    assert texts(ask(shared("--seed", "5"), SAMPLE | {"seed": 1})) != texts(one)


def test_a_number_is_the_same_whether_it_is_written_whole_or_not(server: EmulatorProcess) -> None:
    whole, broken = {"temperature": 1, "top_p": 1}, {"temperature": 1.0, "presence_penalty": 0.0}
    assert texts(ask(server, SAMPLE | whole)) == texts(ask(server, {**SAMPLE, **whole, **broken}))


def test_stream_ends_with_done_and_its_last_chunk_has_the_usage(server: EmulatorProcess) -> None:
    answer = ask(server, {"prompt": ["a", "b"], "max_tokens": 5, "stream": True})
    *chunks, done = answer.events
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert done == "[DONE]"
    assert [chunk["choices"][0]["index"] for chunk in chunks[:4]] == [0, 1, 0, 1]
    assert ["usage" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["usage"]["completion_tokens"] == 10
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_each_request_has_an_id_of_its_own_and_gets_the_clients_back(server: EmulatorProcess) -> None:
    first, second = ask(server), ask(server, headers={"x-ms-client-request-id": "mine"})
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert second.headers["x-ms-client-request-id"] == "mine"
    assert first.json()["id"] != second.json()["id"]


def test_a_body_larger_than_one_read_is_taken_whole(server: EmulatorProcess) -> None:
    prompt = "wörd" + " wörd" * 59_999
    answer = ask(server, {"prompt": prompt, "max_tokens": 1})
    assert answer.status == 200
    assert answer.json()["usage"]["prompt_tokens"] == 60_000
