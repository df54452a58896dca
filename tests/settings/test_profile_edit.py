"""Changes to completions.toml: comments and order kept, nothing lost, whatever happens meanwhile."""

import functools
import os
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from completions_cli.errors import ConfigError, OutputError
from completions_cli.settings import profile_edit, profile_file
from completions_cli.settings.profile_edit import Edit

TEXT = """\
# My profiles

# where most work goes
default_profile = "a"  # for now

# about a
[profiles.a]
endpoint = "https://a.example"   # why
[profiles.a.params]
max_tokens = 3

# --- second part ---

# about b
[profiles.b]
endpoint = "https://b.example"
# the end of b
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "completions" / "completions.toml"


def change(path: Path, make: Callable[[Edit], None], text: str | None = None) -> str:
    if text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with profile_edit.edit(path, path.parent) as edit:
        make(edit)
    return path.read_text(encoding="utf-8")


def test_a_changed_value_keeps_its_comment_and_everything_else(path: Path) -> None:
    after = change(path, lambda edit: edit.set(("profiles", "a", "endpoint"), "https://new"), TEXT)
    assert after == TEXT.replace("https://a.example", "https://new")


def test_a_new_key_goes_to_its_table_and_not_below_the_next_tables_comment(path: Path) -> None:
    after = change(path, lambda edit: edit.set(("profiles", "a", "params", "seed"), 7), TEXT)
    assert after == TEXT.replace("max_tokens = 3\n", "max_tokens = 3\nseed = 7\n")


def test_a_removed_table_takes_its_own_comment_and_no_other(path: Path) -> None:
    def make(edit: Edit) -> None:
        edit.unset(("profiles", "a"))
        edit.set(("default_profile",), "b")

    start, end = TEXT.index("# about a"), TEXT.index("# --- second")
    assert change(path, make, TEXT) == (TEXT[:start] + TEXT[end:]).replace('"a"  #', '"b"  #')


def test_the_last_table_removed_leaves_what_stood_free_above_it(path: Path) -> None:
    after = change(path, lambda edit: edit.unset(("profiles", "b")), TEXT)
    assert after.rstrip() == TEXT[: TEXT.index("\n# about b")].rstrip()


def test_a_table_between_others_leaves_their_comments(path: Path) -> None:
    text = "# 1\n[profiles.a]\n# 2\n[profiles.b]\n# 3\n[profiles.c]\n"
    assert change(path, lambda edit: edit.unset(("profiles", "b")), text) == "# 1\n[profiles.a]\n# 3\n[profiles.c]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("profiles.a.endpoint = 'x' # c\n", 'profiles.a.endpoint = "y" # c\n'),
        ("profiles = {a = {endpoint = 'x'}} # c\n", 'profiles = {a = {endpoint = "y"}} # c\n'),
        ("[profiles]\na.endpoint = 'x'\n", '[profiles]\na.endpoint = "y"\n'),
        ("[profiles.'a'] # c\n'endpoint' = 'x'\n", "[profiles.'a'] # c\n'endpoint' = \"y\"\n"),
    ],
)
def test_other_spellings_stay_as_they_are(path: Path, text: str, expected: str) -> None:
    assert change(path, lambda edit: edit.set(("profiles", "a", "endpoint"), "y"), text) == expected


def test_tables_that_are_apart_are_one(path: Path) -> None:
    text = "[profiles.a]\n# b\n[profiles.b]\n# a again\n[profiles.a.params]\nseed = 1\n"
    after = change(path, lambda edit: edit.set(("profiles", "a", "params", "seed"), 2), text)
    assert after == text.replace("seed = 1", "seed = 2")
    assert change(path, lambda edit: edit.unset(("profiles", "a"))) == "# b\n[profiles.b]\n"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        (("params", "seed"), 7, "[profiles.new.params]\nseed = 7\n"),
        (("extra", "a", "b"), 7, "[profiles.new.extra]\na = {b = 7}\n"),
        (("extra",), {"a": {"b": [{"c": 1}]}}, "[profiles.new.extra]\na = {b = [{c = 1}]}\n"),
    ],
)
def test_a_new_profile_is_written_in_tables_and_what_is_below_them_inline(
    path: Path, key: tuple[str, ...], value: object, text: str
) -> None:
    assert change(path, lambda edit: edit.set(("profiles", "new", *key), value)).endswith(text)


def test_what_is_set_is_looked_up_by_its_path(path: Path) -> None:
    change(path, lambda _: None, TEXT)
    file = profile_file.read(path, must_exist=True)
    found = {
        key: profile_edit.look_up(file, tuple(key.split("/")))
        for key in ("default_profile", "profiles/a/params/max_tokens", "profiles/c/timeout", "profiles/a/endpoint/x")
    }
    assert list(found.values()) == ["a", 3, None, None]
    assert profile_edit.look_up(file, ("profiles",)) == file.profiles


def test_a_first_profile_makes_the_file_and_its_folder_for_the_owner_alone(path: Path) -> None:
    after = change(path, lambda edit: edit.set(("profiles", "a", "endpoint"), "x"))
    assert after == '[profiles.a]\nendpoint = "x"\n'
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_readable_file_becomes_private(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)
    change(path, lambda edit: edit.set(("profiles", "a", "endpoint"), "x"))
    assert sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    target = tmp_path / "dotfiles.toml"
    target.write_text(TEXT, encoding="utf-8")
    path.symlink_to(target)
    change(path, lambda edit: edit.set(("default_profile",), "b"))
    assert path.is_symlink()
    assert tomllib.loads(target.read_text(encoding="utf-8"))["default_profile"] == "b"


def test_a_change_that_would_break_the_file_is_refused_and_nothing_written(path: Path) -> None:
    with pytest.raises(ConfigError, match="default_profile 'b' is not a profile"):
        change(path, lambda edit: edit.unset(("profiles", "b")), TEXT.replace('"a"  #', '"b"  #'))
    assert "profiles.b" in path.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"completions\.toml:1:5: "):
        change(path, lambda edit: edit.set(("default_profile",), "local"), "a = \n")
    with pytest.raises(ConfigError, match=r"profiles\.a\.timeout is not set"):
        change(path, lambda edit: edit.unset(("profiles", "a", "timeout")), TEXT)


def test_where_nothing_can_be_written_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"folder .*file/sub cannot be made"):
        change(tmp_path / "file" / "sub" / "completions.toml", lambda edit: edit.set(("default_profile",), "local"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files")
def test_a_folder_that_takes_no_files_is_an_output_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="cannot be written"),
        profile_edit.edit(Path("/proc/self/completions.toml"), tmp_path) as edit,
    ):
        edit.set(("default_profile",), "local")


def test_the_only_profile_can_be_removed_and_the_last_key_of_a_table(path: Path) -> None:
    text = "# a\n[profiles.a]\nendpoint = 'x'\n[profiles.a.params]\nseed = 1\n"
    after = change(path, lambda edit: edit.unset(("profiles", "a", "params", "seed")), text)
    assert after == text.replace("seed = 1\n", "")
    assert change(path, lambda edit: edit.unset(("profiles", "a"))).strip() == ""
    text = "[profiles.a.params]\nseed = 1\n"
    assert "seed" not in change(path, lambda edit: edit.unset(("profiles", "a", "params")), text)


_NAMES = st.sampled_from(["a", "b", "c d", "e.f"])
_VALUES = st.one_of(st.integers(-9, 9), st.text(max_size=5), st.booleans(), st.floats(-9, 9))
_JSON = st.recursive(_VALUES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=2))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.tuples(st.just("profiles"), _NAMES, st.just("endpoint")), st.sampled_from(["x", "y"])),
        st.tuples(st.tuples(st.just("profiles"), _NAMES, st.just("params"), st.just("seed")), st.integers(0, 3)),
        st.tuples(st.tuples(st.just("profiles"), _NAMES, st.just("extra"), _NAMES), _JSON),
        st.tuples(st.tuples(st.just("profiles"), _NAMES, st.just("headers"), st.just("X-A")), st.just("1")),
        st.tuples(st.tuples(st.just("profiles"), _NAMES), st.none()),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(steps=_STEPS)
def test_any_row_of_changes_gives_the_data_asked_for_and_loses_no_comment(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[tuple[str, ...], Any]]
) -> None:
    path = tmp_path_factory.mktemp("edit") / "completions.toml"
    text = "# head\n\n# z\n[profiles.z]\nendpoint = 'z' # end\n\n# free\n\n# y\n[profiles.y.params]\nseed = 1\n"
    path.write_text(text, encoding="utf-8")
    expected = tomllib.loads(text)["profiles"]
    for keys, value in steps:
        if value is None and keys[1] not in expected:
            continue
        change(path, functools.partial(_step, keys=keys, value=value))
        table = expected
        for name in keys[1:-1]:
            table = table.setdefault(name, {})
        if value is None:
            del table[keys[-1]]
        else:
            table[keys[-1]] = value
    after = path.read_text(encoding="utf-8")
    assert tomllib.loads(after)["profiles"] == expected
    assert [line for line in after.splitlines() if line.startswith("#")] == ["# head", "# z", "# free", "# y"]
    assert "'z' # end\n" in after


def _step(edit: Edit, *, keys: tuple[str, ...], value: object) -> None:
    if value is None:
        edit.unset(keys)
    else:
        edit.set(keys, value)


_WRITER = """
import sys
from pathlib import Path
from completions_cli.settings import profile_edit
path = Path(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    with profile_edit.edit(path, path.parent) as edit:
        edit.set(("profiles", sys.argv[2], "retries"), number)
    print(number, flush=True)
"""


def writer(path: Path, name: str, times: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), name, str(times)], stdout=subprocess.PIPE, text=True
    )


def test_a_file_in_crlf_stays_so(path: Path) -> None:
    def make(edit: Edit) -> None:
        edit.set(("profiles", "new", "params", "seed"), 1)

    in_lf = change(path.with_name("lf.toml"), make, TEXT)
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    change(path, make)
    assert path.read_bytes().decode() == in_lf.replace("\n", "\r\n")


def test_twenty_writers_at_once_lose_nothing(path: Path) -> None:
    path.parent.mkdir()
    writers = [writer(path, f"p{number}", 3) for number in range(20)]
    for each in writers:
        each.communicate(timeout=60)
        assert each.returncode == 0
    profiles = tomllib.loads(path.read_text(encoding="utf-8"))["profiles"]
    assert profiles == {f"p{number}": {"retries": 2} for number in range(20)}


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_writer_killed_at_any_moment_leaves_a_whole_file_and_no_lock(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(TEXT, encoding="utf-8")
    for lines in (1, 2, 3, 5, 8, 13):
        victim = writer(path, "victim", 1000)
        assert victim.stdout
        for _ in range(lines):
            victim.stdout.readline()
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait(timeout=10)
        victim.stdout.close()
        after = change(path, lambda edit: edit.set(("profiles", "other", "retries"), 1))
        profiles = tomllib.loads(after)["profiles"]
        assert {"a", "b", "other"} <= profiles.keys()
        assert after.startswith(TEXT[:30])
