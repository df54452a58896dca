"""The path of `score`: options to settings, requests one after another, figures."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from completions_cli.api import wire
from completions_cli.commands import call, prompt_source, resolution, typed_text
from completions_cli.commands.score_options import ContinuationOptions, ScoreOptions
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest, Json
from completions_cli.render import scores as shown
from completions_cli.render.scores import ScoreLook
from completions_cli.render.spinner import Spinner
from completions_cli.scoring import methods
from completions_cli.scoring.scores import METRICS, Scores, TextScore
from completions_cli.scoring.steps import Scorer, Steps
from completions_cli.settings import profile_check
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams

_BOM = "\ufeff"
_STDIN = "-"


def run(streams: Streams, options: ScoreOptions) -> None:
    """Do what `score` does."""
    prompts, scored = options.prompts, options.scored
    if prompts.suffix is not None or prompts.cursor is not None:
        raise UsageError("--suffix and --cursor are for infill, not for scores", hint="Score the text with -c.")
    source = call.source_of(prompts, streams)
    if scored.choices == _STDIN and source.uses_stdin:
        raise UsageError(
            "standard input can be read only once, not for the prompt and --choices",
            hint="Put one of them into a file.",
        )
    texts = _continuations(scored, streams, escapes=prompts.escapes)
    _check(scored, has_continuations=bool(texts))
    prompt, body = source.read(wire.prompt_from_json)
    texts += _of_body(body.pop("continuations", None))
    pool = resolution.pool(streams, options, format=scored.format, body=body, escapes=prompts.escapes)
    settings = pool.first
    streams.wants_json = settings.values["format"] != "text"
    text = _one_text(prompt)
    if not text and not texts:
        raise UsageError("the text is empty", hint="Nothing was sent. Give the text that is to be scored.")
    resolution.warn_of_names(streams, settings)
    for warning in prompt_source.warnings(text):
        streams.stderr.note(warning)
    if not source.uses_stdin and scored.choices != _STDIN:
        call.warn_of_unread_stdin(streams)
    look = ScoreLook(settings.values["format"], scored.metric or METRICS[0], is_sorted=scored.sort, best=scored.best)
    if scored.dry_run:
        whole = text + (texts[0] if texts else "")
        call.show_request(streams, settings, [methods.ECHO.request(_base(settings), [whole])])
        return
    with ExitStack() as stack:
        spinner = Spinner("waiting for the model", streams)
        with spinner.turning():
            callers = stack.enter_context(resolution.failover(pool, streams, spinner))
            destination = stack.enter_context(call.destination_of(scored.output, streams))
            found = callers.conclude([_beginning(member, text, texts, streams) for member in pool.members])
        shown.show(found, look, destination)
    for note in shown.notes(found):
        streams.stderr.note(f"note: {note}")


def _base(settings: Settings) -> CompletionRequest:
    return CompletionRequest(None, {}, settings.extra, settings.values["model"])


def _beginning(
    settings: Settings, text: str, texts: list[str], streams: Streams
) -> Callable[[], Steps[Scores | TextScore]]:
    """Return what begins a score by one member of a pool."""
    scorer = Scorer(lambda words: _tell_method(streams, words), is_llama_cpp=settings.is_local)
    return partial(scorer.score, _base(settings), text, texts)


def _tell_method(streams: Streams, words: str) -> None:
    if streams.verbosity:
        streams.stderr.note(f"note: scored by {words}")


def _continuations(scored: ContinuationOptions, streams: Streams, *, escapes: bool) -> list[str]:
    texts = [typed_text.argument(text, "--continuation", escapes=escapes) for text in scored.continuation]
    if "" in texts:
        raise UsageError("a continuation is empty", hint="Give -c a text.")
    return texts + (_of_file(scored.choices, streams) if scored.choices is not None else [])


def _of_file(path: str, streams: Streams) -> list[str]:
    """Read continuations from a file, `-` being standard input: an array in JSON, or a line each."""
    if path == _STDIN:
        path = "standard input"
        content = prompt_source.bounded_text(streams.read_stdin(), path).removeprefix(_BOM)
    else:
        content = prompt_source.read_text(path).removeprefix(_BOM)
    if path.lower().endswith(".json"):
        return _listed(typed_text.parse_json(content, path, is_typed=False), path)
    if not content.strip("\r\n"):
        raise UsageError(f"{path} is empty: there are no continuations in it", hint="Nothing was sent.")
    texts = [line.removesuffix("\r") for line in content.removesuffix("\n").split("\n")]
    empty = next((number for number, text in enumerate(texts, 1) if not text), None)
    if empty is not None:
        raise UsageError(
            f"{path} line {empty}: the continuation is empty",
            hint="Put continuations with line ends into a .json file.",
        )
    return texts


def _of_body(value: Json) -> list[str]:
    return [] if value is None else _listed(value, "continuations in --request")


def _listed(value: Json, where: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
        raise UsageError(f"{where} must be an array of texts, none of them empty", hint='For example: [" yes", " no"]')
    return list(value)


def _check(scored: ContinuationOptions, *, has_continuations: bool) -> None:
    if scored.metric is not None and scored.metric not in METRICS:
        raise UsageError(
            f"--metric must be {', '.join(METRICS[:-1])} or {METRICS[-1]}, not {json.dumps(scored.metric)}",
            hint=profile_check.nearest(scored.metric, METRICS),
        )
    asked = [f"--{name}" for name in ("metric", "sort", "best") if getattr(scored, name)]
    if asked and not has_continuations:
        raise UsageError(f"{asked[0]} needs continuations, and there are none", hint="Give them with -c TEXT.")
    if scored.sort and scored.best:
        raise UsageError("--sort and --best do not go together", hint="--best prints only the likeliest.")


def _one_text(prompt: Json) -> str:
    """Return a prompt that is one text. Raises UsageError."""
    if isinstance(prompt, str):
        return prompt
    if prompt is None:
        raise UsageError("--request has no prompt", hint="Put a prompt into the body.")
    if prompt and isinstance(prompt[0], str):
        raise UsageError(
            "score takes one prompt at a time",
            hint="To score many, give `completions batch` rows with `continuations`.",
        )
    raise UsageError("score needs a prompt of text, not of tokens", hint="Give the text that the tokens stand for.")
