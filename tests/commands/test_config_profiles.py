"""`completions config`: the file, from outside."""

import json
import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.answers import ANSWER
from tests.command import Cli
from tests.dialogue import converse
from tests.scripted_server import ScriptedServer

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

URL = "https://x.eastus.models.ai.azure.com"
TOML = f"""\
# mine
default_profile = "a"

[profiles.a]
endpoint = "{URL}"
timeout = 30
key_command = ["pass", "show"]
[profiles.a.params]
temperature = 0.5
[profiles.a.extra]
top_k = 5
[profiles.a.headers]
X-Team = "canary-header"

# the other
[profiles.b]
endpoint = "http://127.0.0.1:1"
auth = "none"
"""


def data(path: Path) -> dict[str, object]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


# init


def test_init_makes_the_first_profile_the_default_one(cli: Cli) -> None:
    result = cli.run("config", "init", "-p", "a", "--endpoint", URL, "--deployment", "blue", "--api-version", "none")
    assert (result.code, result.stdout) == (0, b"")
    path = cli.home / "config" / "completions" / "completions.toml"
    assert data(path) == {
        "default_profile": "a",
        "profiles": {"a": {"endpoint": URL, "deployment": "blue", "api_version": "none"}},
    }
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "config key set -p a" in result.stderr
    assert cli.run("config", "init", "-p", "b", "--endpoint", URL, "--auth", "none").code == 0
    assert data(path)["default_profile"] == "a"


def test_init_takes_all_answers_as_options(cli: Cli) -> None:
    options = ["--tenant-id", "contoso.com", "--client-id", "c-1", "--scope", "https://s/.default"]
    made = cli.run("config", "init", "-p", "a", "--endpoint", URL, "--auth", "entra", *options)
    assert (made.code, "='YOUR CLIENT SECRET'" in made.stderr) == (0, True)
    shown = cli.run("config", "get", "profiles.a").json()
    assert shown == {
        "endpoint": URL,
        "auth": "entra",
        "tenant_id": "contoso.com",
        "client_id": "c-1",
        "scope": "https://s/.default",
    }


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "no terminal to ask on"),
        (["--endpoint", "ftp://x"], 3, "ftp"),
        (["--endpoint", "http://x"], 3, "a key is not sent over unencrypted http to x"),
        (["--endpoint", URL, "--auth", "password"], 2, "--auth must be key, entra or none"),
        (["--endpoint", URL, "--tenant-id", "t"], 2, "--auth entra"),
        (["--endpoint", URL, "--auth", "entra", "--tenant-id", "common"], 3, "'common' is not a tenant"),
        (["--endpoint", "https://x.example", "--auth", "entra"], 3, "config set scope"),
        (["--endpoint", " "], 2, "--endpoint must be a string that is not empty"),
    ],
)
def test_init_refuses_what_would_not_work_and_writes_nothing(cli: Cli, args: list[str], code: int, said: str) -> None:
    result = cli.run("config", "init", *args)
    assert result.code == code
    assert said in result.stderr
    assert not (cli.home / "config" / "completions" / "completions.toml").exists()


def test_init_does_not_touch_a_profile_that_is_there(cli: Cli) -> None:
    path = cli.profile(TOML)
    result = cli.run("config", "init", "-p", "a", "--endpoint", URL)
    assert result.code == 3
    assert "the profile 'a' already exists" in result.stderr
    assert path.read_text(encoding="utf-8") == TOML


@posix_only
def test_the_wizard_asks_on_the_terminal(cli: Cli) -> None:
    result = converse(
        cli,
        ["config", "init"],
        ("Name of the profile [foundry]: ", b"mine\n"),
        ("Endpoint", b"ftp://nonsense\n"),
        ("only https and http are supported", b""),
        ("Endpoint", URL.encode() + b"\n"),
        ("a serverless endpoint", b""),
        ("[key]: ", b"secret?\n"),
        ("It is one of key, entra, none", b""),
        ("[key]: ", b"\n"),
        ("(press Enter to do this later): ", b"\n"),
    )
    assert result.code == 0
    assert "next: completions config key set -p mine" in result.text
    assert cli.run("config", "get", "default_profile").text == "mine\n"
    assert cli.run("config", "get", "profiles.mine").json() == {"endpoint": URL, "auth": "key"}


