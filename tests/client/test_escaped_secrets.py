"""Secrets that are escaped in a URL, and quoted by those who receive it as they read them."""

from collections.abc import Callable
from urllib.parse import unquote, unquote_plus

import pytest

from completions_cli import Client, CompletionsError
from tests.command import Cli
from tests.scripted_server import ScriptedServer, response

SECRET = "Ab1%2BCd3%2FEf5%3DGh7%24Ij9+Kl2%23Mn4%25Op6"
READ = [str, unquote, unquote_plus]
OPTIONS = [(), ("-vv",), ("-F", "json")]


def refuse(shown: str, secret: str) -> None:
    """Fail where a text holds eight characters of a secret in a row."""
    assert not [secret[at : at + 8] for at in range(len(secret) - 7) if secret[at : at + 8] in shown]


@pytest.mark.parametrize("read", READ)
def test_a_key_in_the_query_is_hidden(read: Callable[[str], str], cli: Cli, scripted_server: ScriptedServer) -> None:
    quoted = read(SECRET)
    scripted_server.play([response(f"no such key: {quoted}!".encode(), "403 X")])
    cli.service(f"{scripted_server.url}/v1?api-key={SECRET}")
    for options in OPTIONS:
        done = cli.run("complete", "P", *options, "--retries", "0")
        assert "no such key: ****!" in done.stderr
        refuse(done.text + done.stderr, quoted)
    client = Client(f"{scripted_server.url}/v1?api-key={SECRET}", auth="none", retries=0)
    with client, pytest.raises(CompletionsError, match=r"no such key: \*{4}!"):
        client.complete("P")


@pytest.mark.parametrize("status", [403, 407, 502])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_so_is_the_password_of_a_proxy(scheme: str, status: int, cli: Cli, scripted_server: ScriptedServer) -> None:
    proxy = f"http://me:{SECRET}@127.0.0.1:{scripted_server.port}"
    cli.service(f"{scheme}://x.example")
    scripted_server.play([response(f"no user me:{unquote(SECRET)}!".encode(), f"{status} X")])
    for options in OPTIONS:
        done = cli.run("complete", "P", "--auth", "none", "--proxy", proxy, "--retries", "0", *options)
        assert done.code
        refuse(done.text + done.stderr, unquote(SECRET))
