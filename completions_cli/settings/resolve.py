"""Which of several sources a setting comes from: pure, each value with its source."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from completions_cli.api import endpoint as endpoints
from completions_cli.api.endpoint import Endpoint
from completions_cli.api.headers import is_sensitive
from completions_cli.api.parameters import DEFAULT_MAX_TOKENS, PARAMETERS
from completions_cli.errors import ConfigError, UsageError
from completions_cli.models import Json
from completions_cli.quoting import quoted
from completions_cli.settings import key_sources, proxies
from completions_cli.settings.key_sources import KeySource
from completions_cli.settings.layers import Flags, Layers
from completions_cli.settings.profile_check import BUILT_IN, nearest
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.settings.table import SETTINGS, Values

_LONGEST_NAME = 1000
_EMBEDDED = "built in"
# What a profile says for its own server, beside its headers and keys.
_ITS_OWN: tuple[Literal["scope", "client_cert", "client_key", "unix_socket"], ...]
_ITS_OWN = ("scope", "client_cert", "client_key", "unix_socket")
_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a call needs to know. `sources` says of each name where its value came from.

    `endpoint` is None for the embedded model, and where there is none but none is needed. `withheld` names a variable
    with a key that is not for this endpoint.
    """

    profile: str | None
    endpoint: Endpoint | None
    values: Values = field(repr=False)
    parameters: Mapping[str, Json]
    extra: Mapping[str, Json]
    headers: Mapping[str, str] = field(repr=False)
    secret_headers: frozenset[str]
    key_sources: tuple[KeySource, ...]
    sources: Mapping[str, str]
    withheld: str | None = None

    @property
    def is_local(self) -> bool:
        """True when the embedded model is to answer."""
        return self.sources["endpoint"] == _EMBEDDED

    @property
    def is_signed_by_headers(self) -> bool:
        """True when a header of the user's own takes the place of the key, which is neither sent nor looked for."""
        return "authorization" in self.headers or ("api-key" in self.headers and self.values["auth"] == "key")


def resolve(flags: Flags, environ: Mapping[str, str], file: ProfileFile, *, needs_endpoint: bool = True) -> Settings:
    """Work out the settings of one call. Raises ConfigError, or UsageError for a flag."""
    if flags.members:
        raise _several("this takes one profile", flags.members)
    name, name_source = chosen(flags, environ, file)
    profile = lookup(name, name_source, file)
    if "members" in profile:
        raise _several(f"{name} is a pool of several profiles, and this takes one profile", profile["members"])
    layers = Layers(flags, environ, profile, f"profile {name}")
    found = {setting.name: layers.value(setting) for setting in SETTINGS.values()}
    sources = {"profile": name_source} | {key: source for key, (_, source) in found.items()}
    values = cast("Values", {key: value for key, (value, _) in found.items()})
    target = _endpoint(name, profile, values, flags, sources)
    if needs_endpoint and target is None and sources["endpoint"] != _EMBEDDED:
        raise no_endpoint(name, file)
    if values["unix_socket"] is None:
        _add_proxy(target, values, environ, sources)
    else:
        values["proxy"] = None
    _add_ca_bundle(values, environ, sources)
    # What the profile says for its own server goes to no other.
    is_own = target is None or key_sources.has_origin(profile.get("endpoint"), target)
    for name_of_own in _ITS_OWN if not is_own else ():
        if sources[name_of_own] == layers.profile_source:
            values[name_of_own], sources[name_of_own] = None, "default"
    paired = None if is_own or flags.profile is not None else key_sources.paired(environ, sources["endpoint"])
    if paired is not None and sources["auth"] == layers.profile_source:
        values["auth"], sources["auth"] = "key", paired
    _check_client_certificate(values, sources)
    profile_headers = {key.lower(): text for key, text in profile.get("headers", {}).items()} if is_own else {}
    all_headers = {**profile_headers, **flags.headers}
    return Settings(
        profile=name,
        endpoint=target,
        values=values,
        parameters=_parameters(flags, profile, layers.profile_source, sources),
        extra=_extra(flags, profile),
        headers=all_headers,
        secret_headers=frozenset(
            header for header in all_headers if header not in flags.headers or is_sensitive(header)
        ),
        key_sources=key_sources.listed(name, profile, target, environ, file.path.parent) if target else (),
        withheld=key_sources.withheld(environ, target) if target else None,
        sources=sources,
    )


def _several(message: str, members: Sequence[str]) -> UsageError:
    return UsageError(message, hint=f"Name one of them: -p {' or -p '.join(map(shlex.quote, members))}")


def chosen(flags: Flags, environ: Mapping[str, str], file: ProfileFile) -> tuple[str | None, str]:
    """Return the name of the profile in use, None for none, and who says so."""
    if flags.profile is not None:
        return flags.profile, "--profile"
    if environ.get("COMPLETIONS_PROFILE"):
        return environ["COMPLETIONS_PROFILE"], "COMPLETIONS_PROFILE"
    return file.chosen


