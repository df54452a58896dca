"""`completions config key set|delete|status`: keys, each bound to the origin it is for."""

from collections.abc import Iterable
from typing import Annotated

import typer

from completions_cli import limits
from completions_cli.api import wire
from completions_cli.auth import keys
from completions_cli.auth.credentials import refuse_plain_http
from completions_cli.auth.keyring_store import KeyringStore
from completions_cli.auth.keys import SourceStatus
from completions_cli.auth.secret import Secret
from completions_cli.auth.token import entry_of
from completions_cli.commands import resolution
from completions_cli.commands.common_options import JsonOptions, OneProfileOptions, setting
from completions_cli.commands.config import key_file, unused_keys
from completions_cli.commands.config.asking import Questions
from completions_cli.commands.help_pages import Command, Group
from completions_cli.commands.option_groups import option_group, with_options
from completions_cli.errors import ConfigError, UsageError
from completions_cli.render import listing
from completions_cli.settings.key_sources import KeySource
from completions_cli.settings.layers import Flags
from completions_cli.settings.resolve import Settings, resolve
from completions_cli.streams import Streams

app = typer.Typer(
    add_completion=False,
    cls=Group,
    help="Store, delete and look up API keys, in the keyring of the operating system or a file.",
)


@option_group
class Target:
    """What a key is for."""

    endpoint: Annotated[
        str | None,
        setting("endpoint", metavar="URL", panel="Options", help="Endpoint of the key, if not the profile's own."),
    ] = None
    common: OneProfileOptions


@app.command(name="set", cls=Command)
@with_options
def set_(
    streams: Streams,
    target: Target,
    *,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the key from stdin instead of asking.")] = False,
    to_file: Annotated[
        bool,
        typer.Option("--to-file", help="Store it in a file that only you can read, not in the keyring."),
    ] = False,
) -> None:
    """Store the key of a profile (with auth entra: the client secret) for its endpoint."""
    settings, entry = _settings(target, streams)
    if settings.endpoint is not None:
        refuse_plain_http(settings.endpoint)
    unused_keys.refuse(settings, to_file=to_file)
    if not to_file:
        KeyringStore(streams.environ).backend()  # without a keyring nobody is asked for a key
    elif not entry.is_own:
        raise UsageError(
            "a key file is for the endpoint of its profile, and a different endpoint is in use",
            hint="Leave out --endpoint, or unset COMPLETIONS_ENDPOINT.",
        )
    else:
        key_file.writable_place(str(settings.profile), resolution.read_profile_file(target.common, streams))
    typed = _typed(streams, str(entry.value), stdin=stdin)
    if to_file:
        key_file.store(str(settings.profile), typed, target.common, streams)
    else:
        store(str(entry.value), typed, streams)
    for note in unused_keys.notes(settings):
        streams.stderr.note(f"note: {note}")


@app.command(cls=Command)
@with_options
def delete(streams: Streams, target: Target) -> None:
    """Delete the key of a profile from the keyring, or its key file."""
    settings, entry = _settings(target, streams)
    has_file = entry.is_own and settings.values["key_file"] is not None
    if has_file and key_file.delete(str(settings.profile), target.common, streams):
        return
    keyring = KeyringStore(streams.environ)
    keyring.delete(entry_of(str(entry.value)))
    if not keyring.delete(str(entry.value)):
        raise ConfigError(f"the keyring holds no key for {entry.value}", hint="completions config key status")
    streams.stderr.note(f"deleted the key for {entry.value} from the keyring")


@app.command(cls=Command)
@with_options
def status(
    streams: Streams,
    target: Target,
    as_json: JsonOptions,
) -> None:
    """Show where the key for the endpoint is looked up and whether it was found. Exits with 3 if there is none."""
    settings, _ = _settings(target, streams)
    keyring = KeyringStore(streams.environ)
    found = [keys.status(source, streams.environ, keyring) for source in settings.key_sources]
    if as_json.json:
        rows = [{"source": each.source.name, "state": each.state, "note": each.note or None} for each in found]
        streams.stdout.json_line(wire.dumps(rows))
    else:
        cells = [[each.source.name, each.state, each.note] for each in found]
        listing.show(("source", "state", ""), cells, streams.stdout, color=streams.color(streams.stdout))
    if settings.values["auth"] != "none" and not any(map(is_usable, found)):
        raise missing("key", found, settings.withheld)


def missing(what: str, found: Iterable[SourceStatus], withheld: str | None = None) -> ConfigError:
    """Make the error for a key that none of the sources has, with what will help; see Settings on `withheld`."""
    found = tuple(found)
    broken = next((each for each in found if each.state == "unusable" and each.source.kind != "keyring"), None)
    if broken is not None:
        return ConfigError(broken.note, hint=f"Correct {broken.source.name}, or unset it.")
    trouble = next((each.note for each in found if each.state == "unusable"), None)
    return keys.missing(what, (each.source for each in found), trouble, withheld)


def is_usable(found: SourceStatus) -> bool:
    """Return whether a source has, or may have, a key."""
    return found.state in ("present", "not tried")


def store(entry: str, key: Secret, streams: Streams) -> None:
    """Put a key into the keyring and say so. Raises NoKeyringError."""
    keyring = KeyringStore(streams.environ)
    keyring.set(entry, key.reveal())
    keyring.delete(entry_of(entry))
    streams.stderr.note(f"stored the key for {entry} in the keyring ({keyring.backend()})")


def _settings(target: Target, streams: Streams) -> tuple[Settings, KeySource]:
    """Resolve the endpoint that a key is for, and its entry in the keyring."""
    typed = {} if target.endpoint is None else {"endpoint": target.endpoint}
    flags = Flags(profile=target.common.profile, settings=typed)
    settings = resolve(flags, streams.environ, resolution.read_profile_file(target.common, streams))
    entry = next((source for source in settings.key_sources if source.kind == "keyring"), None)
    if settings.endpoint is None:
        raise UsageError("the profile local needs no key", hint="Name another profile with -p NAME.")
    if entry is None:
        raise ConfigError(
            "keys are stored for a profile, and none is chosen",
            hint="Name one with -p NAME, or make one with: completions config init",
        )
    return settings, entry


def _typed(streams: Streams, entry: str, *, stdin: bool) -> Secret:
    if stdin:
        try:
            return Secret.checked(streams.read_stdin(limits.KEY_SOURCE_BYTES).decode("utf-8-sig"), "stdin")
        except UnicodeDecodeError as error:
            raise UsageError("the key on stdin is not text", hint="Pipe the key alone, one word of ASCII.") from error
    questions = Questions(streams)
    if not questions.can_ask:
        raise UsageError("there is no terminal to ask on", hint="Pipe the key in: completions config key set --stdin")
    return Secret.checked(questions.hidden(f"Key for {entry}"), "the prompt")
