"""What the emulator says of itself is what it does: its OpenAPI document against its answers."""

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok

from tests.emulator.exchange import ask
from tests.emulator_process import EmulatorProcess, Start

Case = schemathesis.Case[Any]
KEY = "k"
# What JSON Schema cannot say: prompt and max_tokens together are bounded, and 5.0 is not taken for 5.
LARGEST = 60_000


def is_within_what_schemas_say(case: Case) -> bool:
    body = case.body
    if not isinstance(body, dict):
        return True
    prompt = body.get("prompt")
    items = prompt if isinstance(prompt, list) else []
    tokens = [token for item in items for token in (item if isinstance(item, list) else [item])]
    numbers = [*(body.get(name, 0) for name in ("max_tokens", "seed", "n")), *tokens]
    max_tokens = body.get("max_tokens", 0)
    return not any(isinstance(number, float) and number.is_integer() for number in numbers) and not (
        isinstance(max_tokens, int) and max_tokens > LARGEST
    )


def has_a_wrong_body(case: Case) -> bool:
    """Wrong by what the body holds, while the header does not allow for more than the schema does."""
    component = case.meta.components.get(ParameterLocation.BODY) if case.meta else None
    is_wrong = component is not None and component.mode is GenerationMode.NEGATIVE
    return is_wrong and dict(case.headers or {}).get("extra-parameters", "error") == "error"


@pytest.mark.parametrize("behaviour", ["reference", "managed", "foundry"])
def test_routes_are_described_as_taking_any_parameter_if_they_do(shared: Start, behaviour: str) -> None:
    server = shared("--behaviour", behaviour)
    document = ask(server, path="/openapi.json", method="GET").json()
    for path, operations in document["paths"].items():
        schema = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
        query = path.format(deployment="d") + "?api-version=2024-04-01-preview"
        answer = ask(server, {"prompt": "x", "model": "m", "unknown": 1}, query, headers={"api-key": "k"})
        assert schema["additionalProperties"] is (answer.status == 200)


@pytest.mark.parametrize(
    ("behaviour", "mode"),
    [
        ("reference", GenerationMode.POSITIVE),
        ("reference", GenerationMode.NEGATIVE),
        ("managed", GenerationMode.POSITIVE),  # it coerces: what violates its schema may be accepted
        ("foundry", GenerationMode.POSITIVE),
        ("foundry", GenerationMode.NEGATIVE),
    ],
)
def test_answers_are_as_described(
    behaviour: str, mode: GenerationMode, emulator: Callable[..., EmulatorProcess]
) -> None:
    server = emulator("--key", KEY, "--behaviour", behaviour)
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)

        @hypothesis.settings(
            max_examples=10,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(case=found.ok().as_strategy(generation_mode=mode))
        def check(case: Case) -> None:
            nonlocal asked
            hypothesis.assume(is_within_what_schemas_say(case))
            hypothesis.assume(mode is GenerationMode.POSITIVE or has_a_wrong_body(case))
            asked += 1
            case.call_and_validate(headers={"Authorization": f"Bearer {KEY}", "api-key": KEY})

        check()
    assert asked > 3
    assert server.stop() == ""
