"""What an answer cost and how it ended, for people and for programs."""

import pytest

from completions_cli.models import Finished, Usage
from completions_cli.render import usage

FULL = Finished({0: "stop"}, Usage(5, 16, 21), "r-1", latency=2.0, first_token=0.25, attempts=2)


def test_programs_get_one_line_of_keys_and_values() -> None:
    assert usage.line(FULL) == (
        "prompt_tokens=5 completion_tokens=16 total_tokens=21 finish_reason=stop latency=2.000 tokens_per_second=8.0 "
        "first_token=0.250 attempts=2 request_id=r-1"
    )
    assert usage.line(Finished({0: "stop"}, None)) == "finish_reason=stop latency=0.000"


def test_people_get_a_sentence() -> None:
    assert usage.sentence(FULL) == "5 + 16 tokens · stop · 2.000 s · 8.0 tokens/s · first after 0.250 s · 2 attempts"
    assert usage.sentence(Finished({0: "stop"}, Usage(None, None, 21), latency=1.0)) == "21 tokens · stop · 1.000 s"
    assert usage.sentence(Finished({0: None}, Usage(5, None, None), latency=1.0)) == "unknown · 1.000 s"


@pytest.mark.parametrize(
    ("counted", "latency", "rate"),
    [
        (Usage(5, 16, 21), 2.0, "8.0"),
        (Usage(5, 0, 5), 2.0, None),
        (Usage(5, None, 5), 2.0, None),
        (Usage(5, 16, 21), 0.0, None),
        (None, 2.0, None),
    ],
)
def test_tokens_per_second_are_told_where_they_can_be(counted: Usage | None, latency: float, rate: str | None) -> None:
    assert usage.facts(Finished({0: "stop"}, counted, latency=latency)).get("tokens_per_second") == rate


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ({0: "stop"}, "stop"),
        ({1: "length", 0: "stop"}, "stop,length"),
        ({0: "stop", 1: "stop"}, "stop"),
        ({0: None, 1: "stop"}, "unknown,stop"),
        ({0: ""}, "unknown"),
        ({0: " \n"}, "unknown"),
        ({}, "unknown"),
        ({0: "stop\nerror: forged key=value"}, "stop_error:_forged_key=value"),
    ],
)
def test_finish_reasons_are_told_once_each_in_the_order_of_the_choices(
    reasons: dict[int, str | None], told: str
) -> None:
    assert usage.facts(Finished(reasons, None))["finish_reason"] == told
    assert "\n" not in usage.line(Finished(reasons, None, request_id="a b\nc"))
    assert "\n" not in usage.sentence(Finished(reasons, None))


def test_reasons_that_matter_have_a_note() -> None:
    assert usage.notes(Finished({0: "stop", 1: "odd"}, None)) == []
    (length,) = usage.notes(Finished({0: "length", 1: "length"}, None))
    assert "-M" in length
    assert len(usage.notes(Finished({0: "length", 1: "content_filter"}, None))) == 2
