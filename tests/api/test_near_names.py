"""Slips are recognised; parameters that servers have are no slips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.near_names import nearest
from completions_cli.api.parameters import DOCUMENTED

_LONG = sorted(name for name in DOCUMENTED if len(name) > 5)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("max_token", "max_tokens"),
        ("maxtokens", "max_tokens"),
        ("maxTokens", "max_tokens"),
        ("max-tokens", "max_tokens"),
        ("MAX_TOKENS", "max_tokens"),
        ("max_tokesn", "max_tokens"),
        ("mxa_tokens", "max_tokens"),
        ("temprature", "temperature"),
        ("temperture", "temperature"),
        ("tempertaure", "temperature"),
        ("topP", "top_p"),
        ("top-p", "top_p"),
        ("topp", "top_p"),
        ("otp_p", "top_p"),
        ("frequency_penality", "frequency_penalty"),
        ("frequence_penalty", "frequency_penalty"),
        ("presense_penalty", "presence_penalty"),
        ("promt", "prompt"),
        ("prompts", "prompt"),
        ("Prompt", "prompt"),
        ("sead", "seed"),
        ("seeds", "seed"),
        ("stops", "stop"),
        ("steam", "stream"),
        ("modle", "model"),
    ],
)
def test_a_slip_is_recognised(typed: str, meant: str) -> None:
    assert nearest(typed) == meant


_OF_SERVERS = """
    top_k min_tokens min_p top_a top_n_tokens n best_of logprobs prompt_logprobs echo suffix user logit_bias
    repetition_penalty repeat_penalty length_penalty typical_p tfs_z mirostat max_new_tokens max_completion_tokens
    max_time max_length stop_token_ids stop_sequences include_stop_str_in_output ignore_eos use_beam_search
    guided_json guided_regex guided_choice grammar response_format stream_options seed_offset n_predict num_predict
    cache_prompt samplers dynatemp_range min_keep truncate watermark details tools images format keep_alive raw
    temperature_last penalty_alpha no_repeat_ngram_size bad_words priority service_tier store metadata
"""


@pytest.mark.parametrize("name", _OF_SERVERS.split())
def test_what_servers_have_is_no_slip(name: str) -> None:
    assert nearest(name) is None


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_a_name_of_ours_is_right(name: str) -> None:
    assert nearest(name) is None


@given(st.sampled_from(_LONG), st.data())
def test_two_letters_swapped_or_one_left_out_of_a_long_part_are_a_slip(name: str, data: st.DataObject) -> None:
    part = max(name.split("_"), key=len)
    at = data.draw(st.integers(0, len(part) - 2))
    swapped = part[:at] + part[at + 1] + part[at] + part[at + 2 :]
    lacking = part[:at] + part[at + 1 :]
    for wrong in (swapped, lacking):
        assert nearest(name.replace(part, wrong)) in (None if wrong == part else name, name)