@posix_only
@pytest.mark.parametrize(
    ("endpoint", "advice", "auth"),
    [("r.services.ai.azure.com", "ends in /models", "key"), ("http://127.0.0.1:8080", "ends in /v1", "none")],
)
def test_the_wizard_says_what_an_endpoint_may_lack(endpoint: str, advice: str, auth: str, cli: Cli) -> None:
    answers = ((f"[{auth}]: ", b"\n"), ("(press Enter to do this later): ", b"\n"))
    result = converse(
        cli,
        ["config", "init", "-p", "new"],
        ("Endpoint", endpoint.encode() + b"\n"),
        (advice, b""),
        *answers[: 1 if auth == "none" else 2],
    )
    assert result.code == 0
    assert cli.run("config", "get", "profiles.new").json() == {"endpoint": endpoint, "auth": auth}


@posix_only
def test_the_wizard_asks_again_for_a_name_that_is_taken_and_a_tenant_that_is_none(cli: Cli) -> None:
    cli.profile(TOML)
    result = converse(
        cli,
        ["config", "init", "--client-id", "c"],
        ("[foundry]: ", b"a\n"),
        ("the profile 'a' already exists", b""),
        ("[foundry]: ", b"new\n"),
        ("Endpoint", URL.encode() + b"\n"),
        ("[key]: ", b"entra\n"),
        ("Tenant id: ", b"common\n"),
        ("'common' is not a tenant", b""),
        ("Tenant id: ", b"contoso.com\n"),
        ("The client secret, to be stored in the file", b"\n"),
    )
    assert result.code == 0
    assert cli.run("config", "get", "profiles.new").json()["tenant_id"] == "contoso.com"
    assert cli.run("config", "get", "default_profile").text == "a\n"


@posix_only
def test_the_wizard_takes_no_key_for_unencrypted_http(cli: Cli) -> None:
    result = converse(
        cli,
        ["config", "init", "-p", "plain"],
        ("Endpoint", b"http://plain.example\n"),
        ("[key]: ", b"key\n"),
        ("not sent over unencrypted http to plain.example", b""),
        ("[key]: ", b"none\n"),
    )
    assert result.code == 0
    assert cli.run("config", "get", "profiles.plain.auth").text == "none\n"


@posix_only
def test_the_wizard_can_be_left_with_ctrl_c(cli: Cli) -> None:
    result = converse(cli, ["config", "init"], ("[foundry]: ", b"mine\n"), ("Endpoint", b"\x03"))
    assert result.code == 130
    assert not (cli.home / "config" / "completions" / "completions.toml").exists()


# list, use, remove, path


def test_list_prints_a_line_a_profile_or_json(cli: Cli) -> None:
    cli.profile(TOML)
    result = cli.run("config", "list")
    assert result.text.splitlines() == [
        f"a\t{URL}\tkey\tdefault",
        "b\thttp://127.0.0.1:1\tnone\t",
        "local\tbuilt in\tnone\t",
    ]
    rows = cli.run("config", "list", "--json").json()
    assert rows[0] == {"name": "a", "endpoint": URL, "auth": "key", "default": True}


def test_list_is_a_table_on_a_terminal(cli: Cli) -> None:
    cli.profile(TOML)
    assert "endpoint" in cli.terminal("config", "list").text


def test_use_and_remove(cli: Cli) -> None:
    path = cli.profile(TOML)
    assert cli.run("config", "use", "b").code == 0
    assert path.read_text(encoding="utf-8") == TOML.replace('= "a"', '= "b"')
    result = cli.run("config", "remove", "b")
    assert result.code == 0
    assert "it was the default" in result.stderr
    assert list(data(path)["profiles"]) == ["a"]  # type: ignore[call-overload] # a table
    assert "# the other" not in path.read_text(encoding="utf-8")
    assert cli.run("config", "remove", "a").code == 0
    assert data(path) == {}
    for verb in ("use", "remove", "show"):
        result = cli.run("config", verb, "a")
        assert result.code == 3
        assert "there is no profile 'a'" in result.stderr


