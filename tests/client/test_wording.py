"""What errors say to programs: arguments, where the command has options."""

import ast
import re
from pathlib import Path

import pytest

import completions_cli
from completions_cli import Client, ConfigError, NetworkError, RejectedError
from completions_cli.client import wording
from tests.scripted_server import ScriptedServer, response

OPTION = re.compile(r"(?<![\w-])-(-[a-z]+|[a-zA-Z]\b)")
ROOMS = ("api", "auth", "client", "transport")
SAID = {
    "Wait and try again, or allow more with --max-wait and --retries.": "Wait and try again, or allow more with max_wait and retries.",
    "This server says `drop`: use --extra-parameters drop.": 'This server says `drop`: use extra_parameters="drop".',
    "Use https, or --auth none if that server needs no key.": 'Use https, or auth="none" if that server needs no key.',
    "Name a model that is deployed there with -m MODEL.": "Name a model that is deployed there with model=MODEL.",
    "Shorten the prompt, or lower -M/--max-tokens: both share it.": "Shorten the prompt, or lower max_tokens: both share it.",
    "It waits 9 s, over --max-wait 5: try again then.": "It waits 9 s, over max_wait=5: try again then.",
    "Change or leave out top_k; --dry-run shows what is sent.": "Change or leave out top_k.",
    "Check the parameters. -x NAME=VALUE sends text; -x NAME:=VALUE sends a number.": "Check the parameters.",
    "It was cut off; try again. Add -vv to see the response.": "It was cut off; try again.",
    "Raise --timeout, or use `stream`: its text comes at once.": "Raise timeout, or use stream(): its text comes at once.",
    "The command with --help says what it takes.": None,
    "Set one up, or try the embedded model: `-p local`.": 'Set one up, or try the embedded model: `from_profile("local")`.',
    "Sign in with `az login`, or set tenant_id.": "Sign in with `az login`, or set tenant_id.",
}


@pytest.mark.parametrize("told", SAID)
def test_options_are_arguments(told: str) -> None:
    assert wording.hint(told, has_profile=False) == SAID[told]


def test_a_command_is_named_to_those_who_have_a_profile() -> None:
    told = "Is it the key of this endpoint? Replace it with `completions config key set -p blue`."
    assert wording.hint(told, has_profile=True) == told
    assert wording.hint(told, has_profile=False) == "Is it the key of this endpoint?"


def advice() -> list[str]:
    """Collect every text of the rooms below the commands that names an option."""
    package = Path(completions_cli.__file__).parent
    files = [package / "errors.py", *(path for room in ROOMS for path in (package / room).glob("*.py"))]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
    texts = [node.value for node in constants if isinstance(node.value, str) and OPTION.search(node.value)]
    return [text for text in texts if text[0].isupper()]  # and no piece of a command


def test_no_option_reaches_a_program() -> None:
    found = advice()
    assert len(found) > 20
    for text in found:
        assert not OPTION.search(wording.hint(text, has_profile=False) or ""), text


def test_errors_of_clients_are_worded_so(scripted_server: ScriptedServer) -> None:
    with pytest.raises(ConfigError) as plain:
        Client("http://far.example", api_key="k")
    assert plain.value.hint == 'Use https, or auth="none" if that server needs no key.'
    scripted_server.play([response(b'{"error":{"message":"no --such thing"}}', "400 X")])
    with pytest.raises(RejectedError) as rejected, Client(scripted_server.url, api_key="k") as client:
        client.complete("P")
    assert (rejected.value.message, rejected.value.hint) == ("no --such thing", "Check the parameters.")
    with pytest.raises(NetworkError) as refused, Client("http://127.0.0.1:1", api_key="k", retries=0) as client:
        list(client.stream("P"))
    assert "--" not in f"{refused.value.message} {refused.value.hint}"
