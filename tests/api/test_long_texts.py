"""Texts that a server makes long to keep the search for secrets busy: searched in bounded time, or hidden whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli import limits
from completions_cli.api.answer_mask import AnswerMask
from completions_cli.api.headers import MASK
from completions_cli.api.masking import Mask
from completions_cli.api.views import readings, views
from tests.spellings import SPELLINGS

KEY = "Zx7Qp2Lm9Vt4Rk8Nw3By6Hd1Js5Fg0Cu"
NEAR = f"{KEY[:-1]}C "
PROSE = 'A line of "prose", 100% innocent: C:\\temp\\x, &lt;b&gt;, é, 模型 and \\u0041.\n'
ESCAPES = [
    "%41",
    "\\u0041",
    "\\n",
    "\\\\",
    "&amp;",
    "&#65;",
    "=3D",
    "\\x5c",
    "%255c41",
    "\u200b",
    "\uff21",
    "\U000e0041",
]


@given(st.lists(st.one_of(st.sampled_from([*ESCAPES, KEY, KEY[:7]]), st.text(max_size=5)), max_size=12))
def test_the_quick_search_reads_what_the_exact_one_reads(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert list(readings(text)) == [view.text for view in views(text)]


def test_a_long_honest_field_is_passed_on() -> None:
    answer = {"prompt": PROSE * 8000, "__verbose": json.dumps([PROSE] * 2000)}
    assert len(answer["prompt"]) > 2 * limits.SEARCHED_CHARACTERS
    assert AnswerMask(Mask([KEY])).fields(answer) is answer


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_in_a_long_text_hides_all_of_it(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEARCHED_CHARACTERS", 1000)
    text = PROSE * (limits.SEARCHED_CHARACTERS // len(PROSE)) + SPELLINGS[spelling](KEY) + PROSE
    mask = Mask([KEY])
    assert mask.text(text) == mask.word(text) == MASK
    assert AnswerMask(mask).fields({"id": text}) == {"id": MASK}


@pytest.mark.parametrize(
    "text",
    [NEAR * 20_000, f"{KEY[:7]} " * 120_000, "\\" * 600_000, "".join(f"{c}." for c in KEY[:7]) * 120_000],
    ids=["almost the key", "seven characters of it", "escapes alone", "seven characters with gaps"],
)
def test_a_long_text_that_is_hard_to_search_is_hidden(text: str) -> None:
    assert Mask([KEY]).text(text) == MASK


@pytest.mark.parametrize("key", ["ab" * 150, "abcd" * 75, "ab12" * 1000])
def test_so_is_one_that_is_almost_a_key_that_repeats_itself(key: str) -> None:
    assert Mask([key]).text(f"{key[:7]}~" * 30_000) == MASK


def test_an_answer_of_many_secrets_is_hidden_from_some_point_on() -> None:
    words: list[str] = AnswerMask(Mask([KEY])).fields([f"{KEY} {n:06}" for n in range(15_000)])
    assert words[0] == f"{MASK} 000000"
    assert words[-1] == MASK
    assert not any(KEY[:8] in word for word in words)


def test_a_field_beyond_the_bound_takes_no_other_with_it() -> None:
    answers = AnswerMask(Mask([KEY]))
    long = "y" * limits.FIELD_CHARACTERS + "y"
    assert answers.fields({"id": long, "model": "m", "x": KEY}) == {"id": MASK, "model": "m", "x": MASK}


def test_the_next_answer_is_searched_as_thoroughly() -> None:
    answers = AnswerMask(Mask([KEY]))
    long = {"id": "y" * limits.FIELD_CHARACTERS + "y"}
    assert answers.fields(long) == {"id": MASK}
    clean = {"id": "y" * 1000}
    assert answers.fields(clean) is clean
