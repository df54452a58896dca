"""A pool is several profiles used together: what each member is, and what cannot be said for all of them."""

from pathlib import Path

import pytest

from completions_cli.errors import ConfigError, UsageError
from completions_cli.models import Json
from completions_cli.settings.layers import Flags
from completions_cli.settings.pool import Limits, named, resolve_pool
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.settings.resolve import resolve

BY_NAME = Flags(profile="all")
SIDE_BY_SIDE = Flags(members=("east", "west"))
EAST = {"endpoint": "https://east.example", "deployment": "blue", "timeout": 5, "rpm": 60, "price_in": 1}
WEST = {"endpoint": "https://west.example", "model": "m", "params": {"seed": 1, "top_p": 0.5}}


def file(**pool: Json) -> ProfileFile:
    profiles: dict[str, dict[str, Json]] = {"east": EAST, "west": WEST, "all": {"members": ["east", "west"], **pool}}
    return ProfileFile(Path("f.toml"), exists=True, profiles=profiles)


@pytest.mark.parametrize("flags", [BY_NAME, SIDE_BY_SIDE])
def test_each_member_keeps_what_is_its_own(flags: Flags) -> None:
    pool = resolve_pool(flags, {}, file())
    east, west = pool.members
    assert pool.is_pool
    assert [member.profile for member in pool.members] == ["east", "west"]
    assert (east.values["deployment"], west.values["deployment"]) == ("blue", None)
    assert (east.values["model"], west.values["model"]) == (None, "m")
    assert (east.values["rpm"], west.values["rpm"]) == (60, None)
    assert [source.value for source in east.key_sources] == ["east@https://east.example"]
    assert [source.value for source in west.key_sources] == ["west@https://west.example"]


def test_what_the_pool_says_comes_before_its_members_and_its_limits_are_of_all() -> None:
    pool = resolve_pool(BY_NAME, {}, file(timeout=9, rpm=600, concurrency=8, price_in=3, params={"seed": 2}))
    assert [member.values["timeout"] for member in pool.members] == [9, 9]
    assert [member.values["price_in"] for member in pool.members] == [1, 3]
    assert [member.parameters["seed"] for member in pool.members] == [2, 2]
    assert pool.members[1].parameters["top_p"] == 0.5
    assert pool.limits == Limits(600, None, 8)
    assert [member.values["rpm"] for member in pool.members] == [60, None]


def test_one_profile_is_a_pool_of_one_whose_limits_are_its_own() -> None:
    pool = resolve_pool(Flags(profile="east"), {}, file())
    assert (pool.name, pool.is_pool, pool.limits) == ("east", False, Limits())
    assert pool.first == resolve(Flags(profile="east"), {}, file())


@pytest.mark.parametrize("name", ["endpoint", "deployment", "model", "unix_socket", "model_path"])
def test_what_is_of_one_endpoint_cannot_be_said_to_a_pool(name: str) -> None:
    for flags in (
        Flags(profile="all", settings={name: "https://x"}),
        Flags(profile="all", arguments={name: "https://x"}),
        Flags(members=("east", "west"), settings={name: "https://x"}),
    ):
        with pytest.raises(UsageError, match="cannot be used with several profiles"):
            resolve_pool(flags, {}, file())


@pytest.mark.parametrize("header", ["authorization", "api-key", "x-api-key", "cookie"])
def test_no_secret_header_is_sent_to_all_members(header: str) -> None:
    with pytest.raises(UsageError, match="would be sent to all of them") as caught:
        resolve_pool(Flags(profile="all", headers={header: "canary"}), {}, file())
    assert "canary" not in f"{caught.value}{caught.value.hint}"
    assert resolve_pool(Flags(profile="all", headers={"x-team": "a"}), {}, file()).first.headers == {"x-team": "a"}


def test_variables_of_one_endpoint_are_not_used_and_named() -> None:
    environ = {
        "COMPLETIONS_API_KEY": "canary",
        "COMPLETIONS_API_KEY_FILE": "/canary",
        "COMPLETIONS_ENDPOINT": "https://east.example",
        "COMPLETIONS_DEPLOYMENT": "d",
        "COMPLETIONS_MODEL": "m",
    }
    pool = resolve_pool(BY_NAME, {**environ, "COMPLETIONS_TIMEOUT": "7"}, file())
    assert set(pool.unused) == set(environ)
    assert [[source.kind for source in member.key_sources] for member in pool.members] == [["keyring"], ["keyring"]]
    assert (pool.members[0].values["model"], pool.members[1].values["deployment"]) == (None, None)
    assert pool.members[1].values["timeout"] == 7


def test_a_pool_has_no_pools_in_it() -> None:
    with pytest.raises(UsageError, match="all is itself a pool"):
        resolve_pool(Flags(members=("east", "all")), {}, file())


def test_a_member_that_is_not_whole_is_named() -> None:
    lacking = ProfileFile(Path("f.toml"), True, None, {"east": EAST, "north": {"timeout": 3}})
    with pytest.raises(ConfigError, match="north has no endpoint"):
        resolve_pool(Flags(members=("east", "north")), {}, lacking)
    with pytest.raises(ConfigError, match="no profile 'south'"):
        resolve_pool(Flags(members=("east", "south")), {}, lacking)


@pytest.mark.parametrize("flags", [BY_NAME, SIDE_BY_SIDE])
def test_what_takes_one_profile_refuses_several_and_names_the_members(flags: Flags) -> None:
    with pytest.raises(UsageError, match="takes one profile") as caught:
        resolve(flags, {}, file())
    assert caught.value.hint == "Name one of them: -p east or -p west"


def test_the_stricter_limit_of_two_holds() -> None:
    assert Limits(60, None, 8).within(Limits(600, 9, None)) == Limits(60, 9, 8)


def test_a_profile_is_named_once() -> None:
    assert named([]) == (None, ())
    assert named(["a"]) == ("a", ())
    assert named(["a", "b"]) == (None, ("a", "b"))
    with pytest.raises(UsageError, match="-p a is given twice"):
        named(["a", "b", "a"])
