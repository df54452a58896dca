"""A text that quotes a secret back is shown without it, however the secret is spelled, and wherever it was cut."""

import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.answer_mask import AnswerMask
from completions_cli.api.headers import MASK
from completions_cli.api.masking import Mask
from completions_cli.errors import MalformedResponseError, NetworkError, ServiceError
from completions_cli.models import Chunk, Delta, Json, Usage
from tests.spellings import SPELLINGS

SECRET = "sk-12345678"
QUOTED = f"you sent {SECRET}."
SHOWN = "you sent ****."
KEYS = {
    "letters and digits": "aB3xY9zQw7e5Rt2Uu1Ii8Oo4pP0kLmN6",
    "hexadecimal": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "with signs": 'sk-proj_aB3/xY9+zQ\\w"e5Rt7&Uu1%41Ii=Oo.pP0~kLmN',
    "with what looks like escapes": "a\\nb%20c&amp;d\\x41e\\u0041f=3Dg",
    "signs alone": "!@#$%^&*()_+{}|:<>?~`-=[];',./",
    "words": "correct-horse-battery-staple",
}
GAPS = (" ", "\t", "\n", "-", "  ", *map(chr, (0xA0, 0xAD, 0x34F, 0x180E, 0x200B, 0x2060, 0xFEFF)))
INNOCENT = (
    "no such route: https://contoso.openai.azure.com/openai/v1/completions?api-version=2024-04-01-preview%20x",
    'max_tokens must be an integer (body.max_tokens) {"code":"BadRequest","n":1.0e9} \\n \\" &amp; 100%',
    "07825db9-f4c3-4fbe-86b8-0b1c7b000000",
    "Das Modell „llama3:8b\N{RIGHT DOUBLE QUOTATION MARK} fehlt \N{EM DASH} 模型不存在",
)


def visible_run(text: str, key: str, length: int = 8) -> str:
    """Return a run of so many characters of a key that a text holds, whatever the case; "" when there is none."""
    lowered, key = text.lower(), key.lower()
    runs = (key[at : at + length] for at in range(len(key) - length + 1))
    return next((run for run in runs if run in lowered), "")


def spelled_run(text: str, key: str, spelled: str) -> str:
    """Return what a text shows of a spelled key, beyond what may stand around it and seven characters."""
    return visible_run(text, spelled, 8 * len(spelled) // len(key) + 10)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_masked_in_every_spelling(spelling: str, kind: str) -> None:
    key = KEYS[kind]
    if spelling == "dashes between" and not any(map(str.isalnum, key)):
        pytest.skip("dashes are then part of the key")
    spelled = SPELLINGS[spelling](key)
    shown = Mask([key]).text(f"before {spelled} after")
    assert shown.startswith("before ")
    assert MASK in shown
    assert not visible_run(shown, key)
    assert not spelled_run(shown, key, spelled.removeprefix("https://x.example/?api-key="))


@pytest.mark.parametrize(
    "spelling", ["as it is", "percent-encoded whole", "JSON", "repr of JSON", "base64", "hexadecimal"]
)
@pytest.mark.parametrize("kind", KEYS)
def test_no_piece_of_a_secret_that_was_cut_anywhere_is_shown(kind: str, spelling: str) -> None:
    key = KEYS[kind]
    mask, spelled = Mask([key]), SPELLINGS[spelling](key)
    for cut in range(len(spelled) + 1):
        for piece in (spelled[:cut], spelled[cut:]):
            shown = mask.text(f"{piece}\N{HORIZONTAL ELLIPSIS}")
            assert not visible_run(shown, key)
            assert not spelled_run(shown, key, spelled)


@given(st.text(string.printable[:94], min_size=8, max_size=90), st.data())
def test_no_run_of_any_secret_is_shown(key: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(key)))
    end = data.draw(st.integers(begin, len(key)))
    around = data.draw(st.text(max_size=20))
    assert not visible_run(Mask([key]).text(around + key[begin:end] + around), key)


