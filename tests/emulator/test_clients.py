"""Clients that others wrote work against it as they are."""

import shutil
import subprocess

import openai
import pytest

from tests.emulator_process import Start

VERSION = {"api-version": "2024-04-01-preview"}


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="k", default_query=VERSION, max_retries=0)


@pytest.mark.parametrize(
    ("behaviour", "route"), [("reference", ""), ("managed", ""), ("managed", "/v1"), ("foundry", "/openai/v1")]
)
def test_the_openai_package(shared: Start, behaviour: str, route: str) -> None:
    server = shared("--behaviour", behaviour)
    with client(server.url + route) as openai_client:
        plain = openai_client.completions.create(model="m", prompt="Hello world", max_tokens=12)
        chunks = list(openai_client.completions.create(model="m", prompt="Hello world", max_tokens=12, stream=True))
    assert plain.choices[0].text
    assert plain.usage
    assert plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == plain.choices[0].text


def test_the_openai_package_for_azure(shared: Start) -> None:
    server = shared("--behaviour", "foundry")
    with openai.AzureOpenAI(azure_endpoint=server.url, api_key="k", api_version="2024-10-21") as azure:
        answer = azure.completions.create(model="gpt", prompt=["a", "b"], n=2, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400-filter-nested", openai.BadRequestError),
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("404", openai.NotFoundError),
        ("422", openai.UnprocessableEntityError),
        ("429", openai.RateLimitError),
        ("500-html", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
    ],
)
def test_the_openai_package_meets_each_error(shared: Start, fault: str, error: type[openai.APIError]) -> None:
    with client(shared().url) as openai_client, pytest.raises(error):
        openai_client.completions.create(model="m", prompt="x", extra_headers={"x-emulator-fault": fault})


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(("extra", "says"), [("", '"object":"text_completion"'), (', "stream": true', "data: [DONE]")])
def test_curl(shared: Start, extra: str, says: str) -> None:
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]
    command += [f"{shared().url}/completions?api-version=2024-04-01-preview", "-H", "Authorization: Bearer k"]
    command += ["-H", "Content-Type: application/json", "-d", f'{{"prompt": "Hello"{extra}}}']
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert says in done.stdout
