"""completions.toml as it is read: what is wrong is named with file, line and column."""

import dataclasses
import os
import sys
from pathlib import Path

import platformdirs
import pytest

from completions_cli.errors import ConfigError
from completions_cli.settings import profile_file
from completions_cli.settings.table import SETTINGS, Values

PATH = Path("f.toml")


def error(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        profile_file.parse(text, PATH)
    return caught.value


POOL = "[profiles.a]\n[profiles.p]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "f.toml:1:5: Invalid value"),
        ("[profiles.a]\nendpoint = 'x", 'f.toml:2:14: Expected "\'"'),
        ("[profiles.a]\n[profiles.a]\n", "f.toml:2:12: [profiles.a] appears twice"),
        ("profile = 1", "f.toml:1:1: unknown key 'profile'"),
        ("profiles = 1", "f.toml:1:1: profiles must be a table"),
        ("[profiles]\na = 1", "f.toml:2:1: profile 'a' must be a table in [profiles]"),
        ("[profiles.a]\n\n  tiemout = 3", "f.toml:3:3: unknown key 'tiemout' in [profiles.a]"),
        ("[profiles]\na = {endpoint='x', tiemout = 3}", "f.toml:2:20: unknown key 'tiemout' in [profiles.a]"),
        ("profiles.a.tiemout = 3", "f.toml:1:12: unknown key 'tiemout' in [profiles.a]"),
        (
            "[profiles.a]\ntimeout = '3'",
            "f.toml:2:1: timeout must be a positive number of seconds, at most 1,000,000 in [profiles.a]",
        ),
        ("[profiles.a]\ntimeout = 0", "f.toml:2:1: timeout must be a positive number"),
        ("[profiles.a]\ntimeout = true", "f.toml:2:1: timeout must be a positive number"),
        ("[profiles.a]\nretries = 1.5", "f.toml:2:1: retries must be a whole number"),
        ("[profiles.a]\nauth = 'Key'", "f.toml:2:1: auth must be key, entra or none"),
        ("[profiles.a]\nkey_command = 'pass x'", "f.toml:2:1: key_command must be an array of words"),
        ("[profiles.a]\nparams = 1", "f.toml:2:1: params must be a table"),
        ("[profiles.a.params]\nmax_token = 1", "f.toml:2:1: unknown key 'max_token' in [profiles.a.params]"),
        ("[profiles.a.params]\nseed = '1'", "f.toml:2:1: seed must be an integer"),
        ("[profiles.a.headers]\n'a b' = '1'", "f.toml:2:1: 'a b' cannot be the name of a header"),
        ('[profiles.a.headers]\nX = "canary\\n"', "f.toml:2:1: the value of header X must be a line"),
        ("[profiles.a.headers]\nHost = 'h'", "f.toml:2:1: the header Host is set by the client itself"),
        ("[profiles.a.extra]\nstream = true", "f.toml:2:1: stream is not an extra parameter in [profiles.a.extra]"),
        (
            "[profiles.a.extra]\ntop_p = 1",
            "f.toml:2:1: top_p is not an extra parameter; it belongs in params in [profiles.a.extra]",
        ),
        ("[profiles.a.extra]\nd = 1979-05-27", "f.toml:2:1: d must be something that JSON can hold"),
        ("[profiles.a.extra]\nd = [inf]", "f.toml:2:1: d must be something that JSON can hold"),
        (POOL + "members = ['a', 'c']", "f.toml:3:1: the member 'c' is not a profile of this file in [profiles.p]"),
        (POOL + "members = ['a', 'p']", "f.toml:3:1: the member 'p' is itself a pool"),
        (POOL + "members = []", "f.toml:3:1: members must be an array of names of profiles"),
        (POOL + "members = ['a', 'a']", "f.toml:3:1: members must be an array that names each profile once"),
        (POOL + "members = ['a']\nendpoint = 'x'", "f.toml:4:1: endpoint cannot be used with members in [profiles.p]"),
        (POOL + "members = ['a']\nheaders = {a = '1'}", "f.toml:4:1: headers cannot be used with members"),
        ("[profiles.a]\nrpm = 0", "f.toml:2:1: rpm must be a number from 0.001 to"),
        ("[profiles.a]\nconcurrency = 1.5", "f.toml:2:1: concurrency must be a whole number from 1"),
        ("default_profile = 'b'\n[profiles.a]", "f.toml:1:1: default_profile 'b' is not a profile"),
        ("[profiles.'']\n", "f.toml:1:11: profile name '' is empty"),
        ("a = " + "[" * 10000, "f.toml: nested too deeply"),
        ("[profiles.a]\ntimeout = " + "9" * 5000, "f.toml:2:11: a number with too many digits"),
        ("# 1\nx = {a = [1, -" + "1_0" * 2200 + "]}", "f.toml:2:15: a number with too many digits"),
        ("[profiles.a.extra]\nd = 0x" + "f" * 4000, "f.toml:2:1: d must be something that JSON can hold"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    found = error(text)
    assert found.message.startswith(message)
    assert found.hint
    assert "canary" not in found.message
    assert "at end of document" not in found.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("profile = 1", "'profiles'"),
        ("[profiles.a]\ntiemout = 3", "'timeout'"),
        ("[profiles.a]\nend_point = 'x'", "'endpoint'"),
        ("[profiles.a.params]\ntemprature = 1", "'temperature'"),
        ("[profiles.a.params]\ntop_k = 1", "model's own goes into extra"),
        ("[profiles.a]\napi_key = 'canary'", "config key set"),
        (
            "[profiles.a]\nclient_secret = 'canary'",
            "Keys are not kept in this file; store one with `completions config key",
        ),
        ("[profiles.a]\nkey_commands = ['x']", "'key_command'"),
        ("[profiles.a.params]\nxyzzy = 1", ", max_tokens, seed, "),
        ("default_profile = 'foundy'\n[profiles.foundry]", "'foundry'"),
    ],
)
def test_an_unknown_name_gets_the_nearest_valid_one(text: str, hint: str) -> None:
    assert hint in str(error(text).hint)
    assert "canary" not in error(text).message