@given(
    st.sampled_from(["qwmzrtplkvbnhgfdscxjyaeu", "7f3QwMzRtPlKvBnHgFdScXjYaEu9Kd2mW4x", *KEYS.values()]),
    st.lists(st.tuples(st.integers(1, 50), st.sampled_from(GAPS)), max_size=4),
    st.integers(0, 10),
)
def test_gaps_in_a_secret_do_not_show_what_lies_between_them(
    key: str, gaps: list[tuple[int, str]], before: int
) -> None:
    cut = key[before:]
    for at, gap in gaps:
        cut = cut[:at] + gap + cut[at:]
    mask = Mask([key])
    assert not visible_run(mask.text(f"key {cut}!"), key)
    assert not visible_run(mask.word(cut), key)


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_words_stay(text: str) -> None:
    mask = Mask([*KEYS.values(), "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"])
    assert mask.text(text) == mask.word(text) == text


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    mask = Mask(["sk-1234", "dog", "", "pass"])
    assert mask.text("sk-1234 or SK-1234: no sk-12345 for a dog, Pass by passwords") == (
        "**** or ****: no sk-12345 for a dog, **** by passwords"
    )


def test_words_of_a_secret_are_no_secret_in_a_sentence() -> None:
    mask = Mask(["the-client-secret-of-7", "clientsecret"])
    assert mask.text("no client secret of yours: the-client-secret") == "no client secret of yours: ****"


def test_what_is_no_credential_is_masked_as_a_whole_only() -> None:
    mask = Mask()
    mask.add_header("x-team", "completions-research")
    mask.add_header("x-key", "completions-secret")
    assert mask.text("completions-research has completions") == "**** has ****"
    other = Mask()
    other.add_header("x-team", "completions-research")
    assert other.text("completions-research has completions") == "**** has completions"


def test_the_name_of_a_scheme_is_no_secret() -> None:
    mask = Mask()
    mask.add_header("authorization", "Bearer canary-0123456789")
    mask.add_header("proxy-authorization", "Basic Y2FuYXJ5OnBhc3N3b3Jk")
    assert mask.text("Bearer canary-0123456789, Basic Y2FuYXJ5OnBhc3N3b3Jk") == "Bearer ****, Basic ****"


def test_a_word_is_masked_like_a_text() -> None:
    mask = Mask([SECRET])
    assert [mask.word(word) for word in (None, "r-1", SECRET, SECRET.upper(), f"id-{SECRET}")] == [
        None,
        "r-1",
        MASK,
        MASK,
        f"id-{MASK}",
    ]


def test_a_services_words_are_masked_in_every_part() -> None:
    parts = dict.fromkeys(("hint", "code", "param", "request_id", "detail"), QUOTED)
    error = ServiceError(QUOTED, status=401, loc=("body", QUOTED), retry_after=1.5, **parts)  # type: ignore[arg-type] # texts
    assert Mask([SECRET]).error(error) is error
    assert {getattr(error, name) for name in ("message", *parts)} == {str(error)} == {SHOWN}
    assert (error.loc, error.status, error.retry_after) == (("body", SHOWN), 401, 1.5)
    assert SECRET not in repr(error)


@pytest.mark.parametrize("parts", [list, lambda key: [str(ord(c)) for c in key], lambda key: [key[:7], key[7:14]]])
def test_a_secret_in_pieces_of_a_place_is_masked(parts: Callable[[str], list[str]]) -> None:
    key = KEYS["letters and digits"]
    loc = ("body", "x", "y", *parts(key))
    error = Mask([key]).error(ServiceError("m", status=422, loc=loc))
    assert not set(loc[3:]) & set(error.loc)
    assert MASK in ".".join(error.loc)
    short = Mask([key]).error(ServiceError("m", status=422, loc=("body", *parts(key))))
    assert not set(parts(key)) & set(short.loc)
    innocent = ("body", "prompt", "0", "text")
    assert Mask([key]).error(ServiceError("m", status=422, loc=innocent)).loc == innocent


