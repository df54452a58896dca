"""The echo engine: what its text depends on, and what cuts it."""

import asyncio
import statistics
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from completions_cli.emulator import tokens
from completions_cli.emulator.behaviours.body import CONTEXT_TOKENS
from completions_cli.emulator.call import Call, Delta, Generation
from completions_cli.emulator.engines.echo import EchoEngine

ENGINE = EchoEngine(0)
LONG = 4096
PROMPTS = st.one_of(st.text(), st.lists(st.integers(0, 100_000), min_size=1).map(tuple))
CALLS = st.builds(
    Call,
    prompts=st.lists(PROMPTS, min_size=1, max_size=4).map(tuple),
    model=st.just("m"),
    max_tokens=st.integers(0, 300),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.none() | st.integers(),
    samples=st.integers(1, 3),
    echo=st.booleans(),
    stop=st.lists(st.sampled_from([".", "\n\n", "the", " a", "", "🙂"]), max_size=3).map(tuple),
)


def complete(call: Call) -> list[Generation]:
    return asyncio.run(ENGINE.complete(call))


def stream(call: Call) -> list[Delta]:
    async def collect() -> list[Delta]:
        return [delta async for delta in ENGINE.stream(call)]

    return asyncio.run(collect())


@given(st.text())
def test_tokens_put_together_are_the_text(text: str) -> None:
    assert "".join(tokens.split(text)) == text


@given(st.text(min_size=1))
def test_no_token_is_empty(text: str) -> None:
    assert all(tokens.split(text))


def test_a_token_is_about_four_characters() -> None:
    text = " ".join(generation.text for generation in complete(Call(prompts=("a",) * 20, model="m", max_tokens=200)))
    assert 2.5 < len(text) / tokens.count(text) < 5


@settings(max_examples=40)
@given(CALLS)
def test_the_same_call_is_answered_the_same(call: Call) -> None:
    assert complete(call) == complete(call)


@settings(max_examples=40)
@given(CALLS)
def test_a_stream_says_what_the_whole_says(call: Call) -> None:
    whole, deltas = complete(call), stream(call)
    for generation in whole:
        own = [delta for delta in deltas if delta.index == generation.index]
        assert "".join(delta.text for delta in own) == generation.text
        assert [delta.finish_reason for delta in own if delta.finish_reason] == [generation.finish_reason]
        assert own[-1].finish_reason
        assert sum(delta.tokens for delta in own) == generation.tokens


@settings(max_examples=40)
@given(CALLS)
def test_there_is_a_choice_for_each_prompt_and_sample_in_order(call: Call) -> None:
    assert [generation.index for generation in complete(call)] == list(range(len(call.prompts) * call.samples))


@settings(max_examples=40)
@given(CALLS)
def test_limits_hold(call: Call) -> None:
    for generation in complete(replace(call, echo=False)):
        text = generation.text
        assert generation.tokens <= call.max_tokens
        assert not any(sequence in text for sequence in call.stop if sequence)
        assert generation.finish_reason in ("stop", "length")
        if generation.finish_reason == "length":
            assert generation.tokens == call.max_tokens


@settings(max_examples=40)
@given(CALLS, st.integers(0, 50))
def test_a_smaller_max_tokens_only_cuts(call: Call, smaller: int) -> None:
    free = replace(call, stop=(), max_tokens=300, echo=False)
    cut = stream(replace(free, max_tokens=smaller))
    for index in range(len(free.prompts) * free.samples):
        whole = [delta.text for delta in stream(free) if delta.index == index and delta.tokens]
        assert [delta.text for delta in cut if delta.index == index and delta.tokens] == whole[:smaller]


def test_a_stop_sequence_ends_the_text_just_before_it() -> None:
    free = Call(prompts=("Tell me", "and me"), model="m", max_tokens=LONG)
    for whole, cut in zip(complete(free), complete(replace(free, stop=("e", ". "))), strict=True):
        end = min(at for at in (whole.text.find("e"), whole.text.find(". ")) if at >= 0)
        assert cut.text == whole.text[:end]
        assert cut.finish_reason == "stop"


def test_everything_but_the_limits_changes_the_text() -> None:
    call = Call(prompts=("x",), model="m", max_tokens=50)
    changes = [{"seed": 1}, {"temperature": 0.5}, {"top_p": 0.5}, {"frequency_penalty": 1}, {"presence_penalty": 1}]
    answers = [complete(replace(call, **change))[0].text for change in changes]  # type: ignore[arg-type] # of several types
    answers.append(asyncio.run(EchoEngine(1).complete(call))[0].text)
    assert len({complete(call)[0].text, *answers}) == len(changes) + 2


def test_lengths_are_natural() -> None:
    lengths = [one.tokens for one in complete(Call(prompts=("x",) * 3000, model="m", max_tokens=LONG))]
    assert 50 < statistics.median(lengths) < 70
    assert statistics.mean(lengths) > 1.2 * statistics.median(lengths)
    assert 0.02 < sum(length > 256 for length in lengths) / len(lengths) < 0.1
    assert len(set(lengths)) > 200


def test_the_text_takes_up_words_of_the_prompt_and_more_than_ascii() -> None:
    text = complete(Call(prompts=("Perpendicular",), model="m", max_tokens=LONG))[0].text
    assert "Perpendicular" in text
    everything = "".join(one.text for one in complete(Call(prompts=("x",) * 50, model="m", max_tokens=LONG)))
    assert not everything.isascii()
    assert max(map(ord, everything)) > 0xFFFF


def test_usage_counts_prompts_of_every_form() -> None:
    call = Call(prompts=("three short words", (1, 2, 3, 4)), model="m", max_tokens=1)
    assert asyncio.run(ENGINE.prompt_tokens(call)) == 3 + 4


def test_a_text_beyond_every_context_is_estimated_to_be_so() -> None:
    assert tokens.count("word " * 1_000_000) > CONTEXT_TOKENS
    assert tokens.count("x" * 1_000_001) > CONTEXT_TOKENS