def lookup(name: str | None, source: str, file: ProfileFile) -> Mapping[str, Json]:
    """Return what a profile says, as it stands in the file. Raises ConfigError when there is none of that name."""
    if name is None:
        return {}
    if name in file.profiles:
        return file.profiles[name]
    if name == BUILT_IN:
        return {}
    known = [*file.profiles, BUILT_IN]
    if any(map(str.isspace, name)):
        raise ConfigError(
            f"there is no profile {quoted(name, _LONGEST_NAME)} (from {source})",
            hint="-p names a profile. A prompt needs no option; put it in quotes.",
        )
    hint = nearest(name, known) if file.profiles else "Only local is built in; `completions config init` makes others."
    raise ConfigError(f"there is no profile {quoted(name, _LONGEST_NAME)} (from {source})", hint=hint)


def _endpoint(
    name: str | None, profile: Mapping[str, Json], values: Values, flags: Flags, sources: dict[str, str]
) -> Endpoint | None:
    """Resolve the endpoint. The embedded model has none: the profile `local`, unless it names one."""
    if _is_embedded(name, profile, flags, sources["endpoint"]):
        if "endpoint" in flags.settings or "endpoint" in flags.arguments:
            raise UsageError("the profile local runs its own endpoint", hint="Leave out --endpoint, or -p local.")
        values["endpoint"], sources["endpoint"] = None, _EMBEDDED
    if values["endpoint"] is None:
        return None
    try:
        return endpoints.resolve(values["endpoint"], values["api_version"])
    except ConfigError as error:
        raise ConfigError(f"{error.message} (from {sources['endpoint']})", hint=error.hint) from error


def _is_embedded(name: str | None, profile: Mapping[str, Json], flags: Flags, endpoint_source: str) -> bool:
    """Return whether the embedded model is to answer: named, or the default where nothing above names an endpoint."""
    if name != BUILT_IN or "endpoint" in profile:
        return False
    return flags.profile is not None or endpoint_source in ("default", SETTINGS["endpoint"].fallback)


def no_endpoint(name: str | None, file: ProfileFile) -> ConfigError:
    """Return the error for a missing endpoint, with how to set one."""
    if name is not None:
        return ConfigError(
            f"the profile {name} has no endpoint",
            hint=f"Set its endpoint: completions config set -p {shlex.quote(name)} endpoint URL",
        )
    if file.profiles:
        return ConfigError(
            f"no profile is chosen, and {file.path} has no default_profile",
            hint=f"Name one with -p ({', '.join(file.profiles)}), or choose a default: completions config use NAME",
        )
    return ConfigError(
        "no endpoint is configured",
        hint="Set one up with `completions config init`, or try the embedded model: `-p local`.",
    )


def _add_proxy(target: Endpoint | None, values: Values, environ: Mapping[str, str], sources: dict[str, str]) -> None:
    if sources["endpoint"] == _EMBEDDED or (target and target.takes_no_proxy):
        values["proxy"] = None
        return
    if target and values["proxy"] is None and (found := proxies.from_environ(target, environ)):
        values["proxy"], sources["proxy"] = found
    if values["proxy"] is not None:
        values["proxy"] = proxies.checked(values["proxy"], sources["proxy"])


def _check_client_certificate(values: Values, sources: Mapping[str, str]) -> None:
    if values["client_key"] is not None and values["client_cert"] is None:
        kind = UsageError if sources["client_key"].startswith("--") else ConfigError
        raise kind("client_key is given without client_cert", hint="Name the certificate's file as well.")


def _add_ca_bundle(values: Values, environ: Mapping[str, str], sources: dict[str, str]) -> None:
    named = next((name for name in _CA_VARIABLES if environ.get(name)), None)
    if values["ca_bundle"] is None and named:
        values["ca_bundle"], sources["ca_bundle"] = environ[named], named


def _parameters(
    flags: Flags, profile: Mapping[str, Json], profile_source: str, sources: dict[str, str]
) -> dict[str, Json]:
    layers = (
        ({"max_tokens": DEFAULT_MAX_TOKENS}, "default"),
        (profile.get("params", {}), profile_source),
        (flags.body, "--request"),
        (flags.parameters, "flag"),
    )
    found: dict[str, Json] = {}
    for layer, source in layers:
        for name, value in layer.items():
            if name in flags.unset and source != "flag":
                continue
            found[name] = value
            sources[f"params.{name}"] = source
    return found


def _extra(flags: Flags, profile: Mapping[str, Json]) -> dict[str, Json]:
    layered = {**profile.get("extra", {}), **flags.body_extra}
    for name in flags.unset:
        known = [*PARAMETERS, *layered]
        if name not in known:
            raise UsageError(f"--unset {name}: no such parameter", hint=nearest(name, known))
    return {name: value for name, value in layered.items() if name not in flags.unset} | {**flags.extra}
