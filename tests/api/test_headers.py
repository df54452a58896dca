"""The request headers: which are sent when, how they are typed, and which are never shown."""

import uuid

import pytest

from completions_cli.api import headers
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest
from completions_cli.version import __version__

PLAIN = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "content-type": "application/json",
    "user-agent": f"completions-cli/{__version__}",
}


def test_what_every_request_sends() -> None:
    assert headers.build(CompletionRequest("a")) == PLAIN
    assert headers.build(CompletionRequest("a", stream=True)) == PLAIN | {
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",
    }


@pytest.mark.parametrize(
    ("extra", "asked", "header"),
    [
        ({}, None, None),
        ({"top_k": 5}, None, "pass-through"),
        ({"top_k": 5}, "ignore", "ignore"),
        ({"top_k": 5}, "drop", "drop"),
        ({}, "error", "error"),
        ({}, "Whatever It Is", "Whatever It Is"),
    ],
)
def test_extra_parameters_is_the_word_given_or_pass_through_for_extras(
    extra: dict[str, int], asked: str | None, header: str | None
) -> None:
    sent = headers.build(CompletionRequest("a", extra=extra), extra_parameters=asked)
    assert sent.get("extra-parameters") == header


def test_the_deployment_and_headers_of_the_users_are_sent() -> None:
    sent = headers.build(
        CompletionRequest("a", extra={"k": 1}),
        deployment="blue",
        custom={"X-Team": "t", "User-Agent": "mine", "Extra-Parameters": "drop"},
    )
    assert sent["azureml-model-deployment"] == "blue"
    assert (sent["x-team"], sent["user-agent"], sent["extra-parameters"]) == ("t", "mine", "drop")
    assert all(name == name.lower() for name in sent)


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("X-Team: blue", ("x-team", "blue")),
        ("x-team:blue", ("x-team", "blue")),
        (" X-Team :  blue\t", ("x-team", "blue")),
        ("x: a: b", ("x", "a: b")),
        ("x:", ("x", "")),
        ("x!#$%&'*+.^_`|~9: v", ("x!#$%&'*+.^_`|~9", "v")),
    ],
)
def test_a_header_is_typed_as_name_and_value(line: str, parsed: tuple[str, str]) -> None:
    assert headers.parse(line) == parsed


@pytest.mark.parametrize(
    "line",
    ["", "hunter2", ": hunter2", "a b: hunter2", "é: hunter2", "x: hunter2\r\ny: z", "x: hunter2\n", "x: hunter2é",
     "x: hunter2\x00", "Host: hunter2", "content-length: hunter2", "Transfer-Encoding: hunter2",
     "connection: hunter2", "Content-Type: hunter2", "(x): hunter2"],
)  # fmt: skip
def test_a_header_that_cannot_be_sent_is_refused_without_repeating_its_value(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        headers.parse(line)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("name", "is_sensitive"),
    [
        ("authorization", True),
        ("Api-Key", True),
        ("ocp-apim-subscription-key", True),
        ("x-auth-token", True),
        ("proxy-authorization", True),
        ("set-cookie", True),
        ("x-amz-signature", True),
        ("x-client-secret", True),
        ("x-pat", True),
        ("x-path", False),
        ("content-type", False),
        ("x-request-id", False),
        ("retry-after", False),
        ("x-ratelimit-remaining-tokens", False),
        ("X-RateLimit-Limit-Tokens", False),
        ("azureml-model-deployment", False),
    ],
)
def test_headers_that_may_hold_a_secret_are_known(name: str, *, is_sensitive: bool) -> None:
    assert headers.is_sensitive(name) is is_sensitive


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/x?api-version=1", "https://h/x?api-version=1"),
        ("https://h/x?code=a%3D&sig=b#t", "https://h/x?code=****&sig=****#t"),
        ("https://h/x?%63ode=a&barcode=b", "https://h/x?%63ode=****&barcode=b"),
        ("https://h/x?a=1&Api-Key=b=c", "https://h/x?a=1&Api-Key=****"),
        ("https://me:word@h/#access_token=a", "https://****@h/#access_token=****"),
        ("https://h/x?a=1;sig=b;c&d=e", "https://h/x?a=1;sig=****&d=e"),
        ("https://h/x?a=1&amp;sig=b;pass=c", "https://h/x?a=1&amp;sig=****;pass=****"),
        ("h?token=", "h?token="),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str) -> None:
    assert headers.shown_url(url) == shown


@pytest.mark.parametrize("entropy", [bytes(16), b"\xff" * 16, bytes(range(16)), bytes(range(240, 256))])
def test_a_request_id_is_a_random_uuid(entropy: bytes) -> None:
    assert headers.request_id(entropy) == str(uuid.UUID(bytes=entropy, version=4))
