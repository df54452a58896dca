"""Error bodies of every back end: which error they are, in which words, at which place, and what to do next."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import error_map
from completions_cli.api.hints import HintContext, hint
from completions_cli.errors import (
    AuthError,
    ContentFilterError,
    NotFoundError,
    RateLimitError,
    RejectedError,
    ServerError,
    ServiceError,
)
from tests.api.error_bodies import DIALECTS, HELP, REFERENCE, Row


@pytest.mark.parametrize("row", [*REFERENCE.values(), *DIALECTS.values()], ids=[*REFERENCE, *DIALECTS])
def test_every_dialect_becomes_one_error(row: Row) -> None:
    error = error_map.from_response(row.status, row.headers, row.body.encode(), 0.0)
    assert type(error) is row.kind
    assert error.status == row.status
    assert error.message == row.message
    assert error.code == row.code
    assert error.loc == row.loc
    assert error.retryable is row.retryable
    assert error.retry_after == row.retry_after
    assert row.hint in hint(error, row.context)
    assert error.param == row.param


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        (400, 6), (401, 4), (402, 4), (403, 4), (404, 5), (405, 5), (407, 10), (408, 11), (409, 6), (410, 5), (413, 6), (418, 6),
        (422, 6), (424, 5), (429, 8), (431, 6), (500, 9), (501, 9), (502, 9), (503, 9), (504, 9), (599, 9), (101, 6),
        (304, 6),
    ],
)  # fmt: skip
def test_the_status_decides_the_exit_code(status: int, exit_code: int) -> None:
    error = error_map.from_response(status, {}, b"", 0.0)
    assert int(error.exit_code) == exit_code
    assert error.message


@pytest.mark.parametrize(
    ("model_status", "exit_code"),
    [(408, 11), (429, 8), (500, 9), (503, 9), (524, 9), (529, 9), (400, 5), (401, 5), (404, 5), (422, 5), (501, 5)],
)
def test_a_424_ends_as_the_status_of_its_model_where_that_may_pass(model_status: int, exit_code: int) -> None:
    headers = {"ms-azureml-model-error-statuscode": str(model_status)}
    error = error_map.from_response(424, headers, b'{"detail":"m"}', 0.0)
    assert (int(error.exit_code), error.status, error.model_status) == (exit_code, 424, model_status)


@pytest.mark.parametrize("status", [401, 404, 408, 429, 500, 503])
def test_words_about_content_do_not_hide_what_the_status_says(status: int) -> None:
    body = b'{"error":{"code":"content_filter","message":"the content safety service is busy"}}'
    assert not isinstance(error_map.from_response(status, {}, body, 0.0), ContentFilterError)


@pytest.mark.parametrize("status", [400, 403, 422, 424])
def test_a_filter_may_refuse_with_any_of_these(status: int) -> None:
    body = b'{"error":{"code":"content_filter","message":"m"}}'
    assert isinstance(error_map.from_response(status, {}, body, 0.0), ContentFilterError)


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (406, "Not Acceptable"),
        (415, "Unsupported Media Type"),
        (451, "Unavailable For Legal Reasons"),
        (599, "the server"),
    ],
)
def test_a_status_without_a_word_is_named(status: int, phrase: str) -> None:
    assert error_map.from_response(status, {}, b"", 0.0).message.startswith(phrase)


def test_the_header_names_the_code_before_the_body_does() -> None:
    body = b'{"error":{"code":"400","message":"m"}}'
    assert (
        error_map.from_response(400, {"x-ms-error-code": "missing_api_version"}, body, 0.0).code
        == "missing_api_version"
    )
    assert error_map.from_response(400, {"x-ms-error-code": ""}, body, 0.0).code == "400"


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"x-request-id": "a", "apim-request-id": "b", "x-ms-client-request-id": "c"}, "a"),
        ({"apim-request-id": "b", "x-ms-client-request-id": "c"}, "b"),
        ({"x-ms-request-id": "d", "x-ms-client-request-id": "c"}, "d"),
        ({"x-request-id": "", "x-ms-client-request-id": "c"}, "c"),
        ({}, None),
    ],
)
def test_the_request_id_is_the_services_own_where_there_is_one(headers: dict[str, str], request_id: str | None) -> None:
    assert error_map.from_response(400, headers, b"", 0.0).request_id == request_id


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"message":"m"}\n' + HELP, HELP.strip()),
        ('{"message":"m"}', None),
        ("upstream request timeout\n" + HELP, HELP.strip()),
        (HELP, HELP.strip()),
        ("one line", None),
        ("", None),
    ],
)
def test_what_follows_is_kept_for_the_curious(body: str, detail: str | None) -> None:
    assert error_map.from_response(400, {}, body.encode(), 0.0).detail == detail


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "Bad Request"),
        ("[]", "Bad Request"),
        ("null", "Bad Request"),
        ('""', "Bad Request"),
        ("---\n***\n", "Bad Request"),
        ('{"error":null,"message":"","detail":[]}', "Bad Request"),
        ('{"error":{"reason":"unknown field"}}', "unknown field"),
        ('{"error":{"retries":3}}', '{"error": {"retries": 3}}'),
        ('{"message":"<|endoftext|> is not allowed"}', "<|endoftext|> is not allowed"),
        ('"just a string"', "just a string"),
        ('[{"error":{"message":"in a list"}}]', "in a list"),
        ('["a","b"]', "a; b"),
        ('{"error":{"message":"first\\nsecond\\r\\nthird"}}', "first"),
        ('{"error":{"message":"\\n\\n  second "}}', "second"),
        ('{"message":"<b>bold</b> claim"}', "bold"),
        ('{"detail":{"loc":"temperature","value":3}}', "temperature: given 3"),
        ('{"message":"bad\nworse","detail":{"loc":["body","n"],"value":3}}'.replace("\n", "\\n"), "bad (n: given 3)"),
        ('{"detail":{"msg":"no place"}}', "no place"),
        ('{"error":{"message":"m","detail":{"loc":["body","n"],"msg":"inside"}}}', "m (n: inside)"),
        ('{"details":[{"msg":"outside"}]}', "outside"),
        ('{"detail":{"loc":["body","n"],"value":null}}', "n"),
        ('{"detail":[{"loc":["body","n"],"message":"m"}]}', "n: m"),
        ('{"title":"One or more validation errors occurred."}', "One or more validation errors occurred."),
        ('{"error":true}', "Bad Request"),
        ('{\n  "error": {\n    "message": "cut o', '{ "error": { "message": "cut o'),
        ("{not json}", "{not json}"),
        ('\ufeff{"message":"after a BOM"}', "after a BOM"),
        ("\n\n  plain text \nmore", "plain text"),
        ("a\u2028b", "a"),
        ("<?xml version='1.0'?><Error><Code>Busy</Code></Error>", "Busy"),
        ("<style>p {a: b}</style><SCRIPT>if (1 < 2) x()</SCRIPT><p>Shown<p>not", "Shown"),
        ("<script>never closed <p>x", "Bad Request"),
        ("<<<>>>", "Bad Request"),
        ("<p>1 > 0</p>", "1 > 0"),
    ],
)  # fmt: skip
def test_the_message_is_one_sensible_line(body: str, message: str) -> None:
    assert error_map.from_response(400, {}, body.encode(), 0.0).message == message


def test_a_date_to_wait_for_counts_from_the_answers_own_or_from_now() -> None:
    headers = {"retry-after": "Tue, 14 Nov 2023 22:13:25 GMT"}
    assert error_map.from_response(429, headers, b"", 1_700_000_000.0).retry_after == 5
    headers["date"] = "Tue, 14 Nov 2023 22:13:24 GMT"
    assert error_map.from_response(429, headers, b"", 0.0).retry_after == 1


def test_a_long_message_is_cut() -> None:
    for body in ("x" * 5000, json.dumps({"message": "x" * 5000}), json.dumps({"error": ["x" * 5000]})):
        assert error_map.from_response(400, {}, body.encode(), 0.0).message == "x" * 600 + "…"


def test_json_in_strings_is_followed_only_so_deep() -> None:
    bodies: list[dict[str, str]] = [{"message": "the bottom"}]
    for _ in range(8):
        bodies.append({"message": json.dumps(bodies[-1])})
    messages = [error_map.from_response(400, {}, json.dumps(body).encode(), 0.0).message for body in bodies]
    assert messages[:4] == ["the bottom"] * 4
    assert all(message.startswith('{"message"') for message in messages[4:])


@pytest.mark.parametrize("template", ["%s", '{"error":%s}', '{"detail":{"loc":["a"],"value":%s}}', '{"message":%s}'])
def test_deep_nesting_is_no_bug(template: str) -> None:
    """What can just be read may be too deep to be written again."""
    for depth in (*range(800, 1000), 100_000):
        body = template % ("[" * depth + "]" * depth)
        assert error_map.from_response(400, {}, body.encode(), 0.0).message


@pytest.mark.parametrize("piece", ["<", "<script", "<script>", "</", "<a>", "{", "[", '{"message":', "\n", " ", "&"])
def test_a_megabyte_of_anything_is_read_in_linear_time(piece: str) -> None:
    """A quadratic scan of this would take minutes, and be noticed."""
    body = (piece * (1024 * 1024 // len(piece))).encode()
    assert error_map.from_response(502, {}, body, 0.0).message


EVENTS: list[tuple[str, type[ServiceError], int | None, str | None, float | None, bool]] = [
    ('{"error":{"message":"m","code":"429"}}', RateLimitError, 429, "429", None, True),
    ('{"error":{"message":"m","code":429}}', RateLimitError, 429, "429", None, True),
    ('{"error":{"message":"m","type":"invalid_request_error","code":null}}', RejectedError, 400, None, None, False),
    ('{"error":{"message":"m","code":"rate_limit_exceeded"}}', RateLimitError, 429, "rate_limit_exceeded", None, True),
    ('{"error":{"message":"m","code":"insufficient_quota"}}', RateLimitError, 429, "insufficient_quota", None, False),
    ('{"error":{"message":"m","code":"invalid_api_key"}}', AuthError, 401, "invalid_api_key", None, False),
    ('{"error":{"message":"m","code":"model_not_found"}}', NotFoundError, 404, "model_not_found", None, False),
    ('{"error":{"message":"m","code":"content_filter"}}', ContentFilterError, 400, "content_filter", None, False),
    ('{"error":{"message":"by our content management policy"}}', ContentFilterError, None, None, None, False),
    ('{"error":{"message":"m","status":"503"}}', ServerError, 503, None, None, True),
    ('{"error":{"message":"again in 3 seconds","code":"429"}}', RateLimitError, 429, "429", 3, True),
    ('{"error":{"message":"m","code":"whatever"}}', ServerError, None, "whatever", None, True),
    ('{"error":{"message":"m","code":"200"}}', ServerError, None, "200", None, True),
    ('{"error":{"message":"m","code":"0000000429"}}', ServerError, None, "0000000429", None, True),
    ('{"statusCode":401,"message":"m"}', AuthError, 401, None, None, False),
    ('{"object":"error","message":"m","type":"NotFoundError","code":404}', NotFoundError, 404, "404", None, False),
    ('{"code":"429","message":"m"}', RateLimitError, 429, "429", None, True),
    ('{"error":"Unexpected endpoint or method. (POST /completions)"}', NotFoundError, 404, None, None, False),
    ('{"error":{"code":429,"message":"m","details":[{"retryDelay":"37s"}]}}', RateLimitError, 429, "429", 37, True),
    ('{"error":{"code":429,"message":"m","retry_after":1.5}}', RateLimitError, 429, "429", 1.5, True),
    ('{"code":429,"message":"again in 9 s","retryAfterMs":500}', RateLimitError, 429, "429", 0.5, True),
    ('{"code":429,"message":"m","retry_after":"soon"}', RateLimitError, 429, "429", None, True),
    ("{}", ServerError, None, None, None, True),
]  # fmt: skip


@pytest.mark.parametrize(("event", "kind", "status", "code", "wait", "retryable"), EVENTS)
def test_an_error_inside_a_stream_has_the_status_its_code_stands_for(
    event: str,
    kind: type[ServiceError],
    status: int | None,
    code: str | None,
    wait: float | None,
    retryable: bool,
) -> None:
    error = error_map.from_event(json.loads(event), event)
    assert (type(error), error.status, error.code) == (kind, status, code)
    assert (error.retry_after, error.retryable) == (wait, retryable)
    assert error.message


def test_a_plain_text_error_inside_a_stream_is_the_servers() -> None:
    error = error_map.from_event(None, "Error parsing decoded stream: x\nTraceback …")
    assert type(error) is ServerError
    assert error.message == "Error parsing decoded stream: x"


@pytest.mark.parametrize(
    ("value", "is_error"),
    [
        ({"error": {"message": "x"}}, True),
        ({"error": "x"}, True),
        ({"object": "error"}, True),
        ({"message": "x"}, True),
        ({"detail": "x"}, True),
        ({"choices": None, "message": "x"}, True),
        ({"error": None, "choices": []}, False),
        ({"errors": ["x"]}, True),
        ({"error_msg": "x"}, True),
        ({"Message": "x", "__type": "y"}, True),
        ({"internalServerException": {"message": "x"}}, True),
        ({"ok": False}, True),
        ({"status": "failed"}, True),
        ({"code": 0, "msg": "success"}, False),
        ({"success": True, "message": "x"}, False),
        ({"std_err": 0.5, "errors": 0}, False),
        ({"choices": [], "usage": {}, "message": "x"}, False),
        ({"choices": [{}], "message": "x"}, False),
        ({"message": None}, False),
        ({"message": "", "detail": None}, False),
        ({}, False),
        ({"type": "ping"}, False),
    ],
)
def test_error_objects_are_told_from_responses(value: dict[str, Any], *, is_error: bool) -> None:
    assert error_map.is_error_object(value) is is_error


def sensible(error: ServiceError) -> None:
    assert error.message
    assert len(error.message.splitlines()) == 1
    assert error.message == error.message.strip()
    assert len(error.message) <= 601
    assert all(isinstance(part, str) for part in error.loc)
    assert error.exit_code
    assert hint(error, HintContext())


@given(st.integers(300, 599), st.binary(max_size=100) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_an_error_with_one_sensible_line(status: int, body: bytes) -> None:
    sensible(error_map.from_response(status, {}, body, 0.0))


names = st.sampled_from(
    [
        "error",
        "message",
        "detail",
        "details",
        "code",
        "status",
        "statusCode",
        "type",
        "param",
        "loc",
        "msg",
        "value",
        "input",
        "innererror",
        "title",
        "object",
    ]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.integers(300, 599), anything, st.sampled_from(["", "\n" + HELP]))
def test_any_json_is_an_error_with_one_sensible_line(status: int, value: object, after: str) -> None:
    sensible(error_map.from_response(status, {}, (json.dumps(value) + after).encode(), 0.0))
    sensible(error_map.from_event(value, json.dumps(value)))
