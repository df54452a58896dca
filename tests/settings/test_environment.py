"""What of the environment others get to see."""

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


def test_what_is_said_to_every_program_is_nothing_said_to_us() -> None:
    assert environment.of_the_system(ENVIRON).keys() == {"PATH", "HTTPS_PROXY", "AZURE_CLIENT_ID"}