def test_path_names_the_file_there_is_or_would_be(cli: Cli) -> None:
    default = cli.home / "config" / "completions" / "completions.toml"
    assert cli.run("config", "path").text == f"{default}\n"
    assert cli.run("config", "path", env={"COMPLETIONS_CONFIG": "/elsewhere.toml"}).text == "/elsewhere.toml\n"
    assert cli.run("config", "path", "--config", "/x.toml", env={"COMPLETIONS_CONFIG": "/y"}).text == "/x.toml\n"


# get, set, unset


def test_get_prints_the_raw_value(cli: Cli) -> None:
    cli.profile(TOML)
    found = {
        key: cli.run("config", "get", key).text
        for key in ("default_profile", "endpoint", "profiles.b.auth", "timeout", "params.temperature", "key_command")
    }
    assert found == {
        "default_profile": "a\n",
        "endpoint": f"{URL}\n",
        "profiles.b.auth": "none\n",
        "timeout": "30\n",
        "params.temperature": "0.5\n",
        "key_command": '["pass","show"]\n',
    }
    assert cli.run("config", "get", "endpoint", "-p", "b").text == "http://127.0.0.1:1\n"
    assert cli.run("config", "get", "params").json() == {"temperature": 0.5}


@pytest.mark.parametrize("key", ["deployment", "params.seed", "extra.x.y", "profiles.b.timeout", "profiles.c.timeout"])
def test_a_key_that_is_not_set_is_exit_3(cli: Cli, key: str) -> None:
    path = cli.profile(TOML)
    assert cli.run("config", "get", key).code == 3
    assert cli.run("config", "unset", key).code == 3
    assert path.read_text(encoding="utf-8") == TOML


def test_set_and_unset_change_their_line_and_nothing_else(cli: Cli) -> None:
    path = cli.profile(TOML)
    for key, value in (("params.seed", "7"), ("extra.a.b", "true"), ("profiles.c.endpoint", URL)):
        assert cli.run("config", "set", key, value).code == 0
    profiles = data(path)["profiles"]
    assert profiles["a"]["params"] == {"temperature": 0.5, "seed": 7}  # type: ignore[index] # a table
    assert profiles["a"]["extra"] == {"top_k": 5, "a": {"b": True}}  # type: ignore[index] # a table
    for key in ("params.seed", "extra.a"):
        assert cli.run("config", "unset", key).code == 0
    assert cli.run("config", "remove", "c").code == 0
    assert path.read_text(encoding="utf-8").rstrip() == TOML.rstrip()


@pytest.mark.parametrize(
    ("args", "code", "hint"),
    [
        (["endpont", "x"], 2, "'endpoint'"),
        (["params.tempratur", "1"], 2, "'temperature'"),
        (["timeout", "canary"], 2, "positive number"),
        (["endpoint", "x", "-p", "c"], 3, "Valid here"),
        (["default_profile", "c"], 3, "Valid here"),
        (["api_key", "canary"], 2, ""),
    ],
)
def test_what_cannot_be_set_is_refused(cli: Cli, args: list[str], code: int, hint: str) -> None:
    path = cli.profile(TOML)
    result = cli.run("config", "set", *args)
    assert result.code == code
    assert hint in result.stderr
    assert "canary" not in result.stderr
    assert path.read_text(encoding="utf-8") == TOML


# show


def test_show_says_what_a_call_would_use_and_why(cli: Cli) -> None:
    cli.profile(TOML)
    env = {"COMPLETIONS_TIMEOUT": "7", "COMPLETIONS_API_KEY": "canary-key"}
    rows = [line.split("\t") for line in cli.run("config", "show", "--origin", env=env).text.splitlines()]
    origins = {name: (value, origin) for name, value, origin in rows}
    assert origins["endpoint"] == (URL, "profile a")
    assert origins["timeout"] == ("7", "COMPLETIONS_TIMEOUT")
    assert origins["retries"] == ("4", "default")
    assert origins["params.temperature"] == ("0.5", "profile a")
    assert origins["headers.x-team"] == ("****", "profile a")
    assert origins["key"] == ("present", "COMPLETIONS_API_KEY")
    assert origins["url"][0] == f"{URL}/completions?api-version=2024-04-01-preview"
    assert [len(line.split("\t")) for line in cli.run("config", "show", "b").text.splitlines()] == [2] * 11


