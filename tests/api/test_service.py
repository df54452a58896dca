"""A service's requests carry all that its profile says, and its refusals the advice that fits it."""

from dataclasses import replace

import pytest

from completions_cli.api import endpoint, headers
from completions_cli.api.service import Service
from completions_cli.errors import AuthError, CompletionsError, NetworkError, NotFoundError, RejectedError, ServiceError
from completions_cli.models import CompletionRequest, HttpRequest

HOST = "n.eastus2.models.ai.azure.com"
SERVICE = Service(
    endpoint.resolve(f"https://{HOST}"),
    deployment="blue",
    extra_parameters="drop",
    headers={"X-Team": "t"},
    secret_headers=frozenset({"x-team"}),
    profile="p",
    auth="entra",
)


def test_a_request_is_laid_out_whole() -> None:
    request = CompletionRequest("a", {"max_tokens": 5}, {"top_k": 1})
    assert SERVICE.http_request(request) == HttpRequest(
        url=f"https://{HOST}/completions?api-version=2024-04-01-preview",
        headers=headers.build(request, deployment="blue", extra_parameters="drop", custom={"x-team": "t"}),
        body=b'{"prompt":"a","max_tokens":5,"top_k":1}',
        secret_headers=frozenset({"x-team"}),
    )


OPENAI = "https://r.openai.azure.com"


@pytest.mark.parametrize(
    ("service", "error", "advice"),
    [
        (SERVICE, AuthError("m", status=401), "the identity's role"),
        (replace(SERVICE, auth="key"), AuthError("m", status=401), "key set -p p"),
        (SERVICE, RejectedError("the extra_parameters option", status=400), "pass-through"),
        (replace(SERVICE, extra_parameters="ignore"), RejectedError("the extra_parameters option", status=400), "says"),
        (Service(endpoint.resolve(OPENAI)), NotFoundError("m", status=404), "or …/openai/v1"),
        (Service(endpoint.resolve(f"{OPENAI}/openai/v1")), NotFoundError("m", status=404), "Does the model offer"),
    ],
)
def test_a_refusal_gets_the_advice_for_this_service(service: Service, error: ServiceError, advice: str) -> None:
    assert service.advised(error) is error
    assert advice in str(error.hint)


@pytest.mark.parametrize("error", [AuthError("m", status=401, hint="h"), NetworkError("m", hint="h")])
def test_advice_that_is_there_stays(error: CompletionsError) -> None:
    assert SERVICE.advised(error).hint == "h"


def test_other_errors_get_none() -> None:
    error = NetworkError("m")
    before = error.hint
    assert SERVICE.advised(error).hint == before
