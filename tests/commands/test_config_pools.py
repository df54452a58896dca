"""Pools in the profile file: made, listed, shown and checked like other profiles."""

from collections.abc import Callable

from tests.command import Cli
from tests.emulator_process import EmulatorProcess

KEY = "canary-key-0123456789"
TOML = """
[profiles.east]
endpoint = "http://127.0.0.1:9/v1"
auth = "none"
[profiles.west]
endpoint = "https://west.example"
rpm = 60
"""


def test_a_pool_is_made_and_shown(cli: Cli) -> None:
    cli.profile(TOML)
    assert cli.run("config", "set", "profiles.all.members", "east, west").code == 0
    assert cli.run("config", "set", "-p", "all", "rpm", "600").code == 0
    assert cli.run("config", "set", "-p", "all", "params.seed", "3").code == 0
    assert cli.run("config", "get", "-p", "all", "members").json() == ["east", "west"]
    assert "all\teast, west\tpool\t" in cli.run("config", "list").text.splitlines()
    row = cli.run("config", "list", "--json").json()[2]
    assert row == {"name": "all", "endpoint": None, "auth": None, "members": ["east", "west"], "default": False}
    lines = cli.run("config", "show", "all", "--origin").text.splitlines()
    assert {'members\t["east","west"]\t--profile', "rpm\t600\tprofile all"} <= set(lines)
    assert {"east.params.seed\t3\tprofile all", "west.rpm\t60\tprofile west"} <= set(lines)
    shown = cli.run("config", "show", "--json", "-p", "east", "-p", "west").json()
    assert shown["profile"] == "east, west"
    assert (shown["members"]["west"]["rpm"], shown["members"]["east"]["auth"]) == (60, "none")


def test_a_pool_never_loses_a_member_unnoticed(cli: Cli) -> None:
    path = cli.profile(TOML + '[profiles.all]\nmembers = ["east", "west"]\n')
    before = path.read_bytes()
    for command in (
        ("remove", "west"),
        ("set", "-p", "all", "deployment", "x"),
        ("set", "-p", "all", "members", '["east", "north"]'),
        ("set", "-p", "west", "members", "all"),
    ):
        result = cli.run("config", *command)
        assert (result.code, result.stderr.count("profiles.all") + result.stderr.count("profiles.west")) == (3, 1)
    assert path.read_bytes() == before


def test_the_doctor_looks_at_each_member(cli: Cli, emulator: Callable[..., EmulatorProcess]) -> None:
    west = emulator("--key", KEY)
    (cli.home / "west.key").write_text(KEY)
    (cli.home / "west.key").chmod(0o600)
    cli.profile(
        '[profiles.east]\nendpoint = "http://127.0.0.1:9/v1"\nauth = "none"\n'
        f'[profiles.west]\nendpoint = "{west.url}"\nkey_file = "~/west.key"\n'
        '[profiles.north]\nendpoint = "https://north.example"\n'
        '[profiles.all]\nmembers = ["east", "west"]\n'
    )
    result = cli.run("config", "doctor", "-p", "all", "--probe", "--json", env={"COMPLETIONS_API_KEY": "canary"})
    states = {row["check"]: row["state"] for row in result.json()}
    assert result.code == 10
    assert (states["east: port"], states["east: probe"], states["variables"]) == ("failed", "skipped", "note")
    assert (states["west: key"], states["west: port"], states["west: probe"]) == ("ok", "ok", "ok")
    assert "COMPLETIONS_API_KEY is not used with several profiles" in result.text
    keyless = cli.run("config", "doctor", "-p", "west", "-p", "north", "--json")
    missing = next(row for row in keyless.json() if row["check"] == "north: key")
    assert (keyless.code, missing["exit_code"]) == (3, 3)
    assert "COMPLETIONS_API_KEY" not in missing["hint"]


def test_commands_for_one_endpoint_refuse_a_pool(cli: Cli) -> None:
    cli.profile(TOML + '[profiles.all]\nmembers = ["east", "west"]\n')
    for command in (["models"], ["config", "key", "status"]):
        for names in (["-p", "all"], ["-p", "east", "-p", "west"]):
            result = cli.run(*command, *names)
            assert result.code == 2
            assert "hint: Name one of them: -p east" in result.stderr or "takes one profile" in result.stderr
