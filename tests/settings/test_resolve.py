"""Which value wins, where it came from, and which secrets may go to which endpoint."""

from pathlib import Path

import pytest

from completions_cli.errors import ConfigError, UsageError
from completions_cli.models import Json
from completions_cli.settings.key_sources import KeySource
from completions_cli.settings.layers import Flags
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.settings.resolve import resolve

HERE = "https://here.example"


def file(default: str | None = "p", **profile: Json) -> ProfileFile:
    return ProfileFile(Path("f.toml"), True, default, {"p": {"endpoint": HERE, **profile}})


def test_a_flag_beats_a_variable_beats_the_profile_beats_the_late_variable_beats_the_default() -> None:
    variables = {"COMPLETIONS_ENDPOINT": "https://variable", "AZURE_INFERENCE_ENDPOINT": "https://azure"}
    late = {"AZURE_INFERENCE_ENDPOINT": "https://azure"}
    flags = Flags(settings={"endpoint": "https://flag"})
    layers = [
        (resolve(flags, variables, file()), "https://flag", "--endpoint"),
        (resolve(Flags(), variables, file()), "https://variable", "COMPLETIONS_ENDPOINT"),
        (resolve(Flags(), late, file()), HERE, "profile p"),
        (resolve(Flags(), late, ProfileFile(Path("f"))), "https://azure", "AZURE_INFERENCE_ENDPOINT"),
    ]
    for settings, value, source in layers:
        assert (settings.values["endpoint"], settings.sources["endpoint"]) == (value, source)
    assert (layers[0][0].values["timeout"], layers[0][0].sources["timeout"]) == (300.0, "default")


@pytest.mark.parametrize(
    ("flag", "environ", "default", "name", "source"),
    [
        ("p", {"COMPLETIONS_PROFILE": "x"}, None, "p", "--profile"),
        (None, {"COMPLETIONS_PROFILE": "p"}, None, "p", "COMPLETIONS_PROFILE"),
        (None, {"COMPLETIONS_PROFILE": ""}, "p", "p", "default_profile in f.toml"),
        (None, {"COMPLETIONS_ENDPOINT": HERE}, None, "p", "the only profile in f.toml"),
    ],
)
def test_the_profile_is_chosen_by_flag_variable_default(
    flag: str | None, environ: dict[str, str], default: str | None, name: str | None, source: str
) -> None:
    settings = resolve(Flags(profile=flag), environ, file(default))
    assert (settings.profile, settings.sources["profile"]) == (name, source)


def test_an_unknown_profile_is_an_error_that_names_who_asked_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no profile 'q' \(from COMPLETIONS_PROFILE\)"):
        resolve(Flags(), {"COMPLETIONS_PROFILE": "q"}, file())
    with pytest.raises(ConfigError) as caught:
        resolve(Flags(profile="q"), {}, ProfileFile(Path("f.toml"), True, None, {"local": {}}))
    assert caught.value.hint == "Valid here: local."
    with pytest.raises(ConfigError) as caught:
        resolve(Flags(profile="q"), {}, ProfileFile(Path("f.toml"), False, None, {}))
    assert caught.value.hint == "Only local is built in; `completions config init` makes others."


def test_an_argument_of_a_program_beats_all_and_is_checked() -> None:
    environ = {"COMPLETIONS_TIMEOUT": "2"}
    settings = resolve(Flags(arguments={"timeout": 5}, settings={"timeout": "3"}), environ, file())
    assert (settings.values["timeout"], settings.sources["timeout"]) == (5.0, "argument")
    assert resolve(Flags(arguments={"timeout": None}), environ, file()).values["timeout"] == 2.0
    with pytest.raises(UsageError, match="timeout must be a positive number of seconds"):
        resolve(Flags(arguments={"timeout": "5"}), {}, file())


def test_the_api_version_goes_into_the_endpoint() -> None:
    settings = resolve(Flags(settings={"api_version": "2025-05-01"}), {}, file())
    assert settings.endpoint
    assert settings.endpoint.url == f"{HERE}/completions?api-version=2025-05-01"


def test_a_wrong_value_is_blamed_on_its_source() -> None:
    with pytest.raises(ConfigError, match=r"endpoint names no host.* \(from AZURE_INFERENCE_ENDPOINT\)"):
        resolve(Flags(), {"AZURE_INFERENCE_ENDPOINT": "https://"}, ProfileFile(Path("f")))
    with pytest.raises(UsageError, match="--timeout must be a positive number of seconds, at most 1,000,000, not 'x'"):
        resolve(Flags(settings={"timeout": "x"}), {}, file())
    with pytest.raises(ConfigError, match="COMPLETIONS_RETRIES must be a whole number"):
        resolve(Flags(), {"COMPLETIONS_RETRIES": "x"}, file())
    with pytest.raises(UsageError, match=r"from 0 to 1,000,000, not '-x{59}…'"):
        resolve(Flags(settings={"max_wait": "-" + "x" * 5000}), {}, file())