@pytest.mark.parametrize(
    ("host", "auth", "scope"),
    [
        ("east.inference.ml.azure.com", "entra", "https://ml.azure.com/.default\tendpoint"),
        ("a.openai.azure.com", "entra", "https://cognitiveservices.azure.com/.default\tendpoint"),
        ("a.openai.azure.com", "key", None),
        ("elsewhere.example", "entra", None),
    ],
)
def test_show_shows_the_scope_that_goes_with_the_host(host: str, auth: str, scope: str | None, cli: Cli) -> None:
    cli.profile(f'[profiles.p]\nendpoint = "https://{host}"\nauth = "{auth}"\n')
    rows = cli.run("config", "show", "--origin").text.splitlines()
    found = [row.removeprefix("scope\t") for row in rows if row.startswith("scope\t")]
    assert found == ([] if scope is None else [scope])


def test_show_shows_what_there_is_without_an_endpoint(cli: Cli) -> None:
    nothing = cli.run("config", "show", "--origin")
    assert (nothing.code, "no endpoint is configured" in nothing.stderr) == (0, True)
    assert "timeout\t300\tdefault\n" in nothing.text
    assert "\nkey\t" not in nothing.text
    cli.profile('[profiles.a]\ntimeout = 30\nproxy = "http://me:canary@proxy:3128"\n')
    shown = cli.run("config", "show", "a", "--json", "-q")
    assert (shown.code, shown.stderr) == (0, "")
    found = {name: shown.json()[name] for name in ("profile", "endpoint", "timeout", "proxy", "api_version")}
    assert found == {
        "profile": "a",
        "endpoint": None,
        "timeout": 30.0,
        "proxy": "http://****@proxy:3128",
        "api_version": "2024-04-01-preview",
    }


@pytest.mark.parametrize(
    ("endpoint", "row"),
    [
        ("https://x.example", ["2024-04-01-preview", "default"]),
        ("https://x.example/?api-version=2023-05-05", ["2023-05-05", "COMPLETIONS_ENDPOINT"]),
        ("https://x.example/v1", None),
    ],
)
def test_show_tells_which_version_is_sent(endpoint: str, row: list[str] | None, cli: Cli) -> None:
    result = cli.run("config", "show", "--origin", env={"COMPLETIONS_ENDPOINT": endpoint})
    rows = [line.split("\t") for line in result.text.splitlines()]
    assert next((found for name, *found in rows if name == "api_version"), None) == row


def test_show_prints_json(cli: Cli) -> None:
    cli.profile(TOML)
    shown = cli.run("config", "show", "b", "--json").json()
    assert (shown["profile"], shown["auth"], shown["deployment"]) == ("b", "none", None)
    shown = cli.run("config", "show", "b", "--json", "--origin").json()
    assert shown["auth"] == {"value": "none", "origin": "profile b"}
    error = cli.run("config", "show", "c", "--json")
    assert error.code == 3
    assert error.error()["kind"] == "config"


def test_show_hides_the_password_of_a_proxy(cli: Cli) -> None:
    cli.profile(TOML)
    result = cli.run("config", "show", env={"HTTPS_PROXY": "http://me:canary@proxy:3128"})
    assert "proxy\thttp://****@proxy:3128\n" in result.text


