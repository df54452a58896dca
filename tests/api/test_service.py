"""A service's requests carry all that its profile says, and its refusals the advice that fits it."""

from dataclasses import replace

import pytest

from completions_cli.api import endpoint, headers
from completions_cli.api.service import Service
from completions_cli.errors import AuthError, NetworkError, NotFoundError, RejectedError, ServiceError
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
    assert SERVICE.unsigned(request) == HttpRequest(
        url=f"https://{HOST}/completions?api-version=2024-04-01-preview",
        shared=headers.build(request, deployment="blue", extra_parameters="drop", custom={"x-team": "t"}),
        body=b'{"prompt":"a","max_tokens":5,"top_k":1}',
        secret_headers=frozenset({"x-team"}),
    )


OPENAI = "https://r.openai.azure.com"


@pytest.mark.parametrize(
    ("service", "kind", "status", "advice"),
    [
        (SERVICE, AuthError, 401, "the identity's role"),
        (replace(SERVICE, auth="key"), AuthError, 401, "key set -p p"),
        (SERVICE, RejectedError, 400, "--extra-parameters pass-through"),
        (replace(SERVICE, extra_parameters="ignore"), RejectedError, 400, "--extra-parameters drop."),
        (Service(endpoint.resolve(OPENAI)), NotFoundError, 404, "or …/openai/v1"),
        (Service(endpoint.resolve(f"{OPENAI}/openai/v1")), NotFoundError, 404, "Does the model offer"),
    ],
)
def test_a_refusal_gets_the_advice_for_this_service(
    service: Service, kind: type[ServiceError], status: int, advice: str
) -> None:
    error = kind("the extra_parameters option" if kind is RejectedError else "m", status=status)
    assert service.advised(error) is error
    assert advice in str(error.hint)


def test_advice_that_is_there_stays() -> None:
    assert SERVICE.advised(AuthError("m", status=401, hint="h")).hint == "h"


def test_other_errors_get_none() -> None:
    assert SERVICE.advised(NetworkError("m")).hint == NetworkError("m").hint
