"""What an address says about a service, and that nothing but a whole domain counts."""

import pytest

from completions_cli.api import endpoint as endpoints
from completions_cli.errors import ConfigError
from completions_cli.settings import endpoint_kind

ML, COGNITIVE, FOUNDRY = (f"https://{name}.azure.com/.default" for name in ("ml", "cognitiveservices", "ai"))


@pytest.mark.parametrize(
    ("endpoint", "name", "scope"),
    [
        ("https://n.eastus.models.ai.azure.com", "a serverless endpoint", COGNITIVE),
        ("https://n-serverless.eastus.inference.ai.azure.com", "a serverless endpoint", COGNITIVE),
        ("https://e.eastus.inference.ml.azure.com/score", "a managed online endpoint", ML),
        ("https://r.services.ai.azure.com/models", "a Foundry resource's model route", COGNITIVE),
        ("https://r.services.ai.azure.com/openai/v1", "a Foundry resource's OpenAI-style route", FOUNDRY),
        ("https://r.services.ai.azure.com/api/projects/p", "a Foundry resource's OpenAI-style route", FOUNDRY),
        ("https://r.services.ai.azure.com", "a Foundry resource", COGNITIVE),
        ("https://r.openai.azure.com/openai/deployments/d", "Azure OpenAI", COGNITIVE),
        ("https://r.cognitiveservices.azure.com/openai/v1", "Azure OpenAI", COGNITIVE),
        ("https://models.inference.ai.azure.com", "GitHub Models", COGNITIVE),
        ("http://localhost:11434/v1", "a server on this machine", COGNITIVE),
        ("https://models.ai.azure.com.evil.example", "another kind of server", None),
        ("https://evilmodels.ai.azure.com", "another kind of server", None),
        ("https://example.net/models.ai.azure.com", "another kind of server", None),
    ],
)
def test_a_kind_goes_by_the_domain(endpoint: str, name: str, scope: str | None) -> None:
    kind = endpoint_kind.of(endpoints.resolve(endpoint))
    assert (kind.name, kind.scope) == (name, scope)


@pytest.mark.parametrize("endpoint", ["https://r.services.ai.azure.com", "https://r.openai.azure.com"])
def test_an_endpoint_without_its_path_gets_advice(endpoint: str) -> None:
    assert "the endpoint " in str(endpoint_kind.of(endpoints.resolve(endpoint)).advice)


def test_an_endpoint_with_its_path_needs_none() -> None:
    assert endpoint_kind.of(endpoints.resolve("https://r.openai.azure.com/openai/v1")).advice is None


@pytest.mark.parametrize(
    ("endpoint", "may_lack"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.0.0.1:8080/v1", False),
        ("https://llm.example/api", True),
        ("https://n.eastus2.models.ai.azure.com", False),
    ],
)
def test_a_server_of_ones_own_may_lack_the_usual_path(endpoint: str, *, may_lack: bool) -> None:
    assert endpoint_kind.may_lack_v1(endpoints.resolve(endpoint)) is may_lack


def test_a_token_is_asked_for_what_was_chosen_or_what_the_kind_wants() -> None:
    known, unknown = (
        endpoints.resolve(url) for url in ("https://e.eastus.inference.ml.azure.com", "https://a.example")
    )
    assert endpoint_kind.scope_for(known, None) == ML
    assert endpoint_kind.scope_for(known, "mine") == endpoint_kind.scope_for(unknown, "mine") == "mine"
    with pytest.raises(ConfigError, match=r"scope of a token for a\.example is not known"):
        endpoint_kind.scope_for(unknown, None)
