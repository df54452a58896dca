"""Scores on their way to stdout: lines of tab-separated columns, or JSON."""

from dataclasses import dataclass

from completions_cli.atomic import Destination
from completions_cli.render.json_output import write_document, write_line
from completions_cli.scoring.scores import Score, Scores, TextScore
from completions_cli.settings.table import Format
from completions_cli.streams import visible

_COLUMN_ENDS = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})
_GREEDY = {True: "yes", False: "no", None: "-"}


@dataclass(frozen=True, slots=True)
class ScoreLook:
    """How scores are shown. `metric` decides which continuation is the likeliest."""

    format: Format
    metric: str
    is_sorted: bool = False
    best: bool = False


def show(found: Scores | TextScore, look: ScoreLook, destination: Destination) -> None:
    """Write scores: of continuations, in the order wanted, or of a text."""
    if isinstance(found, Scores):
        _continuations(found, look, destination)
    else:
        _text(found, look, destination)


def notes(found: Scores | TextScore) -> list[str]:
    """Return notes for the user about scores."""
    if isinstance(found, TextScore):
        is_told = found.tokens[0].logprob is not None
        return [] if is_told else ["the first token has no log-probability, because nothing precedes it"]
    merged, count = sum(score.boundary_merged for score in found.continuations), len(found.continuations)
    if not merged:
        return []
    return [
        f"boundary_merged: in {merged} of {count} the first token begins in the prompt; it counts for the continuation"
    ]


def _continuations(scores: Scores, look: ScoreLook, destination: Destination) -> None:
    chosen = _chosen(scores, look)
    match look.format:
        case "json":
            write_document(destination, Scores(tuple(chosen), scores.method, scores.model).document())
        case "jsonl":
            for score in chosen:
                write_line(destination, score.document())
        case "text" if look.best:
            _line(destination, chosen[0].text)
        case "text":
            for score in chosen:
                _line(destination, _columns(score, look.metric))


def _text(score: TextScore, look: ScoreLook, destination: Destination) -> None:
    """Write the score of a text: a figure a line, after its name and a tab."""
    match look.format:
        case "json":
            write_document(destination, score.document())
        case "jsonl":
            write_line(destination, score.document())
        case "text":
            _line(destination, f"tokens\t{score.token_count}")
            for name in ("logprob", "perplexity", "bits_per_byte"):
                _line(destination, f"{name}\t{getattr(score, name):.6f}")


def _chosen(scores: Scores, look: ScoreLook) -> list[Score]:
    if look.best:
        return [scores.best(look.metric)]
    if look.is_sorted:
        return sorted(scores.continuations, key=lambda score: -score.figure(look.metric))
    return list(scores.continuations)


def _columns(score: Score, metric: str) -> str:
    figure = f"{score.figure(metric):.6f}"
    return f"{figure}\t{score.token_count}\t{_GREEDY[score.greedy]}\t{score.text.translate(_COLUMN_ENDS)}"


def _line(destination: Destination, text: str) -> None:
    encoded = (visible(text) if destination.is_terminal else text).encode("utf-8", "surrogatepass")
    destination.write(encoded + b"\n")