@pytest.mark.parametrize(
    "args",
    [
        ("show", "--origin"),
        ("show", "--json"),
        ("list",),
        ("list", "--json"),
        ("get", "endpoint"),
        ("get", "authority"),
        ("get", "proxy"),
        ("get", "headers"),
        ("get", "headers.X-Api-Key"),
        ("get", "profiles"),
        ("doctor",),
        ("doctor", "--json"),
    ],
)
def test_no_command_shows_a_secret_of_the_file(cli: Cli, args: tuple[str, ...]) -> None:
    cli.profile(
        """[profiles.a]
endpoint = "https://x.example/?code=canary&%73ig=canary&api-version=1"
authority = "https://me:canary@login.example?token=canary"
tenant_id = "t"
client_id = "c"
proxy = "http://me:canary@127.0.0.1:9"
headers = { X-Api-Key = "canary", Cookie = "canary" }
"""
    )
    result = cli.run("config", *args)
    assert "****" in result.text
    assert "canary" not in result.text + result.stderr


# edit


def editor(cli: Cli, script: str) -> dict[str, str]:
    path = cli.home / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return {"EDITOR": str(path)}


def test_edit_saves_what_is_valid(cli: Cli) -> None:
    path = cli.profile(TOML)
    assert cli.run("config", "edit", env=editor(cli, "sed -i s/30/31/ $1")).code == 0
    assert path.read_text(encoding="utf-8") == TOML.replace("30", "31")
    assert "nothing was changed" in cli.run("config", "edit", env=editor(cli, "true")).stderr


def test_edit_makes_the_first_file(cli: Cli) -> None:
    result = cli.run("config", "edit", env=editor(cli, "echo '[profiles.x]' >> $1"))
    assert result.code == 0
    assert cli.run("config", "list").text.startswith("x\t")


def test_edit_keeps_what_is_not_valid_beside(cli: Cli) -> None:
    path = cli.profile(TOML)
    result = cli.run("config", "edit", env=editor(cli, "echo 'nonsense = 1' > $1"))
    assert result.code == 3
    assert f"{path}:1:1: unknown key 'nonsense'; nothing was saved" in result.stderr
    assert path.read_text(encoding="utf-8") == TOML
    draft = Path(result.stderr.split("Your version is in ")[1].strip().removesuffix("."))
    assert draft.read_text(encoding="utf-8") == "nonsense = 1\n"
    draft.unlink()


def test_edit_does_not_overwrite_what_another_wrote_meanwhile(cli: Cli) -> None:
    path = cli.profile(TOML)
    result = cli.run("config", "edit", env=editor(cli, f"echo '# other' >> {path}; sed -i s/30/31/ $1"))
    assert result.code == 3
    assert "was changed in the meantime" in result.stderr
    assert path.read_text(encoding="utf-8") == TOML + "# other\n"
    Path(result.stderr.split("Your version is in ")[1].strip().removesuffix(".")).unlink()


def test_edit_keeps_what_cannot_be_written(cli: Cli) -> None:
    result = cli.run("config", "edit", "--config", "/dev/null/x.toml", env=editor(cli, "echo '[profiles.x]' > $1"))
    assert result.code == 16
    assert "cannot be made" in result.stderr
    draft = Path(result.stderr.split("Your version is in ")[1].strip().removesuffix("."))
    assert draft.read_text(encoding="utf-8") == "[profiles.x]\n"
    draft.unlink()


def test_edit_takes_the_mark_that_some_editors_put_in_front(cli: Cli) -> None:
    result = cli.run("config", "edit", env=editor(cli, "printf '\\357\\273\\277[profiles.x]\\n' > $1"))
    assert result.code == 0, result.stderr
    assert cli.run("config", "list").text.startswith("x\t")


# Places that cannot be used


@pytest.mark.parametrize("how", ["--config", "COMPLETIONS_CONFIG"])
def test_a_named_file_that_cannot_be_used_is_exit_3(cli: Cli, how: str) -> None:
    (cli.home / "broken.toml").write_text("[profiles.a\n", encoding="utf-8")
    for name, said in (
        ("missing.toml", "no such file"),
        ("", "is a folder"),
        ("broken.toml", "broken.toml:1:12: Expected"),
        ("broken.toml/x", "no such file"),
    ):
        target = str(cli.home / name)
        args, env = (["--config", target], {}) if how == "--config" else ([], {how: target})
        for command in (["config", "list"], ["config", "show"], ["complete", "hi"]):
            result = cli.run(*command, *args, env=env)
            assert result.code == 3, (command, name, result.stderr)
            assert said in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a home is always known there")