def test_the_keys_order_is_variable_file_command_keyring_late_variable() -> None:
    environ = {
        "COMPLETIONS_API_KEY": "1",
        "COMPLETIONS_API_KEY_FILE": "2",
        "AZURE_INFERENCE_CREDENTIAL": "3",
        "AZURE_INFERENCE_ENDPOINT": HERE + "/models",
    }
    assert resolve(Flags(), environ, file(key_command=["c"])).key_sources == (
        KeySource("variable", "COMPLETIONS_API_KEY", "COMPLETIONS_API_KEY"),
        KeySource("file", "2", "COMPLETIONS_API_KEY_FILE"),
        KeySource("command", ("c",), "key_command"),
        KeySource("keyring", f"p@{HERE}", "the keyring", is_own=True),
        KeySource("variable", "AZURE_INFERENCE_CREDENTIAL", "AZURE_INFERENCE_CREDENTIAL"),
    )


NAMED = Flags(profile="p")


def test_a_profile_named_on_the_command_line_beats_variables() -> None:
    variables = {"COMPLETIONS_ENDPOINT": "https://variable", "COMPLETIONS_TIMEOUT": "7", "COMPLETIONS_MODEL": "m"}
    settings = resolve(NAMED, variables, file(timeout=5))
    assert (settings.values["endpoint"], settings.sources["endpoint"]) == (HERE, "profile p")
    assert settings.values["timeout"] == 5
    # What it leaves out comes from below.
    assert (settings.values["model"], settings.sources["model"]) == ("m", "COMPLETIONS_MODEL")
    typed = resolve(Flags(profile="p", settings={"endpoint": "https://flag"}), variables, file())
    assert typed.values["endpoint"] == "https://flag"


def test_several_profiles_without_a_default_are_none() -> None:
    two = ProfileFile(Path("f.toml"), True, None, {"p": {"endpoint": HERE}, "q": {"endpoint": HERE}})
    with pytest.raises(ConfigError, match=r"no profile is chosen, and f\.toml has no default_profile") as caught:
        resolve(Flags(), {}, two)
    assert caught.value.hint == "Name one with -p (p, q), or choose a default: completions config use NAME"


def test_the_embedded_model_answers_where_nothing_above_the_default_profile_names_an_endpoint() -> None:
    default = ProfileFile(Path("f"), True, "local", {"other": {"endpoint": HERE}})
    assert resolve(Flags(), {}, default).is_local
    assert resolve(Flags(), {"AZURE_INFERENCE_ENDPOINT": "https://azure"}, default).is_local
    assert not resolve(Flags(), {"COMPLETIONS_ENDPOINT": "https://variable"}, default).is_local
    assert not resolve(Flags(settings={"endpoint": "https://flag"}), {}, default).is_local
    assert resolve(Flags(profile="local"), {"COMPLETIONS_ENDPOINT": "https://variable"}, default).is_local


@pytest.mark.parametrize("variable", ["COMPLETIONS_API_KEY", "COMPLETIONS_API_KEY_FILE"])
def test_a_key_in_a_variable_belongs_to_the_endpoint_in_a_variable(variable: str) -> None:
    environ = {variable: "k", "COMPLETIONS_ENDPOINT": "https://there.example/v1"}
    for flags in (NAMED, Flags(settings={"endpoint": HERE})):
        settings = resolve(flags, environ, file())
        assert (settings.withheld, [source.kind for source in settings.key_sources]) == (variable, ["keyring"])
    same = resolve(Flags(settings={"endpoint": "https://THERE.example:443/models"}), environ, file())
    assert (same.withheld, same.key_sources[0].name) == (None, variable)
    alone = resolve(NAMED, {variable: "k"}, file())
    assert (alone.withheld, alone.key_sources[0].name) == (None, variable)


@pytest.mark.parametrize("kind", ["none", "entra"])
def test_a_key_beside_an_endpoint_in_a_variable_is_used_whatever_the_default_profile_says(kind: str) -> None:
    environ = {"COMPLETIONS_ENDPOINT": "https://other.example", "COMPLETIONS_API_KEY": "k"}
    settings = resolve(Flags(), environ, file(auth=kind))
    assert (settings.values["auth"], settings.sources["auth"]) == ("key", "COMPLETIONS_API_KEY")
    same = {**environ, "COMPLETIONS_ENDPOINT": HERE}
    without = {"COMPLETIONS_ENDPOINT": "https://other.example"}
    typed = Flags(settings={"endpoint": "https://other.example"})
    for flags, variables in ((Flags(), same), (Flags(), without), (Flags(profile="p"), environ), (typed, environ)):
        assert resolve(flags, variables, file(auth=kind)).values["auth"] == kind
    assert resolve(Flags(settings={"auth": "none"}), environ, file(auth=kind)).sources["auth"] == "--auth"