@pytest.mark.parametrize(
    "number", [int, float, lambda key: -int(key), lambda key: int(f"1{key}0"), lambda key: int(key) / 1e9]
)
def test_a_key_of_digits_is_no_number_of_an_answer(number: Callable[[str], float]) -> None:
    key = "8391746250193847562018"
    found = number(key)
    usage: dict[str, Any] = {"prompt_tokens": 1_000_000, "x": [found, 1.5, 0.1234567890123456, 1_700_000_000, True]}
    answer = {"created": found, "usage": usage, "choices": [{"text": "t", "logprobs": {"token_logprobs": [found]}}]}
    masked = {**answer, "created": None, "usage": {**usage, "x": [None, *usage["x"][1:]]}}
    mask = Mask()
    answers = AnswerMask(mask)
    assert answers.answer(answer) is answer
    mask.add(key)
    assert answers.answer(answer) == masked
    assert answers.usage(Usage(int(key), 1, None)) == Usage(None, 1, None)
    assert answers.fields({"created": 10**5000}) == {"created": None}
    clean = {"created": 1_700_000_000_123, "n": [0.3]}
    assert answers.fields(clean) is clean


@pytest.mark.parametrize(
    "key",
    ["proj-8419273650192837", "a8419273650192837", "0x8419273650192837f", "8419-2736-5019-2837", "8419 2736 5019 2837"],
)
def test_nor_are_the_digits_of_a_key_that_has_other_characters(key: str) -> None:
    answers = AnswerMask(Mask([key]))
    found = {"created": 8419273650192837, "n": [0.8419273650192837, 841927365019], "short": 84192736501}
    assert answers.fields(found) == {"created": None, "n": [None, None], "short": 84192736501}
    assert answers.usage(Usage(8419273650192837, 1, None)) == Usage(None, 1, None)


def test_digits_apart_in_a_key_are_no_number() -> None:
    clean = {"created": 1234567890123456}
    assert AnswerMask(Mask(["1a2b3c4d5e6f7g8h9i0j1k2l3m4n5o6p"])).fields(clean) is clean


def test_neither_a_hint_nor_a_parameter_holds_the_first_piece_of_a_place() -> None:
    key = KEYS["letters and digits"]
    error = ServiceError("m", status=422, loc=("body", *key), param=key[0], hint=f"Change or leave out {key[0]}; now.")
    Mask([key]).error(error)
    assert (error.param, error.hint, error.loc) == (MASK, f"Change or leave out {MASK}; now.", (f"body.{MASK}",))
    usual = ServiceError("n is 0", status=422, loc=("body", "n"), param="n", hint="Change or leave out n; now.")
    Mask([key]).error(usual)
    assert (usual.param, usual.hint, usual.loc) == ("n", "Change or leave out n; now.", ("body", "n"))


@pytest.mark.parametrize("name", ["code", "body_code", "param"])
def test_a_secret_in_pieces_of_an_error_is_masked(name: str) -> None:
    key = KEYS["letters and digits"]
    for one, other in ((key[:7], key[7:14]), (key[7:14], key[:7])):
        error = ServiceError(one, status=400)
        setattr(error, name, other)
        Mask([key]).error(error)
        assert (error.message, getattr(error, name)) == (one, MASK)


def test_what_is_absent_stays_so() -> None:
    mask = Mask([SECRET])
    assert mask.error(NetworkError("reset by peer")).hint == NetworkError("reset by peer").hint
    error = mask.error(ServiceError("m", status=500))
    assert (error.code, error.param, error.request_id, error.detail, error.loc) == (None, None, None, None, ())


