"""What an answer of one token shows of a parameter: kept, ignored, or not to be told."""

import pytest

from completions_cli.api import probes
from completions_cli.api.probes import PROBES, PROMPT, Answer, Probe

BY_NAME = {probe.name: probe for probe in PROBES}
PLAIN = Answer([{"text": " yellow", "logprobs": None}], 9, 1)
LEGACY = {"tokens": [" yellow"], "token_logprobs": [-0.1]}
WITH_PROMPT = {"tokens": ["The", " colours", " yellow"], "token_logprobs": [None, -3.5, -0.1]}


def one(text: str, prompt_tokens: int | None = 9, **fields: object) -> Answer:
    return Answer([{"text": text, **fields}], prompt_tokens, 1)


@pytest.mark.parametrize(
    ("name", "answers", "state"),
    [
        ("n", [Answer([{"text": "a"}, {"text": "b"}])], "kept"),
        ("n", [one(" yellow")], "ignored"),
        ("echo", [one(PROMPT + " yellow")], "kept"),
        ("echo", [one(f"<s> {PROMPT} yellow")], "kept"),
        ("echo", [one(" yellow")], "ignored"),
        ("logprobs", [one(" yellow", logprobs=LEGACY)], "kept"),
        ("logprobs", [one(" yellow", logprobs=None)], "ignored"),
        ("logprobs", [one(" yellow", logprobs={"tokens": []})], "ignored"),
        ("echo and logprobs", [one(PROMPT + " yellow", logprobs=WITH_PROMPT)], "kept"),
        ("echo and logprobs", [one(PROMPT + " yellow", logprobs=LEGACY)], "ignored"),
        ("echo and logprobs", [one(" yellow", logprobs=WITH_PROMPT)], "ignored"),
        ("suffix", [one(" yellow", 90)], "kept"),
        ("suffix", [one(" yellow", 9)], "ignored"),
        ("suffix", [one(" yellow", None)], "unclear"),
        ("stop", [one("")], "kept"),
        ("stop", [one(" ")], "kept"),
        ("stop", [one(" yellow")], "ignored"),
        ("stop", [one(" green")], "unclear"),
        ("seed", [one("cat"), one("cat")], "kept"),
        ("seed", [one("cat"), one("dog")], "ignored"),
        ("response_format", [one("7")], "kept"),
        ("response_format", [one(" 734")], "kept"),
        ("response_format", [one(" yellow")], "ignored"),
        ("response_format", [one("{")], "ignored"),
        ("response_format", [one("\n")], "unclear"),
        ("several prompts", [Answer([{"text": "a"}, {"text": "b"}])], "kept"),
        ("several prompts", [one("a")], "ignored"),
        ("token ids", [one("a", 5)], "kept"),
        ("token ids", [one("a", 6)], "kept"),
        ("token ids", [one("a", 17)], "ignored"),
        ("token ids", [one("a", None)], "unclear"),
        ("logprobs", [Answer([])], "ignored"),
    ],
)
def test_an_answer_shows_what_became_of_a_parameter(name: str, answers: list[Answer], state: str) -> None:
    assert BY_NAME[name].judge(PLAIN, answers).state == state


@pytest.mark.parametrize(("tokens", "state"), [(1, "kept"), (0, "kept"), (16, "ignored"), (None, "unclear")])
def test_the_plain_answer_shows_whether_max_tokens_was_kept(tokens: int | None, state: str) -> None:
    assert probes.length(Answer([], 9, tokens)).state == state


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_each_asks_for_one_token(probe: Probe) -> None:
    request = probe.request(PLAIN, "blue")
    assert (request.parameters["max_tokens"], request.model) == (1, "blue")


def test_a_stop_is_what_the_plain_answer_began_with() -> None:
    assert BY_NAME["stop"].request(PLAIN, None).parameters["stop"] == "yellow"
    assert BY_NAME["stop"].request(one(" "), None).parameters["stop"] == " "
    assert BY_NAME["stop"].request(one(""), None).parameters["stop"]


def test_there_are_twelve_requests_at_most() -> None:
    assert probes.REQUESTS == 12
