"""When and how long to wait: every form of the headers, garbage in them, words in messages, the bounds of backoff."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import retry
from completions_cli.api.retry import RetryPolicy

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", None),
        ("1", 1),
        ("120", 120),
        (" 5 ", 5),
        ("1.5", 1.5),
        ("86400", 86400),
        ("8.419273650192837", 8.419),
        ("1e35", 99_999_999),
        ("9" * 35, 99_999_999),
        ("-10", None),
        ("+10", None),
        ("inf", None),
        ("Infinity", None),
        ("nan", None),
        ("1e999", None),
        ("9" * 400, None),
        ("", None),
        (" ", None),
        ("Zun", None),
        ("1_0", None),
        ("0x10", None),
        ("٣", None),
        ("5 seconds", 5),
        ("30s", 30),
        ("1m30s", 90),
        ("250 ms", 0.25),
        ("-5s", None),
        ("5 s of patience", None),
        ("120, 60", None),
        ("Tue, 14 Nov 2023 22:13:25 GMT", 5),
        ("Tuesday, 14-Nov-23 22:13:25 GMT", 5),
        ("Tue Nov 14 22:13:25 2023", 5),
        ("Tue, 14 Nov 2023 22:13:25", 5),
        ("Tue, 14 Nov 2023 22:13:25 -0000", 5),
        ("Tue, 14 Nov 2023 23:13:25 +0100", 5),
        ("Tue, 14 Nov 2023 22:13:00 GMT", None),
        ("Tue, 14 Nov 100000 22:13:25 GMT", None),
        ("Tue, 14 Nov 2023 99:99:99 GMT", None),
        ("Tue, 14 Nov 2023 22:13:25 +99999999", None),
        ("Fri, 29 Sep", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_garbage_is_none(value: str, seconds: float | None) -> None:
    found = retry.retry_after({"retry-after": value}, "", NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_date_is_read_in_gmt_whatever_the_zone_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry.retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:25 -0000"}, "", NOW) == 5
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_date_is_measured_from_the_answers_own_date() -> None:
    """The clock of this machine may be hours off."""
    headers = {"retry-after": "Wed, 01 Jan 2025 00:00:07 GMT", "date": "Wed, 01 Jan 2025 00:00:00 GMT"}
    assert retry.retry_after(headers, "", NOW) == 7
    assert retry.retry_after({**headers, "date": "garbage"}, "", NOW) == 35689607


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "0"}, None),
        ({"retry-after-ms": "100", "x-ms-retry-after-ms": "200", "retry-after": "3"}, 0.1),
        ({"x-ms-retry-after-ms": "200", "retry-after": "3"}, 0.2),
        ({"retry-after-ms": "nonsense", "x-ms-retry-after-ms": "-1", "retry-after": "3"}, 3),
        ({"retry-after-ms": "", "retry-after": ""}, None),
        ({}, None),
    ],
)
def test_the_most_precise_header_wins(headers: dict[str, str], seconds: float | None) -> None:
    assert retry.retry_after(headers, "", NOW) == seconds


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit is exceeded. Try again in 2 seconds.", 2),
        (
            "… exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds. …",
            86400,
        ),
        ("Please retry after 1 second.", 1),
        ("RETRY AFTER 5 SECONDS", 5),
        ("Please try again in 20s.", 20),
        ("Please try again in 1.242s. Visit …", 1.242),
        ("Please try again in 86ms.", 0.086),
        ("try again in 500 milliseconds", 0.5),
        ("Please try again in 6m0s.", 360),
        ("Please try again in 1h2m3s.", 3723),
        ("Try again in 5 minutes.", 300),
        ("Try again in 1 hour", 3600),
        ("retry in 3 sec", 3),
        ("Try again in 99999999999 seconds", 99_999_999),
        ("Try again in 2 months", None),
        ("Try again in 2", None),
        ("Try again in seconds", None),
        ("If you created the deployment within the last 5 minutes, please wait a moment and try again.", None),
        ("retry after -5 seconds", None),
        ("You have 30 seconds", None),
        ("", None),
    ],
)
def test_words_in_the_message_are_read_where_no_header_says(message: str, seconds: float | None) -> None:
    found = retry.retry_after({}, message, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))
    assert retry.retry_after({"retry-after": "7"}, message, NOW) == 7
    assert retry.retry_after({"retry-after": "Zun"}, message, NOW) == found


TOKENS = [
    "Fri,",
    "29",
    "Sep",
    "2023",
    "16:26:57",
    "GMT",
    "+99999",
    "-0000",
    "100000",
    ":",
    "-",
    "1e5",
    "29-Sep-23",
    "ms",
]


@given(
    st.text(max_size=20)
    | st.lists(st.sampled_from(TOKENS), max_size=8).map(" ".join)
    | st.lists(st.sampled_from(TOKENS), max_size=8).map("".join)
)
def test_any_value_is_a_wait_or_none(value: str) -> None:
    headers = {"retry-after": value, "date": value, "retry-after-ms": value}
    found = retry.retry_after(headers, f"again in {value}", NOW)
    assert found is None or 0 <= found < math.inf


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])
def test_what_may_be_different_next_time_is_retried(status: int) -> None:
    assert retry.is_retryable(status, {})


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 405, 407, 409, 410, 413, 422, 424, 431, 501, 505, 519, 525, 526, 530, 200, 307]
)
def test_nothing_else_is_retried(status: int) -> None:
    assert not retry.is_retryable(status, {})
    assert not retry.is_retryable(status, {"retry-after": "1"})


@pytest.mark.parametrize(
    ("model_status", "retryable"),
    [("408", True), ("429", True), ("500", True), ("502", True), ("503", True), ("504", True), ("524", True)]
    + [(word, False) for word in ("400", "401", "404", "422", "501", "", "abc", "-429", "4290", "٤٢٩", "9" * 5000)],
)
def test_a_424_is_retried_as_its_models_status_says(model_status: str, *, retryable: bool) -> None:
    assert retry.is_retryable(424, {"ms-azureml-model-error-statuscode": model_status}) is retryable


def test_only_a_424_is_judged_by_its_models_status() -> None:
    assert not retry.is_retryable(400, {"ms-azureml-model-error-statuscode": "429"})
    assert retry.is_retryable(503, {"ms-azureml-model-error-statuscode": "400"})


def test_backoff_doubles_up_to_its_cap() -> None:
    policy = RetryPolicy(base=0.5, cap=8)
    assert [policy.backoff(attempt, 1.0) for attempt in range(7)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert [policy.backoff(attempt, 0.0) for attempt in range(7)] == [0] * 7
    assert policy.backoff(3, 0.25) == 1


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True), st.floats(0, 60), st.floats(0, 600))
def test_backoff_stays_between_nothing_and_its_cap(attempt: int, random: float, base: float, cap: float) -> None:
    assert 0 <= RetryPolicy(base=base, cap=cap).backoff(attempt, random) <= cap