@pytest.mark.parametrize(
    ("named", "path"), [("k", "folder/k"), ("keys/k", "folder/keys/k"), ("/abs/k", "/abs/k"), ("~/k", "~/k")]
)
def test_a_key_file_is_relative_to_the_profile_file_and_serves_its_endpoint_alone(named: str, path: str) -> None:
    profiles = ProfileFile(Path("folder/f.toml"), True, "p", {"p": {"endpoint": HERE, "key_file": named}})
    sources = resolve(Flags(), {}, profiles).key_sources
    assert sources[0] == KeySource("file", path, "key_file", is_private=True)
    assert resolve(Flags(settings={"endpoint": "https://there"}), {}, profiles).key_sources[0].kind == "keyring"


@pytest.mark.parametrize("deployment", ["blue\r\nx: 1", "blue\nx", "b\x00", "bl\u00e4u", "b\x7f", "\u2028"])
def test_a_deployment_cannot_carry_a_header(deployment: str) -> None:
    for error, flags, environ in (
        (UsageError, Flags(settings={"deployment": deployment}), {}),
        (UsageError, Flags(arguments={"deployment": deployment}), {}),
        (ConfigError, Flags(), {"COMPLETIONS_DEPLOYMENT": deployment}),
    ):
        with pytest.raises(error, match=r"must be a (string|line)"):
            resolve(flags, environ, file())


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://there.example",
        "http://here.example",
        "https://here.example:8443",
        "https://here.example.evil.example",
        "https://evilhere.example",
    ],
)
def test_what_belongs_to_one_origin_is_not_used_for_another(elsewhere: str) -> None:
    profiles = file(key_command=["c"], headers={"X-Secret": "s"})
    environ = {"AZURE_INFERENCE_CREDENTIAL": "3", "AZURE_INFERENCE_ENDPOINT": HERE}
    for flags, variables in (
        (Flags(settings={"endpoint": elsewhere}), environ),
        (Flags(), {**environ, "COMPLETIONS_ENDPOINT": elsewhere}),
    ):
        settings = resolve(flags, variables, profiles)
        assert settings.key_sources == (KeySource("keyring", f"p@{elsewhere}", "the keyring", is_own=False),)
        assert settings.headers == {}


@pytest.mark.parametrize("nowhere", [None, "no URL at all"])
def test_what_belongs_nowhere_is_used_for_no_endpoint(nowhere: str | None) -> None:
    endpoint = {} if nowhere is None else {"endpoint": nowhere}
    profiles = ProfileFile(Path("f"), True, "p", {"p": {"key_command": ["c"], "headers": {"X-Secret": "s"}} | endpoint})
    environ = {"AZURE_INFERENCE_CREDENTIAL": "3"} | ({} if nowhere is None else {"AZURE_INFERENCE_ENDPOINT": nowhere})
    settings = resolve(Flags(settings={"endpoint": HERE}), environ, profiles)
    assert [source.kind for source in settings.key_sources] == ["keyring"]
    assert settings.headers == {}


@pytest.mark.parametrize("same", ["https://HERE.example", "https://here.example:443/v1", "here.example/score"])
def test_other_spellings_of_an_origin_are_the_same(same: str) -> None:
    profiles = file(key_command=["c"], headers={"X-Secret": "s"})
    settings = resolve(Flags(settings={"endpoint": same}), {}, profiles)
    assert [source.value for source in settings.key_sources] == [("c",), f"p@{HERE}"]
    assert settings.headers == {"x-secret": "s"}
    assert settings.secret_headers == {"x-secret"}


def test_a_scope_of_the_profile_is_not_asked_for_elsewhere() -> None:
    profiles = file(scope="mine")
    for flags, scope, source in (
        (Flags(), "mine", "profile p"),
        (Flags(settings={"endpoint": "https://there.example"}), None, "default"),
        (Flags(settings={"endpoint": "https://there.example"}, arguments={"scope": "theirs"}), "theirs", "argument"),
    ):
        settings = resolve(flags, {}, profiles)
        assert (settings.values["scope"], settings.sources["scope"]) == (scope, source)


