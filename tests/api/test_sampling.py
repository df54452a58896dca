"""Several completions of each prompt, on a route that has no `n`."""

from dataclasses import replace

import pytest

from completions_cli.api import sampling
from completions_cli.models import Chunk, CompletionRequest, Delta, Finished, Prompt, Usage


@pytest.mark.parametrize(
    ("prompt", "repeated"),
    [
        ("a", ["a", "a", "a"]),
        (["a", "b"], ["a", "a", "a", "b", "b", "b"]),
        ([1, 2], [[1, 2], [1, 2], [1, 2]]),
        ([[1], [2]], [[1], [1], [1], [2], [2], [2]]),
        (None, ["<|endoftext|>"] * 3),
    ],
)
def test_without_a_seed_the_prompts_are_repeated_in_one_request(prompt: Prompt | None, repeated: Prompt) -> None:
    request = CompletionRequest(prompt, {"max_tokens": 5}, {"top_k": 1}, "m", stream=True)
    (expanded,) = sampling.expand(request, 3)
    assert expanded == CompletionRequest(repeated, {"max_tokens": 5}, {"top_k": 1}, "m", stream=True)


def test_with_a_seed_each_sample_is_a_request_with_its_own() -> None:
    request = CompletionRequest(["a", "b"], {"seed": 7, "max_tokens": 5})
    expanded = sampling.expand(request, 3)
    assert [item.parameters["seed"] for item in expanded] == [7, 8, 9]
    assert all(item.prompt == ["a", "b"] and item.parameters["max_tokens"] == 5 for item in expanded)
    assert request.parameters["seed"] == 7
    assert [item.parameters["seed"] for item in sampling.expand(CompletionRequest("a", {"seed": 0}), 2)] == [0, 1]


@pytest.mark.parametrize(
    ("prompt", "samples", "is_array"),
    [
        ("a", 1, False),
        ([1, 2], 1, False),
        (None, 1, False),
        ("a", 2, True),
        (["a", "b"], 1, True),
        ([[1], [2]], 1, True),
    ],
)
def test_where_arrays_are_streamed_only_arrays_are(prompt: Prompt | None, samples: int, *, is_array: bool) -> None:
    request = CompletionRequest(prompt, {"max_tokens": 5})
    (streamed,) = sampling.expand(request, samples, streams_arrays=True)
    (plain,) = sampling.expand(request, samples)
    assert (streamed, plain.stream) == (replace(plain, stream=is_array), False)


@pytest.mark.parametrize("parameters", [{}, {"seed": 7}])
def test_one_sample_is_the_request_itself(parameters: dict[str, int]) -> None:
    request = CompletionRequest("a", parameters)
    assert sampling.expand(request, 1) == [request]


def test_the_samples_of_a_prompt_stand_together() -> None:
    """Two prompts, three samples: prompt 0 has the choices 0 to 2, prompt 1 has 3 to 5."""
    raw = {"id": "x", "choices": [{"index": 1, "text": "b", "k": 1}, None, {"text": "a"}]}
    chunk = Chunk(raw, (Delta(1, "b", None), Delta(0, "a", "stop")))
    numbered = [sampling.reindex(chunk, sample, 3) for sample in range(3)]
    assert [[delta.index for delta in item.deltas] for item in numbered] == [[3, 0], [4, 1], [5, 2]]
    assert numbered[2].raw == {"id": "x", "choices": [{"index": 5, "text": "b", "k": 1}, {"text": "a", "index": 2}]}
    assert raw["choices"][0] == {"index": 1, "text": "b", "k": 1}
    assert sampling.reindex(chunk, 0, 1) is chunk


@pytest.mark.parametrize("choices", [None, 5, "x", {}, []])
def test_a_chunk_without_choices_can_be_renumbered(choices: object) -> None:
    assert sampling.reindex(Chunk({"choices": choices}, ()), 1, 2).deltas == ()


def test_the_ends_of_all_samples_are_summed_up() -> None:
    first = Finished({0: "stop", 1: "length"}, Usage(1, 2, 3), "r1", latency=1.0, first_token=0.25, attempts=2)
    second = Finished({0: None, 1: "stop"}, Usage(10, 20, 30), "r2", latency=2.0, first_token=0.5, attempts=1)
    merged = sampling.merge([first, second])
    assert merged.finish_reasons == {0: "stop", 2: "length", 1: None, 3: "stop"}
    assert merged.usage == Usage(11, 22, 33)
    assert (merged.latency, merged.first_token, merged.attempts) == (3.0, 0.25, 2)
    assert merged.request_id == "r2"
    assert sampling.merge([first, second, replace(first, request_id="r3")]).request_id == "r3"
    assert sampling.merge([first]) is first


@pytest.mark.parametrize(
    ("usages", "total"),
    [
        ([None, None], None),
        ([Usage(1, 2, 3), None], None),
        ([Usage(1, 2, 3), Usage(1, None, 3)], Usage(2, None, 6)),
        ([Usage(None, None, None)] * 2, Usage(None, None, None)),
    ],
)
def test_a_sum_does_not_tell_what_one_of_its_parts_does_not(usages: list[Usage | None], total: Usage | None) -> None:
    assert sampling.merge([Finished({0: "stop"}, usage) for usage in usages]).usage == total
