"""`completions config doctor`: what is configured, whether it can work, and what to type where it cannot."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, NamedTuple

import typer

from completions_cli.api import headers, wire
from completions_cli.api.endpoint import Endpoint
from completions_cli.api.masking import Mask
from completions_cli.client import configuration
from completions_cli.commands import resolution
from completions_cli.commands.common_options import CommonOptions, JsonOptions
from completions_cli.commands.config import key
from completions_cli.commands.config.findings import Finding, failed
from completions_cli.commands.option_groups import with_options
from completions_cli.commands.options import ConnectionOptions
from completions_cli.errors import CompletionsError, ConfigError
from completions_cli.installation import install
from completions_cli.render import listing
from completions_cli.settings import endpoint_kind, shown
from completions_cli.settings.pool import resolve_pool
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams


class _Probes(NamedTuple):
    """Which requests to send."""

    probe: bool
    parameters: bool


@with_options
def doctor(
    streams: Streams,
    connection: ConnectionOptions,
    common: CommonOptions,
    *,
    probe: Annotated[bool, typer.Option("--probe", help="Also send a request for one token.")] = False,
    probe_parameters: Annotated[
        bool,
        typer.Option(
            "--probe-parameters",
            help="Send up to 12 such requests, and show which parameters the server keeps, ignores or refuses.",
        ),
    ] = False,
    as_json: JsonOptions,
) -> None:
    """Check the configuration, the connection to the endpoint and the key. The exit code says what is wrong."""
    wanted = _Probes(probe=probe or probe_parameters, parameters=probe_parameters)
    mask = Mask()
    findings = [_masked(finding, mask) for finding in list(_findings(connection, common, streams, wanted, mask))]
    _show(findings, streams, as_json=as_json.json)
    wrong = next((finding.error for finding in findings if finding.error is not None), None)
    if wrong is not None:
        raise wrong


def _masked(finding: Finding, mask: Mask) -> Finding:
    """Return a finding without the secrets sent to any endpoint: one may give back what another was sent."""
    if not finding.quotes_server:
        return finding
    error = finding.error and mask.error(finding.error)
    return replace(finding, message=mask.text(finding.message), error=error)


def _findings(
    connection: ConnectionOptions, common: CommonOptions, streams: Streams, probes: "_Probes", mask: Mask
) -> Iterator[Finding]:
    """Check one thing after another; what depends on something broken is not tried."""
    try:
        file = resolution.read_profile_file(common, streams)
    except ConfigError as error:
        yield failed("file", error)
        return
    yield Finding(
        "file", "ok" if file.exists else "note", str(file.path) + ("" if file.exists else " (does not exist)")
    )
    try:
        pool = resolve_pool(resolution.connection_flags(connection, common), streams.environ, file)
    except CompletionsError as error:
        yield failed("settings", error)
        return
    yield Finding("profile", "ok", f"{pool.name or 'none'} ({pool.source})")
    for note in resolution.unused(pool):
        yield Finding("variables", "note", note)
    for settings in pool.members:
        found = _of_endpoint(settings, streams, probes, mask)
        yield from (replace(one, check=f"{settings.profile}: {one.check}") for one in found) if pool.is_pool else found


def _of_endpoint(settings: Settings, streams: Streams, probes: "_Probes", mask: Mask) -> Iterator[Finding]:
    """Check an endpoint, the way to it, and what signs in there."""
    if settings.endpoint is None:
        yield Finding("endpoint", "ok", "the embedded model; `completions local status` tells more")
        broken = False
    else:
        kind = endpoint_kind.of(settings.endpoint)
        state = "note" if kind.advice else "ok"
        yield Finding(
            "endpoint",
            state,
            f"{headers.shown_url(settings.endpoint.url)}, {kind.name}" + (f". {kind.advice}" if kind.advice else ""),
        )
        checks = [*_key(settings, settings.endpoint, streams), *_way(settings, settings.endpoint)]
        yield from checks
        broken = any(finding.state == "failed" for finding in checks)
    if broken and probes.probe:
        yield Finding("probe", "skipped", "skipped because of the problem above")
    elif probes.probe:
        from completions_cli.commands.config import probing

        for finding in probing.probe(settings, streams, mask, parameters=probes.parameters):
            yield replace(finding, quotes_server=True)


def _key(settings: Settings, endpoint: Endpoint, streams: Streams) -> Iterator[Finding]:
    """Check that there is something to sign in with, and that it may be sent there."""
    from completions_cli.auth import keys
    from completions_cli.auth.credentials import refuse_plain_secrets
    from completions_cli.auth.keyring_store import KeyringStore

    values = settings.values
    try:
        refuse_plain_secrets(endpoint, settings.headers)
    except ConfigError as error:
        yield failed("key", error)
        return
    if settings.is_signed_by_headers:
        yield Finding("key", "ok", "a header of yours replaces it")
        return
    if values["auth"] == "none":
        yield Finding("key", "ok", "none is needed (auth none)")
        return
    try:
        _check_encryption(settings, endpoint)
        if values["auth"] == "entra":
            yield _identity(settings, endpoint)
            if not (values["tenant_id"] and values["client_id"]):
                return
    except ConfigError as error:
        yield failed("key", error)
        return
    what = "client secret" if values["auth"] == "entra" else "key"
    keyring, tried = KeyringStore(streams.environ), []
    for source in settings.key_sources:
        found = keys.status(source, streams.environ, keyring)
        if key.is_usable(found):
            yield Finding(what, "ok", f"{found.state} in {source.name}")
            return
        tried.append(found)
    yield failed(what, key.missing(what, tried, settings.withheld))


def _check_encryption(settings: Settings, endpoint: Endpoint) -> None:
    """Check that a key may be sent there; where it may not, say what to type. Raises ConfigError."""
    from completions_cli.auth.credentials import refuse_plain_http
    from completions_cli.commands.config.remedies import situation, unencrypted

    try:
        refuse_plain_http(endpoint)
    except ConfigError as error:
        tried = situation(settings, endpoint)
        error.hint = unencrypted(settings.values["endpoint"] or "", settings.sources["endpoint"], tried)
        raise


def _identity(settings: Settings, endpoint: Endpoint) -> Finding:
    """Check who would sign in, as far as that can be seen without doing so. Raises ConfigError."""
    import importlib.util

    from completions_cli.auth import entra, sign_in

    values, scope = settings.values, sign_in.token_scope(settings, endpoint)
    authority = entra.check_authority(values["authority"] or entra.AUTHORITY)
    if values["tenant_id"]:
        entra.check_tenant(values["tenant_id"])
    if values["tenant_id"] and values["client_id"]:
        who = f"client {values['client_id']} of tenant {values['tenant_id']}"
    elif importlib.util.find_spec("azure") and importlib.util.find_spec("azure.identity"):
        who = "the identity that azure-identity finds"
    else:
        raise ConfigError(
            "without tenant_id and client_id, the extra `entra` is needed",
            hint=f"Run: {install('entra')}",
        )
    return Finding("identity", "ok", f"{who}, at {authority}, for {scope}")


def _way(settings: Settings, endpoint: Endpoint) -> Iterator[Finding]:
    """Check name, port and certificate, unless a proxy does all that."""
    from completions_cli.transport import reach

    connection = configuration.connection(settings)
    if connection.proxy is not None:
        proxy = f"{shown.setting('proxy', connection.proxy)} ({settings.sources['proxy']})"
        yield Finding("host", "skipped", f"the proxy {proxy} connects; --probe goes through it")
        return
    try:
        found_addresses = ", ".join(reach.addresses(endpoint, connection))
        is_address = found_addresses == endpoint.host
        yield Finding("host", "ok", endpoint.host if is_address else f"{endpoint.host} is {found_addresses}")
    except CompletionsError as error:
        yield failed("host", error)
        return
    name = "TLS" if endpoint.is_encrypted else "port"
    try:
        found = reach.handshake(endpoint, connection)
    except CompletionsError as error:
        yield failed(name, error)
        return
    until = f", certificate valid until {found.expires}" if found.expires else ""
    yield Finding(name, "ok", f"{found.version}{until}" if found.version else "open, unencrypted on this machine")


def _show(findings: list[Finding], streams: Streams, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "check": finding.check,
                "state": finding.state,
                "message": finding.message,
                "hint": finding.error.hint if finding.error else None,
                "exit_code": int(finding.error.exit_code) if finding.error else 0,
            }
            for finding in findings
        ]
        streams.stdout.json_line(wire.dumps(rows))
        return
    is_table = streams.stdout.can_draw
    cells = []
    for finding in findings:
        hint = finding.error.hint if finding.error and finding.error.hint else ""
        told = [f"{finding.message}\n{hint}".rstrip()] if is_table else [finding.message, hint]
        cells.append([finding.check, finding.state, *told])
    listing.show(("check", "state", ""), cells, streams.stdout, color=streams.color(streams.stdout))
