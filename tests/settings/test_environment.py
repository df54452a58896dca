"""What of the environment others get to see, and which of its names are slips."""

import re
from pathlib import Path

import pytest

import completions_cli
from completions_cli.settings import environment

ENVIRON = {
    "PATH": "/bin",
    "HTTPS_PROXY": "http://proxy",
    "COMPLETIONS_API_KEY": "canary",
    "COMPLETIONS_ENDPOINT": "https://example.com",
    "AZURE_INFERENCE_CREDENTIAL": "canary",
    "AZURE_INFERENCE_ENDPOINT": "https://example.com",
    "AZURE_CLIENT_ID": "another's",
}


def test_programs_of_the_users_get_all_but_our_keys() -> None:
    left_out = ENVIRON.keys() - environment.without_secrets(ENVIRON).keys()
    assert left_out == {"COMPLETIONS_API_KEY", "AZURE_INFERENCE_CREDENTIAL"}


@pytest.mark.parametrize("name", ["COMPLETIONS_ENDPOINT", "AZURE_INFERENCE_ENDPOINT", "COMPLETIONS_AUTHORITY"])
def test_a_url_with_a_query_may_hold_a_key(name: str) -> None:
    environ = ENVIRON | {name: "https://example.com/v1?sig=canary", "BASE_URL": "https://example.com/?a=b"}
    left_out = environ.keys() - environment.without_secrets(environ).keys()
    assert left_out == {"COMPLETIONS_API_KEY", "AZURE_INFERENCE_CREDENTIAL", name}


def test_what_is_said_to_every_program_is_nothing_said_to_us() -> None:
    assert environment.of_the_system(ENVIRON).keys() == {"PATH", "HTTPS_PROXY", "AZURE_CLIENT_ID"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("COMPLETIONS_APIKEY", "COMPLETIONS_API_KEY"),
        ("COMPLETIONS_KEY", "COMPLETIONS_API_KEY"),
        ("COMPLETION_API_KEY", "COMPLETIONS_API_KEY"),
        ("COMPLETION_ENDPOINT", "COMPLETIONS_ENDPOINT"),
        ("COMPLETIONS_ENDPONT", "COMPLETIONS_ENDPOINT"),
        ("COMPLETIONS_URL", "COMPLETIONS_ENDPOINT"),
        ("completions_endpoint", "COMPLETIONS_ENDPOINT"),
        ("COMPLETIONS_MODELS", "COMPLETIONS_MODEL"),
    ],
)
def test_a_variable_that_is_nearly_ours_is_named(name: str, meant: str) -> None:
    assert environment.misspelt({"PATH": "x", name: "sk-canary"}) == [
        f"the variable {name} is not read; did you mean {meant}?"
    ]


@pytest.mark.parametrize("name", ["COMPLETIONS_TEST_PEERS", "COMPLETION_WORDS", "COMPLETIONS_", "API_KEY", "ENDPOINT"])
def test_other_variables_are_none_of_our_business(name: str) -> None:
    assert environment.misspelt({name: "x", **dict.fromkeys(environment.READ, "y")}) == []


def test_every_variable_that_the_source_names_is_known() -> None:
    sources = Path(completions_cli.__file__).parent.rglob("*.py")
    named = {name for source in sources for name in re.findall(r"COMPLETIONS_[A-Z_]+[A-Z]", source.read_text("utf-8"))}
    assert named - environment._OTHER_NAMES.keys() == environment.READ
