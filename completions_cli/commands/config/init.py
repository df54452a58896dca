"""`completions config init`: a first profile, asked for on a terminal or given as options."""

import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from completions_cli import paths
from completions_cli.api import endpoint as endpoints
from completions_cli.api.endpoint import Endpoint
from completions_cli.auth.credentials import refuse_plain_http
from completions_cli.auth.keyring_store import KeyringStore, NoKeyringError
from completions_cli.auth.secret import Secret
from completions_cli.commands import resolution
from completions_cli.commands.common_options import NewProfileOptions
from completions_cli.commands.config import file as files
from completions_cli.commands.config import key, key_file
from completions_cli.commands.config.asking import Questions
from completions_cli.commands.option_groups import option_group, with_options
from completions_cli.errors import CompletionsError, ConfigError, UsageError
from completions_cli.settings import endpoint_kind, profile_file
from completions_cli.settings.profile_edit import Edit
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.settings.table import AUTH_KINDS, SETTINGS
from completions_cli.streams import Streams

_FIRST = "foundry"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a new profile needs; None is left out of the file."""

    name: str
    endpoint: str | None = None
    api_version: str | None = None
    deployment: str | None = None
    auth: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    scope: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What is written to the profile, by name."""
        return {name: value for name, value in asdict(self).items() if name != "name" and value is not None}


@option_group
class InitOptions:
    """The answers, as options."""

    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="URL of the service, as the portal shows it.")
    ] = None
    api_version: Annotated[
        str | None, typer.Option("--api-version", metavar="V", help="API version; `none` sends no version.")
    ] = None
    deployment: Annotated[
        str | None, typer.Option("--deployment", "-d", metavar="NAME", help="Deployment to route to.")
    ] = None
    auth: Annotated[str | None, typer.Option("--auth", metavar="KIND", help="How to sign in: key, entra or none.")] = (
        None
    )
    tenant_id: Annotated[str | None, typer.Option("--tenant-id", metavar="ID", help="OAuth2 tenant ID.")] = None
    client_id: Annotated[str | None, typer.Option("--client-id", metavar="ID", help="OAuth2 client ID.")] = None
    scope: Annotated[str | None, typer.Option("--scope", metavar="URL", help="OAuth2 scope.")] = None


@with_options
def init(streams: Streams, common: NewProfileOptions, options: InitOptions) -> None:
    """Create a profile, from answers on a terminal or from options. The first profile becomes the default."""
    typed = Answers(common.profile or _FIRST, **vars(options))
    questions = Questions(streams)
    asks = typed.endpoint is None and questions.can_ask
    if typed.endpoint is None and not asks:
        raise UsageError(
            "no --endpoint was given, and there is no terminal to ask on",
            hint="For example: completions config init -p NAME --endpoint URL [--auth key|entra|none]",
        )
    place = resolution.profile_path(common, streams)
    file = profile_file.read(place, must_exist=False)
    if not asks or common.profile is not None:
        _must_be_new(typed.name, file)
    answers = _asked(typed, file, questions, streams, names=common.profile is None) if asks else typed
    _check(answers)
    with files.edited(common, streams) as edit:
        _write(answers, edit)
    streams.stderr.note(f"wrote the profile {answers.name} to {paths.on_a_line(place)}")
    _finish(answers, questions if asks else None, common, streams)


def _asked(typed: Answers, file: ProfileFile, questions: Questions, streams: Streams, *, names: bool) -> Answers:
    """Ask for what was not typed."""
    ask = _Wizard(questions, streams)
    streams.stderr.note("A profile is an endpoint and a way to sign in. Press Enter to accept the value in brackets.")
    if names:
        default = typed.name if typed.name not in file.profiles else ""
        typed = replace(typed, name=ask("Name of the profile", lambda name: _must_be_new(name, file), default))
    endpoint = ask("Endpoint (as the portal shows it)", endpoints.resolve)
    target = endpoints.resolve(endpoint)
    kind = endpoint_kind.of(target)
    streams.stderr.note(f"That looks like {kind.name}. Requests go to:\n{target.url}")
    if endpoint_kind.may_lack_v1(target):
        streams.stderr.note("On most servers the endpoint ends in /v1. If requests fail, add it.")
    elif kind.advice is not None:
        streams.stderr.note(kind.advice)
    typed = replace(typed, endpoint=endpoint)
    if typed.auth is None:
        question, default = f"Sign in with ({', '.join(AUTH_KINDS)})", "none" if target.is_loopback else "key"
        typed = replace(typed, auth=ask(question, lambda kind: _check_auth(kind, target), default))
    return _asked_identity(typed, target, ask, streams) if typed.auth == "entra" else typed