def test_bounds_are_within_what_is_allowed() -> None:
    profile = {"retries": 0, "max_wait": 0, "extra": {"d": [[{"a": [1.5, "x", True]}]]}}
    text = "[profiles.a]\nretries = 0\nmax_wait = 0\nextra.d = [[{a = [1.5, 'x', true]}]]"
    assert profile_file.parse(text, PATH).profiles["a"] == profile


def test_extras_are_a_hundred_deep_at_most() -> None:
    deep = "[profiles.a.extra]\nd = %s"
    profile_file.parse(deep % ("[" * 100 + "]" * 100), PATH)
    assert "nested 100 deep at most" in error(deep % ("[" * 101 + "]" * 101)).message
    assert "something that JSON can hold" in error(deep % "{x = 1979-05-27}").message


def test_a_byte_order_mark_and_crlf_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "completions.toml"
    path.write_bytes(b"\xef\xbb\xbfdefault_profile = 'a'\r\n[profiles.a]\r\nendpoint = 'x'\r\n")
    file = profile_file.read(path, must_exist=True)
    assert (file.path, file.default_profile, file.profiles["a"]) == (path, "a", {"endpoint": "x"})


def test_a_missing_file_is_empty_unless_it_was_named(tmp_path: Path) -> None:
    missing = profile_file.read(tmp_path / "no.toml", must_exist=False)
    assert (missing.path, missing.exists) == (tmp_path / "no.toml", False)
    assert not profile_file.read(tmp_path / "no" / "no.toml", must_exist=False).exists
    with pytest.raises(ConfigError, match=r"no such file: .*no\.toml"):
        profile_file.read(tmp_path / "no.toml", must_exist=True)


def test_what_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        profile_file.read(tmp_path, must_exist=False)
    (tmp_path / "bad.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 5"):
        profile_file.read(tmp_path / "bad.toml", must_exist=False)
    if Path("/dev/zero").exists():
        with pytest.raises(ConfigError, match="too large"):
            profile_file.read(Path("/dev/zero"), must_exist=True)
    with pytest.raises(ConfigError, match="NUL"):
        profile_file.read(Path("a\0b"), must_exist=False)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "completions.toml"
    path.touch(mode=0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        profile_file.read(path, must_exist=False)


def test_the_typed_values_are_those_of_the_table() -> None:
    assert list(Values.__annotations__) == list(SETTINGS)
    assert all(dataclasses.is_dataclass(setting) for setting in SETTINGS.values())


def test_the_file_is_the_one_named_then_the_variables_then_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "completions" / "completions.toml"
    users.parent.mkdir()
    for path, profile in ((users, "users"), (tmp_path / "named.toml", "named"), (tmp_path / "told.toml", "told")):
        path.write_text(f"[profiles.{profile}]\n", encoding="utf-8")
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "COMPLETIONS_CONFIG": str(tmp_path / "told.toml")}
    assert list(profile_file.find(str(tmp_path / "named.toml"), environ).profiles) == ["named"]
    assert list(profile_file.find(None, environ).profiles) == ["told"]
    assert list(profile_file.find(None, environ | {"COMPLETIONS_CONFIG": ""}).profiles) == ["users"]
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    assert list(profile_file.find("~/named.toml", {}).profiles) == ["named"]
    for named, told in ((str(tmp_path / "no.toml"), {}), (None, {"COMPLETIONS_CONFIG": str(tmp_path / "no.toml")})):
        with pytest.raises(ConfigError, match=r"no such file: .*no\.toml"):
            profile_file.find(named, environ | told)
    users.unlink()
    assert not profile_file.find(None, environ | {"COMPLETIONS_CONFIG": ""}).exists


@pytest.mark.parametrize("configured", ["", "relative"])
def test_the_users_folder_is_the_systems_unless_a_whole_path_is_configured(configured: str) -> None:
    folder = Path(platformdirs.user_config_dir("completions", appauthor=False))
    assert profile_file.default_path({"XDG_CONFIG_HOME": configured}) == (folder / "completions.toml", False)


def test_a_home_folder_of_nobodys_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="~nobody-at-all/x: there is no such home folder") as caught:
        profile_file.find("~nobody-at-all/x", {})
    assert caught.value.hint
