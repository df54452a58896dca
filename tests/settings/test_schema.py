"""The JSON Schema of completions.toml and the reader agree: on good files, on bad ones, and on any other."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.parameters import PARAMETERS
from completions_cli.errors import ConfigError
from completions_cli.settings import profile_file, schema
from completions_cli.settings.table import PROFILE_SETTINGS, PROFILE_TABLES
from tests.command import Cli

ROOT = Path(__file__).parents[2]
TAPLO = shutil.which("taplo") or ""
CHECK = jsonschema.Draft7Validator(schema.document())
GOOD = [
    "",
    "[profiles.a]",
    "[profiles.a]\ntimeout = 0.5\nretries = 0\nmax_wait = 0",
    "[profiles.a]\nretries = 2.0",
    "[profiles.a]\nkey_command = ['pass', '']",
    "[profiles.a]\ninfill = '<S>{suffix}<P>{prefix}'",
    "[profiles.a.params]\nstop = []\nseed = -1\ntemperature = 3",
    "[profiles.a.extra]\nx = [{ y = [1, 'a', true] }]",
    "[profiles.a.headers]\nX-A = ''\n'x!' = \"a\\tb\"",
    "[profiles.'a b']\ndeployment = ' b[1] '",
]
BAD = [
    "profile = 1",
    "default_profile = 1",
    "profiles = 1",
    "profiles.a = 1",
    "[profiles.'']",
    '[profiles."a\\u0007"]',
    "[profiles.a]\ntiemout = 3",
    "[profiles.a]\nendpoint = ' '",
    "[profiles.a]\nendpoint = 1",
    "[profiles.a]\ntimeout = 0",
    "[profiles.a]\ntimeout = '3'",
    "[profiles.a]\ntimeout = true",
    "[profiles.a]\ntimeout = 1e7",
    "[profiles.a]\nmax_wait = -1",
    "[profiles.a]\nretries = 1.5",
    "[profiles.a]\nauth = 'oauth'",
    "[profiles.a]\nextra_parameters = 'pass'",
    "[profiles.a]\nkey_command = 'pass show'",
    "[profiles.a]\nkey_command = []",
    "[profiles.a]\nkey_command = ['', 'x']",
    "[profiles.a]\ndeployment = '{}'",
    "[profiles.a]\ndeployment = 'bl\u00fce'",
    "[profiles.a]\ninfill = '{prefix}'",
    "[profiles.a]\nparams = 1",
    "[profiles.a]\ntemperature = 1",
    "[profiles.a.params]\nmax_tokens = '5'",
    "[profiles.a.params]\nmax_tokens = true",
    "[profiles.a.params]\nstop = [1]",
    "[profiles.a.params]\nn = 2",
    "[profiles.a.extra]\nmax_tokens = 2",
    "[profiles.a.extra]\nstream = true",
    "[profiles.a.headers]\nHost = 'x'",
    "[profiles.a.headers]\nx = 1",
    "[profiles.a.headers]\n'a b' = 'x'",
    '[profiles.a.headers]\nx = "a\\nb"',
]


def is_read(text: str) -> bool:
    try:
        profile_file.parse(text, Path("f.toml"))
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("text", [*GOOD, (ROOT / "completions.toml.example").read_text(encoding="utf-8")])
def test_good_files_are_good_to_both(text: str) -> None:
    assert is_read(text)
    CHECK.validate(tomllib.loads(text))


@pytest.mark.parametrize("text", BAD)
def test_bad_files_are_bad_to_both(text: str) -> None:
    assert not is_read(text)
    assert not CHECK.is_valid(tomllib.loads(text))


@pytest.mark.parametrize("text", ["[profiles.a.extra]\nx = 2026-01-01", "[profiles.a.extra]\nx = 12:00:00"])
def test_dates_are_bad_to_both(text: str) -> None:
    assert not is_read(text)
    assert not CHECK.is_valid(tomllib.loads(text))


_VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**40), 2**40),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", " ", "key", "none", "drop", "{prefix}{suffix}", "[1]", "a\tb", "https://x"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=4,
)
_NAMES = st.sampled_from([*PROFILE_SETTINGS, *PROFILE_TABLES, "unknown"])
_TABLES = st.dictionaries(st.sampled_from([*PARAMETERS, "prompt", "top_k", "Host", "x-a", "a b"]), _VALUES, max_size=3)


@given(st.dictionaries(_NAMES, _VALUES | _TABLES, max_size=3))
def test_any_profile_is_judged_alike(profile: dict[str, Any]) -> None:
    text = f"[profiles]\na = {_inline(profile)}"
    data = tomllib.loads(text)
    assert CHECK.is_valid(data) == is_read(text) or _has_whole_float(data["profiles"]["a"].get("params"))


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_inline(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, float):
        return repr(value) if "." in repr(value) or "e" in repr(value) else f"{value}.0"
    return json.dumps(value)


def _has_whole_float(params: Any) -> bool:
    """Return whether a parameter is written as 4.0, which is an integer to JSON Schema alone."""
    values = params.values() if isinstance(params, dict) else []
    return any(isinstance(value, float) and value.is_integer() for value in values)


@pytest.mark.skipif(not TAPLO, reason="taplo is not installed")
@pytest.mark.parametrize(("texts", "is_good"), [(GOOD, True), (BAD, False)], ids=["good", "bad"])
def test_taplo_finds_the_same_mistakes(texts: list[str], is_good: bool, tmp_path: Path) -> None:
    (tmp_path / schema.FILE_NAME).write_text(schema.text(), encoding="utf-8")
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.toml").write_text(schema.DIRECTIVE + text, encoding="utf-8")
    wrong = []
    for number, text in enumerate(texts):
        done = subprocess.run(
            [TAPLO, "check", f"{number}.toml"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        if (done.returncode == 0) != is_good:
            wrong.append((text, done.stderr))
    assert not wrong


# The command


def test_the_schema_is_printed(cli: Cli) -> None:
    result = cli.run("config", "schema")
    assert (result.code, result.stderr) == (0, "")
    assert result.json() == schema.document()


def test_a_saved_schema_is_named_once_by_the_profile_file(cli: Cli) -> None:
    path = cli.profile("# mine\n[profiles.a]\nendpoint = 'https://x.example'\n")
    for _ in range(2):
        assert cli.run("config", "schema", "--save").code == 0
    assert path.read_text(encoding="utf-8").startswith("#:schema ./completions.schema.json\n# mine\n")
    assert path.read_text(encoding="utf-8").count("#:schema") == 1
    assert json.loads(path.with_name(schema.FILE_NAME).read_text(encoding="utf-8")) == schema.document()
    assert "a" in cli.run("config", "list").text


def test_a_schema_of_the_users_own_stays(cli: Cli) -> None:
    path = cli.profile("# mine\r\n#:schema https://schemas.example/x.json\r\n")
    assert cli.run("config", "schema", "--save").code == 0
    assert path.read_bytes() == b"# mine\r\n#:schema https://schemas.example/x.json\r\n"
