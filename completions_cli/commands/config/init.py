"""`completions config init`: a first profile, asked for on a terminal or given as options."""

from dataclasses import dataclass, replace
from typing import Annotated

import typer

from completions_cli.api import endpoint as endpoints
from completions_cli.auth.keyring_store import NoKeyringError
from completions_cli.auth.secret import Secret
from completions_cli.commands import resolution
from completions_cli.commands.config import file as files
from completions_cli.commands.config import key
from completions_cli.commands.config.asking import Questions
from completions_cli.commands.option_groups import with_options
from completions_cli.commands.options import CommonOptions
from completions_cli.errors import CompletionsError, ConfigError, UsageError
from completions_cli.settings import endpoint_kind
from completions_cli.settings.profile_edit import Edit
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


@with_options
def init(
    ctx: typer.Context,
    common: CommonOptions,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="The endpoint, as the portal shows it.")
    ] = None,
    api_version: Annotated[str | None, typer.Option("--api-version", metavar="V", help="none sends none.")] = None,
    deployment: Annotated[str | None, typer.Option("--deployment", "-d", metavar="NAME", help="Deployment.")] = None,
    auth: Annotated[str | None, typer.Option("--auth", metavar="KIND", help="key, entra or none.")] = None,
    tenant_id: Annotated[str | None, typer.Option("--tenant-id", metavar="ID", help="OAuth2: the tenant.")] = None,
    client_id: Annotated[str | None, typer.Option("--client-id", metavar="ID", help="OAuth2: the client.")] = None,
    scope: Annotated[str | None, typer.Option("--scope", metavar="URL", help="OAuth2: the scope.")] = None,
) -> None:
    """Make a profile: asks on a terminal, takes options in a script. The first one becomes the default."""
    streams: Streams = ctx.obj
    resolution.apply_common(common, streams)
    typed = Answers(common.profile or _FIRST, endpoint, api_version, deployment, auth, tenant_id, client_id, scope)
    questions = Questions(streams)
    asks = endpoint is None and questions.can_ask
    if endpoint is None and not asks:
        raise UsageError(
            "there is no terminal to ask on, and no --endpoint",
            hint="As in: completions config init -p NAME --endpoint URL [--auth key|entra|none]",
        )
    answers = _asked(typed, questions, streams, names=common.profile is None) if asks else typed
    _check(answers)
    with files.edited(common, streams) as edit:
        _write(answers, edit)
        place = edit.before.path
    streams.stderr.note(f"wrote the profile {answers.name} to {place}")
    _finish(answers, questions if asks else None, streams)


def _asked(typed: Answers, questions: Questions, streams: Streams, *, names: bool) -> Answers:
    streams.stderr.note("A profile is an endpoint and how to sign in there. Enter takes what is in brackets.")
    name = questions.text("Name of the profile", typed.name) if names else typed.name
    answers = replace(typed, name=name, endpoint=_asked_endpoint(questions, streams))
    if answers.auth is None:
        answers = replace(answers, auth=_asked_auth(questions, streams, answers.endpoint or ""))
    if answers.auth == "entra" and answers.tenant_id is None:
        streams.stderr.note("With a tenant and a client of your own; leave them empty to use your Azure sign-in.")
        answers = replace(answers, tenant_id=questions.text("Tenant id") or None)
        if answers.tenant_id is not None and answers.client_id is None:
            answers = replace(answers, client_id=questions.text("Client id") or None)
    return answers


def _asked_endpoint(questions: Questions, streams: Streams) -> str:
    while True:
        text = questions.text("Endpoint (as the portal shows it)")
        try:
            target = endpoints.resolve(text)
        except CompletionsError as error:
            streams.stderr.line(f"{error.message}. {error.hint or ''}")
            continue
        streams.stderr.note(f"That looks like: {endpoint_kind.of(target).name}. Requests go to {target.url}")
        return text


def _asked_auth(questions: Questions, streams: Streams, endpoint: str) -> str:
    default = "none" if endpoints.resolve(endpoint).is_loopback else "key"
    while True:
        auth = questions.text(f"Sign in with ({', '.join(AUTH_KINDS)})", default)
        if auth in AUTH_KINDS:
            return auth
        streams.stderr.line(f"It is one of {', '.join(AUTH_KINDS)}.")


def _check(answers: Answers) -> None:
    """Raise UsageError or ConfigError for what would make a profile that does not work."""
    for name in ("endpoint", "api_version", "deployment", "auth", "tenant_id", "client_id", "scope"):
        value = getattr(answers, name)
        try:
            if value is not None:
                SETTINGS[name].kind.parse(value)
        except ValueError as error:
            raise UsageError(f"--{name.replace('_', '-')} must be {error}") from error
    endpoints.resolve(answers.endpoint or "", answers.api_version)
    if answers.tenant_id is not None or answers.client_id is not None:
        from completions_cli.auth import entra

        if answers.auth != "entra":
            raise UsageError("--tenant-id and --client-id go with --auth entra")
        if answers.tenant_id is not None:
            entra.check_tenant(answers.tenant_id)


def _write(answers: Answers, edit: Edit) -> None:
    if answers.name in edit.before.profiles:
        raise ConfigError(
            f"there is a profile {answers.name!r} already",
            hint="Change it with `completions config set`, or name another with -p NAME.",
        )
    for name in ("endpoint", "api_version", "deployment", "auth", "tenant_id", "client_id", "scope"):
        if getattr(answers, name) is not None:
            edit.set(("profiles", answers.name, name), getattr(answers, name))
    if edit.before.default_profile is None:
        edit.set(("default_profile",), answers.name)


def _finish(answers: Answers, questions: Questions | None, streams: Streams) -> None:
    """Ask for the key, and say what to do next."""
    target = endpoints.resolve(answers.endpoint or "")
    needs_secret = answers.auth in (None, "key") or (answers.auth == "entra" and answers.client_id is not None)
    if needs_secret:
        what = "client secret" if answers.auth == "entra" else "key"
        entered = questions.hidden(f"Its {what}, for the keyring (Enter: later)") if questions else ""
        if entered.strip():
            try:
                key.store(f"{answers.name}@{target.origin}", Secret.checked(entered, "the prompt"), streams)
            except NoKeyringError as error:
                streams.stderr.note(f"note: {error.message}. {error.hint}")
        else:
            streams.stderr.note(f"next: completions config key set -p {answers.name}, or set COMPLETIONS_API_KEY")
    streams.stderr.note(f"try: completions complete -p {answers.name} 'Once upon a time'")
