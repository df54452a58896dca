"""completions.toml.example shows every key there is, and is a file that works."""

from pathlib import Path

from completions_cli.api.parameters import PARAMETERS
from completions_cli.settings import profile_edit, profile_file
from completions_cli.settings.layers import Flags
from completions_cli.settings.pool import resolve_pool
from completions_cli.settings.table import PROFILE_SETTINGS, PROFILE_TABLES

EXAMPLE = Path(__file__).parents[2] / "completions.toml.example"


def test_the_example_is_valid_and_each_profile_resolves() -> None:
    file = profile_file.read(EXAMPLE, must_exist=True)
    for name in file.profiles:
        assert resolve_pool(Flags(profile=name), {}, file).name == name


def test_the_example_shows_every_key() -> None:
    profiles = profile_file.read(EXAMPLE, must_exist=True).profiles
    assert {key for profile in profiles.values() for key in profile} == {*PROFILE_SETTINGS, *PROFILE_TABLES}
    assert set(profiles["foundry"]["params"]) == set(PARAMETERS)


def test_the_example_survives_an_edit_and_its_undoing(tmp_path: Path) -> None:
    path = tmp_path / "completions.toml"
    text = EXAMPLE.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    for value in ("managed", "foundry"):
        with profile_edit.edit(path, tmp_path) as edit:
            edit.set(("default_profile",), value)
    assert path.read_text(encoding="utf-8") == text
