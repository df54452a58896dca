"""Several profiles used together: the members of a pool, each with settings of its own."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from completions_cli.api.headers import is_sensitive
from completions_cli.errors import ConfigError, UsageError
from completions_cli.models import Json
from completions_cli.settings.layers import Flags
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.settings.resolve import Settings, chosen, lookup, resolve
from completions_cli.settings.table import POOL_TABLES, SETTINGS

_Amount = TypeVar("_Amount", int, float)

# What concerns one endpoint alone.
_OF_A_MEMBER = ("endpoint", "deployment", "model", "unix_socket", "model_path")
_VARIABLES_OF_A_MEMBER = (
    "COMPLETIONS_API_KEY",
    "COMPLETIONS_API_KEY_FILE",
    "COMPLETIONS_ENDPOINT",
    "COMPLETIONS_DEPLOYMENT",
    "COMPLETIONS_MODEL",
)
_SHARED = ("extra_parameters", "timeout", "deadline", "connect_timeout", "retries", "max_wait")
_BY_DEFAULT = ("price_in", "price_out")


class Limits(NamedTuple):
    """What a profile allows: requests and tokens a minute, and requests in flight; None is no limit."""

    rpm: float | None = None
    tpm: float | None = None
    concurrency: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Json]) -> "Limits":
        """Read the limits of a profile."""
        return cls(values.get("rpm"), values.get("tpm"), values.get("concurrency"))

    def within(self, other: "Limits") -> "Limits":
        """Return the stricter limits of both."""
        return Limits(
            _stricter(self.rpm, other.rpm),
            _stricter(self.tpm, other.tpm),
            _stricter(self.concurrency, other.concurrency),
        )


def _stricter(one: _Amount | None, other: _Amount | None) -> _Amount | None:
    known = [amount for amount in (one, other) if amount is not None]
    return min(known) if known else None


_UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Pool:
    """The profiles that are used, in order of preference. One profile is a pool of one.

    `name` is what the user calls them, and `source` says who does. `limits` holds for all members together. `unused`
    names the variables that are set but not for a pool.
    """

    name: str | None
    source: str
    members: tuple[Settings, ...]
    limits: Limits = _UNLIMITED
    is_pool: bool = False
    unused: tuple[str, ...] = ()

    @property
    def first(self) -> Settings:
        """The settings of the first member: what all have in common can be read there."""
        return self.members[0]


def resolve_pool(flags: Flags, environ: Mapping[str, str], file: ProfileFile, *, needs_endpoint: bool = True) -> Pool:
    """Resolve the settings of each profile to use. Raises ConfigError, or UsageError for a flag."""
    if flags.members:
        name, source = ", ".join(flags.members), "--profile"
        pool: Mapping[str, Json] = {"members": flags.members}
    else:
        chosen_name, source = chosen(flags, environ, file)
        name, pool = str(chosen_name), lookup(chosen_name, source, file)
    if "members" not in pool:
        settings = resolve(flags, environ, file, needs_endpoint=needs_endpoint)
        return Pool(settings.profile, source, (settings,))
    _check_flags(flags)
    own = {variable: text for variable, text in environ.items() if variable not in _VARIABLES_OF_A_MEMBER}
    profiles = [(member, _under(pool, lookup(member, "--profile", file), member)) for member in pool["members"]]
    below = replace(file, profiles={**file.profiles, **dict(profiles)})
    members = [
        _member(replace(flags, profile=member, members=()), own, below, needs_endpoint=needs_endpoint)
        for member, _ in profiles
    ]
    return Pool(
        name,
        source,
        tuple(_with_sources(member, pool, name) for member in members),
        Limits.of(pool),
        is_pool=True,
        unused=tuple(variable for variable in _VARIABLES_OF_A_MEMBER if environ.get(variable)),
    )


def named(names: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the one profile that was named, or else those that were named side by side. Raises UsageError."""
    if len(names) < 2:  # noqa: PLR2004 - one is no pool
        return (names[0] if names else None), ()
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"-p {shlex.quote(twice)} is given twice", hint="Name each profile once.")
    return None, tuple(names)


def _check_flags(flags: Flags) -> None:
    """Refuse what is meant for one endpoint: sent to every member, a key would reach servers that it is not for."""
    for name in _OF_A_MEMBER:
        if name in flags.settings or flags.arguments.get(name) is not None:
            shown = SETTINGS[name].flag if name in flags.settings else name
            raise UsageError(
                f"{shown} cannot be used with several profiles", hint="Each has its own: set it in the profile."
            )
    for header in flags.headers:
        if is_sensitive(header):
            raise UsageError(
                f"the header {header} cannot be used with several profiles: it would be sent to all of them",
                hint="Set it in the headers of the profile that it is for.",
            )


def _under(pool: Mapping[str, Json], profile: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    """Return what a member says, below what the pool says for all. Raises UsageError for a pool."""
    if "members" in profile:
        raise UsageError(f"{name} is itself a pool, and a pool cannot contain pools", hint="Name its members instead.")
    default = {key: pool[key] for key in _BY_DEFAULT if key in pool}
    shared = {key: pool[key] for key in _SHARED if key in pool}
    tables = {table: {**profile.get(table, {}), **pool[table]} for table in POOL_TABLES if table in pool}
    return {**default, **profile, **shared, **tables}


def _member(flags: Flags, environ: Mapping[str, str], file: ProfileFile, *, needs_endpoint: bool) -> Settings:
    """Resolve the settings of a member. Raises ConfigError that names it."""
    try:
        return resolve(flags, environ, file, needs_endpoint=needs_endpoint)
    except ConfigError as error:
        if str(flags.profile) not in error.message:
            error.message = f"{flags.profile}: {error.message}"
        raise


def _with_sources(member: Settings, pool: Mapping[str, Json], name: str) -> Settings:
    """Return a member's settings with the pool for the source of what it says, and of no key."""
    said = {key for key in (*_SHARED, *_BY_DEFAULT) if key in pool and pool[key] == member.values[key]}  # type: ignore[literal-required] # names of the table
    said |= {f"params.{key}" for key in pool.get("params", ())}
    own = f"profile {member.profile}"
    return replace(
        member,
        key_sources=tuple(replace(source, is_of_member=True) for source in member.key_sources),
        sources={
            key: f"profile {name}" if key in said and source == own else source
            for key, source in member.sources.items()
        },
    )
