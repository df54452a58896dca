"""The requests of `config doctor`: whether the endpoint answers, and what it makes of parameters."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from completions_cli.api import probes
from completions_cli.api.assemble import Assembler
from completions_cli.api.endpoint import Endpoint
from completions_cli.api.masking import Mask
from completions_cli.api.probes import Answer, Probe
from completions_cli.commands import resolution
from completions_cli.commands.config import key
from completions_cli.commands.config.findings import Finding
from completions_cli.errors import (
    CompletionsError,
    MisfitError,
    NotFoundError,
    RejectedError,
    ServerError,
)
from completions_cli.models import Chunk, CompletionRequest, Finished
from completions_cli.render.spinner import Spinner
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.client.caller import Caller
    from completions_cli.settings.table import Values

_LONGEST_REASON = 200  # characters


def probe(settings: Settings, streams: Streams, mask: Mask, *, parameters: bool) -> Iterator[Finding]:
    """Ask for a token, once; then for one token more for each of the `parameters`, if they are wanted.

    `mask` learns what was sent in secret.
    """
    once = replace(settings, values=cast("Values", {**settings.values, "retries": 0}))
    spinner = Spinner("asking for a token", streams)
    name = "probe"
    try:
        with spinner.turning(), resolution.caller(once, streams, spinner, mask) as caller:
            plain, latency = _ask(caller, probes.plain(settings.values["model"]))
            yield Finding(name, "ok", f"answered in {latency:.2f} s")
            if parameters:
                name = "parameters"
                yield from _parameters(caller, plain, settings.values["model"])
    except CompletionsError as error:
        if settings.endpoint is not None:
            error.hint = _remedy(error, settings, settings.endpoint, streams) or error.hint
        yield Finding(name, "failed", error.summary, error)


def _parameters(caller: "Caller", plain: Answer, model: str | None) -> Iterator[Finding]:
    yield Finding("max_tokens", *probes.length(plain))
    for question in probes.PROBES:
        yield Finding(question.name, *_judged(caller, question, plain, model))


def _judged(caller: "Caller", question: Probe, plain: Answer, model: str | None) -> tuple[str, str]:
    try:
        answers = [_ask(caller, question.request(plain, model))[0] for _ in range(question.turns)]
    except MisfitError as error:
        return "ignored", error.message
    except (RejectedError, ServerError, NotFoundError) as error:
        return "refused", error.summary[:_LONGEST_REASON]
    return question.judge(plain, answers)


def _ask(caller: "Caller", request: CompletionRequest) -> tuple[Answer, float]:
    """Return an answer, and the seconds that it took."""
    assembler, finished = Assembler(), Finished({}, None)
    for event in caller.events(request):
        if isinstance(event, Chunk):
            assembler.add(event)
        else:
            finished = event
    counts = finished.usage[:2] if finished.usage else (None, None)
    return Answer(assembler.response()["choices"], *counts), finished.latency


def _remedy(error: CompletionsError, settings: Settings, endpoint: Endpoint, streams: Streams) -> str | None:
    from completions_cli.auth import keys
    from completions_cli.auth.keyring_store import KeyringStore
    from completions_cli.commands.config.remedies import remedy, situation

    keyring = KeyringStore(streams.environ)
    used = (source for source in settings.key_sources if key.is_usable(keys.status(source, streams.environ, keyring)))
    return remedy(error, situation(settings, endpoint, next(used, None)))