def test_parameters_have_sources_too_and_can_be_unset() -> None:
    profiles = file(params={"temperature": 0.5, "seed": 1, "top_p": 1, "presence_penalty": 1}, extra={"k": 1})
    flags = Flags(
        parameters={"seed": 2}, unset=frozenset({"temperature", "seed"}), body={"stop": "x", "top_p": 0}, extra={"l": 2}
    )
    settings = resolve(flags, {}, profiles)
    assert settings.parameters == {"max_tokens": 256, "top_p": 0, "presence_penalty": 1, "stop": "x", "seed": 2}
    assert settings.extra == {"k": 1, "l": 2}
    named = {name: source for name, source in settings.sources.items() if name.startswith("params.")}
    assert named == {
        "params.max_tokens": "default",
        "params.top_p": "--request",
        "params.presence_penalty": "profile p",
        "params.stop": "--request",
        "params.seed": "flag",
    }
    assert resolve(Flags(), {}, profiles).sources["params.temperature"] == "profile p"


def test_extras_of_the_profile_and_of_a_body_can_be_unset_too() -> None:
    profiles = file(extra={"top_k": 1, "kept": 2})
    flags = Flags(unset=frozenset({"top_k", "user"}), body_extra={"user": "me", "kept": 3}, extra={"typed": 4})
    assert resolve(flags, {}, profiles).extra == {"kept": 3, "typed": 4}
    with pytest.raises(UsageError, match="--unset topk: no such parameter") as caught:
        resolve(Flags(unset=frozenset({"topk"})), {}, profiles)
    assert caught.value.hint == "Did you mean 'top_k'?"


def test_the_profile_local_has_no_endpoint_unless_it_names_one() -> None:
    settings = resolve(Flags(profile="local"), {"COMPLETIONS_ENDPOINT": HERE}, ProfileFile(Path("f")))
    assert (settings.is_local, settings.endpoint, settings.values["endpoint"]) == (True, None, None)
    for flags in (
        Flags(profile="local", settings={"endpoint": HERE}),
        Flags(profile="local", arguments={"endpoint": HERE}),
    ):
        with pytest.raises(UsageError, match="the profile local runs its own endpoint"):
            resolve(flags, {}, ProfileFile(Path("f")))
    own = ProfileFile(Path("f"), True, None, {"local": {"endpoint": "http://127.0.0.1:1"}})
    assert not resolve(Flags(profile="local"), {}, own).is_local


def test_without_an_endpoint_the_error_says_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match="no endpoint is configured") as caught:
        resolve(Flags(), {}, ProfileFile(Path("f")))
    assert "completions config init" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="the profile a b has no endpoint") as caught:
        resolve(Flags(profile="a b"), {}, ProfileFile(Path("f"), True, None, {"a b": {}}))
    assert "config set -p 'a b' endpoint URL" in str(caught.value.hint)


def test_a_proxy_is_never_used_for_this_machine() -> None:
    local = file(endpoint="http://127.0.0.1:1", proxy="http://proxy:1")
    assert resolve(Flags(), {"HTTP_PROXY": "http://proxy:1"}, local).values["proxy"] is None
    settings = resolve(Flags(), {"HTTPS_PROXY": "http://proxy:1"}, file())
    assert (settings.values["proxy"], settings.sources["proxy"]) == ("http://proxy:1", "HTTPS_PROXY")


def test_a_proxy_is_completed_and_a_wrong_one_is_blamed_on_its_source() -> None:
    assert resolve(Flags(settings={"proxy": "proxy:1"}), {}, file()).values["proxy"] == "http://proxy:1"
    for flags, environ, source in (
        (Flags(settings={"proxy": "proxy:x"}), {}, "--proxy"),
        (Flags(), {"HTTPS_PROXY": "proxy:x"}, "HTTPS_PROXY"),
    ):
        with pytest.raises(ConfigError, match=f"the proxy from {source} is not"):
            resolve(flags, environ, file())


@pytest.mark.parametrize(
    ("environ", "profile", "bundle", "source"),
    [
        ({}, {}, None, "default"),
        ({"SSL_CERT_FILE": "a.pem"}, {}, "a.pem", "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "b.pem"}, {}, "b.pem", "REQUESTS_CA_BUNDLE"),
        ({"SSL_CERT_FILE": "a.pem"}, {"ca_bundle": "c.pem"}, "c.pem", "profile p"),
    ],
)
def test_certificates_are_those_of_the_profile_then_of_the_variables(
    environ: dict[str, str], profile: dict[str, str], bundle: str | None, source: str
) -> None:
    settings = resolve(Flags(), environ, file(**profile))
    assert (settings.values["ca_bundle"], settings.sources["ca_bundle"]) == (bundle, source)