def test_without_a_home_there_is_still_an_answer(cli: Cli) -> None:
    del cli.env["HOME"], cli.env["XDG_CONFIG_HOME"]
    result = cli.run("config", "path")
    assert result.code == 0
    assert result.text.endswith("completions/completions.toml\n")


@posix_only
def test_a_user_id_without_a_home_goes_by_variables_and_files_that_are_named(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    """As in a container that runs under a bare number."""
    scripted_server.play([ANSWER])
    del cli.env["HOME"], cli.env["XDG_CONFIG_HOME"]
    own = cli.home / "own"
    own.mkdir()
    nobody = (
        "import os, pwd, sys; pwd.getpwuid = lambda _: {}['no entry']; from completions_cli.main import main; main()"
    )

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", nobody, *args],
            env={**cli.env, **env},
            cwd=own,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    service = {"COMPLETIONS_ENDPOINT": scripted_server.url, "COMPLETIONS_API_KEY": "k"}
    assert run("complete", "hi", **service).stdout == "ok\n"
    done = run("config", "path")
    assert (done.returncode, "there is no home folder" in done.stderr) == (3, True)
    assert run("config", "init", "--endpoint", URL).returncode == 3
    file = str(own / "c.toml")
    assert run("config", "init", "--endpoint", URL, "--config", file).returncode == 0
    assert run("config", "get", "endpoint", COMPLETIONS_CONFIG=file).stdout == f"{URL}\n"
    assert not (own / "~").exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(cli: Cli) -> None:
    cli.profile(TOML).parent.chmod(0o500)
    result = cli.run("config", "set", "timeout", "5")
    assert result.code == 16
    assert str(cli.home / "config" / "completions") in result.stderr


def test_a_folder_that_cannot_be_made_is_named(cli: Cli) -> None:
    (cli.home / "config").touch()
    result = cli.run("config", "init", "--endpoint", URL)
    assert result.code == 16
    assert "cannot be made" in result.stderr
    assert json.loads(cli.run("config", "list", "--json").text)[0]["name"] == "local"


def test_the_built_in_profile_is_shown_as_it_is_listed(cli: Cli) -> None:
    assert json.loads(cli.run("config", "show", "local", "--json").text)["auth"] == "none"
    assert "auth\tnone\tbuilt in\n" in cli.run("config", "show", "local", "--origin").text


def test_tab_completes_keys(cli: Cli) -> None:
    env = {"_COMPLETIONS_COMPLETE": "complete_bash", "COMP_WORDS": "completions config get params.t", "COMP_CWORD": "3"}
    assert cli.run(env=env).text.split() == ["params.temperature", "params.top_p"]


def test_a_password_in_an_endpoint_is_refused_and_never_shown(cli: Cli) -> None:
    path = cli.profile('[profiles.a]\nendpoint = "https://me:hunter2@host.example/v1"\n')
    for args in (
        ["list"],
        ["list", "--json"],
        ["get", "endpoint"],
        ["get", "profiles"],
        ["show"],
        ["doctor"],
        ["key", "status"],
    ):
        result = cli.run("config", *args)
        assert "hunter2" not in result.text + result.stderr, args
    before = path.read_text()
    assert cli.run("config", "set", "endpoint", "https://me:other7@host.example").code == 3
    assert path.read_text() == before
    result = cli.run("complete", "hi")
    assert (result.code, "user name or password" in result.stderr, "hunter2" in result.stderr) == (3, True, False)


def test_an_editor_that_empties_the_file_loses_no_profile(cli: Cli) -> None:
    path = cli.profile('[profiles.a]\nendpoint = "http://localhost"\n')
    before = path.read_bytes()
    result = cli.run("config", "edit", env=editor(cli, ": > $1"))
    assert (result.code, "empty" in result.stderr, path.read_bytes()) == (2, True, before)
