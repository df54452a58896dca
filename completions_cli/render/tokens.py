"""Text with the log-probability of each of its tokens: in colours on a terminal, a line per token elsewhere."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from completions_cli.api import logprobs
from completions_cli.api.logprobs import Token
from completions_cli.models import Chunk, Delta, Finished, Json
from completions_cli.render.answer import Renderer
from completions_cli.streams import visible

_RESET = "\x1b[0m"
# From this probability on, and how it looks: legible on black and on white.
_COLORS = (
    (0.5, "\x1b[32m", "50 % or more"),
    (0.1, "\x1b[36m", "10 to 50 %"),
    (0.01, "\x1b[35m", "1 to 10 %"),
    (0.0, "\x1b[31m", "less than 1 %"),
)
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def legend() -> str:
    """Return what the colours mean, in them."""
    return "probability of each token: " + ", ".join(f"{color}{share}{_RESET}" for _, color, share in _COLORS)


class Tokens:
    """Shows an answer by way of a renderer of text: each token in the colour of its probability, or on a line.

    A line is the log-probability, a tab, and the token with tabs and newlines escaped. Text that came without figures
    is shown as it is, or on a line that begins with the tab.
    """

    def __init__(self, text: Renderer, *, color: bool) -> None:
        self._text = text
        self._shown = _colored if color else _lines

    def chunk(self, chunk: Chunk) -> None:
        """Show the content of a chunk."""
        deltas = tuple(
            delta._replace(text=self._shown(delta.text, _pieces(delta, choice)))
            for delta, choice in zip(chunk.deltas, chunk.choices, strict=True)
        )
        self._text.chunk(replace(chunk, deltas=deltas))

    def finish(self, finished: Finished) -> None:
        """Show the end of a whole answer."""
        self._text.finish(finished)

    def abort(self) -> None:
        """Leave what was shown in good order."""
        self._text.abort()


def on_lines(prompt_of: Callable[[int], str]) -> Callable[[int], str]:
    """Make the function that gives the prompt of a choice on a line of its own, as text without figures is."""
    return lambda index: _lines("", [Token(prompt_of(index), None)])


def _pieces(delta: Delta, choice: Mapping[str, Json]) -> Sequence[Token]:
    """Return the tokens of a piece of text; text without figures is one token without."""
    return logprobs.read(choice) or ([Token(delta.text, None)] if delta.text else [])


def _lines(_: str, tokens: Sequence[Token]) -> str:
    return "".join(f"{_figure(token)}\t{_cell(token)}\n" for token in tokens)


def _figure(token: Token) -> str:
    return "" if token.logprob is None else f"{token.logprob:.4f}"


def _cell(token: Token) -> str:
    if token.raw is not None and "\ufffd" in token.text:  # a piece of a character
        return "".join(f"\\x{byte:02x}" for byte in token.raw)
    return token.text.translate(_ESCAPES)


def _colored(text: str, tokens: Sequence[Token]) -> str:
    if "".join(token.text for token in tokens) == text:
        return "".join(_painted(token.text, token.logprob) for token in tokens)
    # Tokens that are pieces of characters: the text as a whole is as likely as the least likely of them.
    figures = [token.logprob for token in tokens if token.logprob is not None]
    return _painted(text, min(figures, default=None))


def _painted(text: str, logprob: float | None) -> str:
    words = text.rstrip("\n")
    if logprob is None or not words:
        return visible(text)
    color = next(color for least, color, _ in _COLORS if math.exp(logprob) >= least)
    return f"{color}{visible(words)}{_RESET}{text[len(words) :]}"
