"""`completions config show`: what a call would use, and where each value comes from."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl

import typer

from completions_cli.api import headers, wire
from completions_cli.api.endpoint import DEFAULT_API_VERSION
from completions_cli.api.headers import MASK
from completions_cli.auth import keys
from completions_cli.auth.keyring_store import KeyringStore
from completions_cli.commands import resolution, values
from completions_cli.commands.common_options import JsonOptions, OfflineOptions
from completions_cli.commands.config import key
from completions_cli.commands.option_groups import with_options
from completions_cli.errors import UsageError
from completions_cli.models import Json
from completions_cli.render import listing
from completions_cli.settings import endpoint_kind, shown
from completions_cli.settings.layers import Flags
from completions_cli.settings.pool import Pool, named, resolve_pool
from completions_cli.settings.resolve import Settings, no_endpoint
from completions_cli.streams import Streams

_Row: TypeAlias = tuple[str, Json, str]  # name, value and source


@with_options
def show(
    streams: Streams,
    common: OfflineOptions,
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Profile to show. (default: the one that a call would use)",
            autocompletion=values.complete_profile,
        ),
    ] = None,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
    as_json: JsonOptions,
) -> None:
    """Show the settings that a call would use. API keys are shown only as present or absent."""
    if name is not None and common.profiles and common.profiles != [name]:
        raise UsageError(
            f"several profiles are named: {', '.join([name, *common.profiles])}", hint="Leave out NAME, or -p."
        )
    file = resolution.read_profile_file(common, streams)
    profile, members = named([name] if name is not None else common.profiles)
    pool = resolve_pool(Flags(profile=profile, members=members), streams.environ, file, needs_endpoint=False)
    for note in resolution.unused(pool):
        streams.stderr.note(f"note: {note}")
    for settings in pool.members:
        if settings.endpoint is None and not settings.is_local:
            missing = no_endpoint(settings.profile, file)
            streams.stderr.note(f"note: {missing.message}. {missing.hint}")
    rows, by_member = _rows_of_all(pool, streams)
    if as_json.json:
        of_members = {member: _document(found, origin=origin) for member, found in by_member.items()}
        streams.stdout.json_line(
            wire.dumps(_document(rows, origin=origin) | ({"members": of_members} if by_member else {}))
        )
        return
    rows += [(f"{member}.{name}", *rest) for member, found in by_member.items() for name, *rest in found]
    cells = [[name, _text(value), source][: 3 if origin else 2] for name, value, source in rows if value is not None]
    columns = ("setting", "value", "origin")[: 3 if origin else 2]
    listing.show(columns, cells, streams.stdout, color=streams.color(streams.stdout))


def _rows_of_all(pool: Pool, streams: Streams) -> tuple[list[_Row], dict[str, list[_Row]]]:
    """Return what a call would use, and the same of each member where there are several."""
    if not pool.is_pool:
        return list(_rows(pool.first, streams)), {}
    names: Json = [member.profile for member in pool.members]
    limits = pool.limits._asdict().items()
    rows: list[_Row] = [("profile", pool.name, pool.source), ("members", names, pool.source)]
    rows += [(name, value, f"profile {pool.name}") for name, value in limits if value is not None]
    return rows, {str(member.profile): list(_rows(member, streams)) for member in pool.members}


def _document(rows: list[_Row], *, origin: bool) -> dict[str, Json]:
    return {name: {"value": value, "origin": source} if origin else value for name, value, source in rows}


def _rows(settings: Settings, streams: Streams) -> Iterator[_Row]:
    """Yield name, value and source of everything a call would use."""
    yield "profile", settings.profile, settings.sources["profile"]
    for name, value in settings.values.items():
        if name == "api_version" and value is None:
            yield name, *_api_version(settings)
            continue
        if name == "scope" and value is None:
            yield name, *_scope(settings)
            continue
        if name == "auth" and settings.is_local:
            yield name, "none", "built in"
            continue
        yield name, shown.setting(name, value), settings.sources[name]
    if settings.endpoint is not None:
        yield "url", shown.setting("url", settings.endpoint.url), "endpoint, api_version"
    for name, value in settings.parameters.items():
        yield f"params.{name}", value, settings.sources[f"params.{name}"]
    for name, value in settings.extra.items():
        yield f"extra.{name}", value, f"profile {settings.profile}"
    for name, value in settings.headers.items():
        hidden = name in settings.secret_headers or headers.is_sensitive(name)
        yield f"headers.{name}", MASK if hidden else value, f"profile {settings.profile}"
    if settings.endpoint is not None and settings.values["auth"] != "none":
        yield "key", *_key(settings, streams)


def _api_version(settings: Settings) -> tuple[str | None, str]:
    """Return which version is sent where no setting names one: the endpoint's own, the default, or none."""
    if settings.endpoint is None:
        return None if settings.is_local else DEFAULT_API_VERSION, "default"
    sent = {name.lower(): value for name, value in parse_qsl(settings.endpoint.path.partition("?")[2])}
    is_own = "api-version=" in (settings.values["endpoint"] or "").lower()
    return sent.get("api-version"), settings.sources["endpoint"] if is_own else "default"


def _scope(settings: Settings) -> tuple[str | None, str]:
    """Return what a token is asked for where no setting names it: what goes with the kind of endpoint."""
    if settings.endpoint is None or settings.values["auth"] != "entra":
        return None, "default"
    return endpoint_kind.of(settings.endpoint).scope, "endpoint"


def _key(settings: Settings, streams: Streams) -> tuple[str, str]:
    """Return whether there is a key, and where. The keyring is not asked when a variable has one."""
    keyring = KeyringStore(streams.environ)
    for source in settings.key_sources:
        found = keys.status(source, streams.environ, keyring)
        if key.is_usable(found):
            return found.state if found.state == "present" else f"{found.state}: {found.note}", source.name
    return "absent", "no source has one"


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else wire.dumps(value)
