"""What the model underneath makes of passed-through parameters: as OpenAI's legacy route."""

import math
from typing import Any

import pytest

from tests.emulator.exchange import Answer, ask
from tests.emulator_process import EmulatorProcess, Start

HEADERS = {"extra-parameters": "pass-through", "api-key": "k"}
BEHAVIOURS = ["reference", "managed", "foundry"]


def answer(server: EmulatorProcess, **fields: Any) -> Answer:
    """Ask with these parameters."""
    body = {"prompt": "Once upon a time", "model": "m", "max_tokens": 6} | fields
    return ask(server, body, headers=HEADERS)


def choices(server: EmulatorProcess, **fields: Any) -> list[dict[str, Any]]:
    """Ask and return the choices."""
    found = answer(server, **fields)
    assert found.status == 200, found.text
    these: list[dict[str, Any]] = found.json()["choices"]
    return these


@pytest.fixture(params=BEHAVIOURS)
def server(request: pytest.FixtureRequest, shared: Start) -> EmulatorProcess:
    """Give an emulator of each behaviour."""
    return shared("--behaviour", request.param)


def test_n_and_best_of(server: EmulatorProcess) -> None:
    one, two, four = choices(server), choices(server, n=2), choices(server, n=4)
    assert [choice["index"] for choice in four] == [0, 1, 2, 3]
    assert four[:2] == two
    assert two[:1] == one
    best = answer(server, n=2, best_of=4).json()
    texts = [choice["text"] for choice in four]
    assert len(best["choices"]) == 2
    assert {choice["text"] for choice in best["choices"]} <= set(texts)
    assert best["usage"] == answer(server, n=4).json()["usage"]
    (likeliest,) = choices(server, best_of=4)
    assert likeliest["text"] in texts


def test_figures_are_those_of_each_token(server: EmulatorProcess) -> None:
    (choice,) = choices(server, logprobs=3)
    figures = choice["logprobs"]
    assert "".join(figures["tokens"]) == choice["text"] == choices(server)[0]["text"]
    assert len(figures["tokens"]) == len(figures["token_logprobs"]) == len(figures["top_logprobs"]) == 6
    assert [choice["text"][offset - 16] for offset in figures["text_offset"]] == [
        token[0] for token in figures["tokens"]
    ]
    for token, logprob, top in zip(figures["tokens"], figures["token_logprobs"], figures["top_logprobs"], strict=True):
        assert top[token] == logprob < 0
        assert 3 <= len(top) <= 4
        assert sum(math.exp(figure) for figure in top.values()) < 1
        likeliest = sorted(top.values(), reverse=True)[:3]
        assert token not in list(top)[3:] or logprob <= min(likeliest)


def test_echoed_text_has_the_same_figures_as_when_it_was_written(server: EmulatorProcess) -> None:
    (written,) = choices(server, logprobs=2)
    (read,) = choices(server, prompt="Once upon a time" + written["text"], logprobs=2, echo=True, max_tokens=0)
    assert read["text"] == "Once upon a time" + written["text"]
    figures, own = read["logprobs"], written["logprobs"]
    assert (figures["token_logprobs"][0], figures["top_logprobs"][0]) == (None, None)
    count = len(own["tokens"])
    assert {name: values[-count:] for name, values in figures.items()} == own
    assert figures["text_offset"][0] == 0
    assert "".join(figures["tokens"]) == read["text"]


def test_figures_in_a_stream(server: EmulatorProcess) -> None:
    whole = choices(server, logprobs=1, echo=True)[0]["logprobs"]
    events = answer(server, logprobs=1, echo=True, stream=True).events
    parts = [choice.get("logprobs") for event in events if event != "[DONE]" for choice in event["choices"]]
    for name, values in whole.items():
        assert [value for part in parts if part for value in part[name]] == values


def test_no_alternatives_where_none_are_asked_for(server: EmulatorProcess) -> None:
    assert choices(server, logprobs=0)[0]["logprobs"]["top_logprobs"] is None
    assert choices(server)[0].get("logprobs") is None


def test_null_is_absence(server: EmulatorProcess) -> None:
    assert choices(server, n=None, best_of=None, echo=None, logprobs=None) == choices(server)


@pytest.mark.parametrize("name", ["temperature", "top_p", "stop", "seed", "stream", "presence_penalty", "max_tokens"])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_null_for_a_parameter_of_the_reference(shared: Start, behaviour: str, name: str) -> None:
    status = answer(shared("--behaviour", behaviour), **{name: None}).status
    assert status == (422 if behaviour == "reference" else 200)


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 0}, {"n": "2"}, {"n": True}, {"n": 129}, {"n": 2, "best_of": 1}, {"best_of": 2, "stream": True},
        {"logprobs": -1}, {"logprobs": 21}, {"logprobs": True}, {"echo": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(server: EmulatorProcess, fields: dict[str, Any]) -> None:
    assert answer(server, **fields).status in (400, 422)


def test_token_arrays_are_echoed_as_text(shared: Start) -> None:
    (choice,) = choices(shared(), prompt=[5, 6], logprobs=1, echo=True, max_tokens=0)
    assert choice["text"] == "token5 token6"
    assert "".join(choice["logprobs"]["tokens"]) == "token5 token6"


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/models", "/completions"])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_what_else_is_answered(shared: Start, behaviour: str, path: str) -> None:
    server = shared("--behaviour", behaviour, "--deployment", "blue", "--deployment", "green")
    found = ask(server, b"", path, method="GET", headers=HEADERS)
    if path == "/health":
        assert found.json() == {"status": "ok"}
    elif path != "/completions":
        assert [model["id"] for model in found.json()["data"]] == ["blue", "green"]
        assert (
            ask(server, b"", path, method="GET", headers={"authorization": None, "Authorization": None}).status == 401
        )
    else:
        assert found.status in (404, 405)
