"""Keys and values as they are typed for `config get|set|unset`."""

import pytest

from completions_cli.errors import ConfigError, UsageError
from completions_cli.settings import key_path


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("default_profile", ("default_profile",)),
        ("profiles", ("profiles",)),
        ("profiles.x", ("profiles", "x")),
        ("profiles.x.endpoint", ("profiles", "x", "endpoint")),
        ('profiles."x.y".params.seed', ("profiles", "x.y", "params", "seed")),
        ("endpoint", ("profiles", "chosen", "endpoint")),
        ("params.temperature", ("profiles", "chosen", "params", "temperature")),
        ("extra.a.b", ("profiles", "chosen", "extra", "a", "b")),
        ("headers.X-A", ("profiles", "chosen", "headers", "X-A")),
    ],
)
def test_a_key_is_a_path_in_the_file(typed: str, path: tuple[str, ...]) -> None:
    assert key_path.parse(typed, "chosen") == path


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("endpont", "'endpoint'"),
        ("profiles.x.endpont", "'endpoint'"),
        ("params.temprature", "'temperature'"),
        ("format", "Valid here"),
        ("endpoint.x", None),
        ("params.seed.x", None),
        ("default_profile.x", "'default_profile'"),
        ("a b", "with dots"),
    ],
)
def test_what_is_no_key_is_refused_with_the_nearest_one(typed: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        key_path.parse(typed, "chosen")
    assert hint is None or hint in str(caught.value.hint)


@pytest.mark.parametrize("typed", ["headers.x.y", "headers.x.y.z", "profiles.p.headers.x.y"])
def test_dots_in_a_name_have_to_be_quoted(typed: str) -> None:
    with pytest.raises(UsageError, match=r"^headers\.x is not a table") as caught:
        key_path.parse(typed, "p")
    assert caught.value.hint == 'Quote dots: headers."a.b".'
    assert key_path.parse('headers."x.y"', "p") == ("profiles", "p", "headers", "x.y")


def test_a_bare_key_needs_a_profile() -> None:
    with pytest.raises(ConfigError, match="none is chosen"):
        key_path.parse("endpoint", None)


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("default_profile", "5", "5"),
        ("deployment", "5", "5"),
        ("timeout", "5", 5),
        ("timeout", "0.5", 0.5),
        ("retries", "5", 5),
        ("key_command", '["pass", "x"]', ["pass", "x"]),
        ("params.seed", "5", 5),
        ("params.temperature", "0.5", 0.5),
        ("params.stop", "5", "5"),
        ("params.stop", '["a", "b"]', ["a", "b"]),
        ("params.stop", "[x", "[x"),
        ("params", '{"seed": 1}', {"seed": 1}),
        ("extra.k", "5", 5),
        ("extra.k", '"5"', "5"),
        ("extra.k", "plain", "plain"),
        ("extra.k", '{"a": [1, {"b": true}]}', {"a": [1, {"b": True}]}),
        ("extra.k", "NaN", "NaN"),
        ("extra.k", "-Infinity", "-Infinity"),
        ("extra.k", "1e999", "1e999"),
        ("headers.X-A", "5", "5"),
    ],
)
def test_a_value_takes_the_type_of_its_key(key: str, typed: str, value: object) -> None:
    found = key_path.value(key_path.parse(key, "p"), typed)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("endpoint", " "),
        ("timeout", "canary"),
        ("timeout", "nan"),
        ("retries", "-1"),
        ("auth", "canary"),
        ("key_command", "canary"),
        ("key_command", "[]"),
        ("params.seed", "1.5"),
        ("params.seed", "canary"),
        ("params", "[1]"),
        ("params", '{"sede": 1}'),
        ("extra.k", "null"),
        ("extra.k", "[null]"),
        ("extra.k", "[NaN]"),
        ("extra.k", '{"a": 1e999}'),
        ("params.temperature", "1e999"),
        ("headers.X-A", "canary\n"),
        ("headers", '{"X": 1}'),
        ("profiles.x", "{}"),
        ("endpoint", "\udcff"),
    ],
)
def test_a_value_of_another_type_is_refused_without_repeating_it(key: str, typed: str) -> None:
    with pytest.raises(UsageError) as caught:
        key_path.value(key_path.parse(key, "p"), typed)
    assert "canary" not in caught.value.message