def _asked_identity(typed: Answers, target: Endpoint, ask: "_Wizard", streams: Streams) -> Answers:
    if typed.tenant_id is None:
        streams.stderr.note("Enter your own tenant and client, or leave them empty to use your Azure sign-in.")
        typed = replace(typed, tenant_id=ask("Tenant id", _check_tenant) or None)
    if typed.tenant_id is not None and typed.client_id is None:
        typed = replace(typed, client_id=ask("Client id", lambda _: None) or None)
    if typed.scope is None and endpoint_kind.of(target).scope is None:
        question = "Scope of its tokens, as in api://ID/.default"
        typed = replace(typed, scope=ask(question, lambda scope: endpoint_kind.scope_for(target, scope)))
    return typed


class _Wizard:
    """Asks until the answer will do."""

    def __init__(self, questions: Questions, streams: Streams) -> None:
        self._questions = questions
        self._streams = streams

    def __call__(self, question: str, check: Callable[[str], object], default: str = "") -> str:
        while True:
            text = self._questions.text(question, default)
            try:
                check(text)
            except CompletionsError as error:
                self._streams.stderr.line(f"{error.message}. {error.hint or ''}".rstrip())
            else:
                return text


def _must_be_new(name: str, file: ProfileFile) -> None:
    if name in file.profiles:
        raise ConfigError(
            f"the profile {name!r} already exists",
            hint="Change it with `completions config set`, or name another with -p NAME.",
        )
    if not name or not name.isprintable():
        raise UsageError("a profile needs a name without control characters", hint="For example: -p foundry.")


def _check_auth(kind: str | None, target: Endpoint) -> None:
    if kind not in (*AUTH_KINDS, None):
        # What was typed is not repeated: it may be the key.
        raise UsageError("unknown way to sign in", hint=f"It is one of {', '.join(AUTH_KINDS)}.")
    if kind != "none":
        refuse_plain_http(target)


def _check_tenant(tenant: str) -> None:
    from completions_cli.auth import entra

    if tenant:
        entra.check_tenant(tenant)


def _check(answers: Answers) -> None:
    """Raise UsageError or ConfigError for what would make a profile that does not work."""
    for name, value in answers.settings.items():
        try:
            SETTINGS[name].kind.parse(value)
        except ValueError as error:
            raise UsageError(
                f"--{name.replace('_', '-')} must be {error}", hint="completions config init --help"
            ) from error
    target = endpoints.resolve(answers.endpoint or "", answers.api_version)
    _check_auth(answers.auth, target)
    if answers.auth == "entra":
        endpoint_kind.scope_for(target, answers.scope)
    if answers.tenant_id is not None or answers.client_id is not None:
        if answers.auth != "entra":
            raise UsageError("--tenant-id and --client-id are for OAuth2", hint="Add --auth entra, or leave them out.")
        _check_tenant(answers.tenant_id or "")


def _write(answers: Answers, edit: Edit) -> None:
    _must_be_new(answers.name, edit.before)
    for name, value in answers.settings.items():
        edit.set(("profiles", answers.name, name), value)
    if edit.before.default_profile is None:
        edit.set(("default_profile",), answers.name)


def _finish(answers: Answers, questions: Questions | None, common: NewProfileOptions, streams: Streams) -> None:
    """Ask for the key, and say what to do next."""
    profile = shlex.quote(answers.name)
    if answers.auth in (None, "key") or (answers.auth == "entra" and answers.client_id is not None):
        keyring = _keyring_or_say(streams)
        what = "client secret" if answers.auth == "entra" else "key"
        where = "keyring" if keyring else f"file {_key_file(answers, common, streams)}"
        entered = (
            questions.hidden(f"The {what}, to be stored in the {where} (press Enter to do this later)")
            if questions
            else ""
        )
        if not entered.strip():
            to_file = "" if keyring else " --to-file"
            streams.stderr.note(f"next: completions config key set -p {profile}{to_file}, or set COMPLETIONS_API_KEY:")
            streams.stderr.note(f"      export COMPLETIONS_API_KEY='YOUR {what.upper()}'")
        elif keyring:
            target = endpoints.resolve(answers.endpoint or "")
            key.store(f"{answers.name}@{target.origin}", Secret.checked(entered, "the prompt"), streams)
        else:
            key_file.store(answers.name, Secret.checked(entered, "the prompt"), common, streams)
    streams.stderr.note(f"try: completions complete -p {profile} 'Once upon a time'")


def _keyring_or_say(streams: Streams) -> bool:
    """Return whether keys can be kept in a keyring; that they cannot is said before anyone types one."""
    try:
        KeyringStore(streams.environ).backend()
    except NoKeyringError as error:
        streams.stderr.note(
            f"note: no usable keyring: {error.reason}. You can keep the key in a file or a variable instead."
        )
        return False
    return True


def _key_file(answers: Answers, common: NewProfileOptions, streams: Streams) -> Path:
    path = resolution.profile_path(common, streams)
    return key_file.writable_place(answers.name, profile_file.read(path, must_exist=False))[1]