@given(st.lists(st.sampled_from([*"abz059 _-./:%\\=&x0", SECRET[:5], SECRET[3:], "%41", "0x41", "=41"]), max_size=12))
def test_a_word_is_searched_as_thoroughly_as_a_text(pieces: list[str]) -> None:
    mask = Mask([SECRET, KEYS["words"]])
    assert mask.word("".join(pieces)) == mask.text("".join(pieces))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_word_is_masked_in_every_spelling(spelling: str) -> None:
    for key in KEYS.values():
        spelled = SPELLINGS[spelling](key)
        assert Mask([key]).word(spelled) == Mask([key]).text(spelled)


def test_an_answer_is_masked_but_for_what_the_model_wrote() -> None:
    key = KEYS["letters and digits"]
    mask = Mask()
    answers = AnswerMask(mask)
    clean = {"id": "x", "choices": [{"text": key, "logprobs": {"tokens": [key]}}]}
    assert answers.answer(clean) is clean
    tainted = {**clean, "model": key, key: [{"x": [key]}], "n": 1}
    assert answers.answer(tainted) is tainted
    mask.add(key)
    assert answers.answer(clean) is clean
    assert answers.answer(tainted) == {**clean, "model": MASK, MASK: [{"x": [MASK]}], "n": 1}
    chunk = answers.chunk(Chunk({"choices": [{"text": "", "finish_reason": key}]}, (Delta(0, "", key),)))
    assert (chunk.raw["choices"][0]["finish_reason"], chunk.deltas[0].finish_reason) == (MASK, MASK)


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "token", "ApiKey", "SharedAccessSignature", "Negotiate"])
def test_nor_is_that_of_any_known_scheme(scheme: str) -> None:
    mask = Mask()
    mask.add_header("authorization", f"{scheme} {SECRET}")
    assert mask.text(f"no {scheme} {SECRET}") == f"no {scheme} {MASK}"


def test_a_short_word_behind_an_unknown_scheme_is_hidden() -> None:
    mask = Mask()
    mask.add_header("authorization", "MyScheme nuawta")
    assert "nuawta" not in mask.text("bad nuawta, MyScheme nuawta")


def test_a_first_word_that_names_no_scheme_is_a_part_of_the_secret() -> None:
    mask = Mask()
    mask.add_header("x-api-key", "AbcdefghijklmnopqrstUVWX foo1")
    assert mask.text("no key AbcdefghijklmnopqrstUVWX") == f"no key {MASK}"
    assert mask.text("no key AbcdefghijklmnopqrstUVWX foo1") == f"no key {MASK}"


# The names of what the model writes, where it does not write.
ELSEWHERE = ["text", "logprobs", "prompt_logprobs", "tokens", "completion_probabilities"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_field_with_the_name_of_the_models_words_is_masked_elsewhere(name: str) -> None:
    key, digits = KEYS["letters and digits"], 8391746250193847
    answers = AnswerMask(Mask([key, str(digits)]))
    tainted, masked = {name: [{"x": key, "n": digits}]}, {name: [{"x": MASK, "n": None}]}
    for mask in (answers.answer, answers.fields):
        assert mask({"usage": tainted}) == {"usage": masked}
        assert mask({"data": [{"id": "m", **tainted}]}) == {"data": [{"id": "m", **masked}]}
        assert mask(tainted) == masked
    assert answers.answer({"choices": [{"x": tainted}]}) == {"choices": [{"x": masked}]}
    assert answers.document({"x": tainted}) == {"x": masked}


def test_the_document_of_a_servers_own_route_keeps_the_models_tokens() -> None:
    key = KEYS["letters and digits"]
    found = {"tokens": [{"piece": key}], "completion_probabilities": [{"token": key}]}
    assert AnswerMask(Mask([key])).document(found) is found


def test_an_answer_that_is_too_deep_or_too_long_to_be_searched_is_not_shown() -> None:
    deep: Json = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(MalformedResponseError, match="nested too deeply"):
        AnswerMask(Mask()).fields({"x": deep})
    assert AnswerMask(Mask()).fields({"x": "y" * 2**24 + "z"}) == {"x": MASK}
