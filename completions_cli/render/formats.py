"""The formats of an answer."""

from dataclasses import replace

from completions_cli.atomic import Destination
from completions_cli.render.answer import AnswerOptions, Renderer
from completions_cli.render.json_output import ChoiceLines, ChunkLines, Document
from completions_cli.render.text import Text


def renderer(options: AnswerOptions, destination: Destination) -> Renderer:
    """Return the renderer of the format in `options`, which writes to `destination`."""
    match options.format:
        case "json":
            return Document(destination)
        case "jsonl":
            return ChunkLines(destination) if options.streaming else ChoiceLines(destination)
        case "text":
            return _text(options, destination)


def _text(options: AnswerOptions, destination: Destination) -> Renderer:
    if options.tokens is None:
        return Text(options, destination)
    from completions_cli.render import tokens

    color = options.tokens == "colored"
    if options.echo is not None and not color:
        options = replace(options, echo=tokens.on_lines(options.echo))
    return tokens.Tokens(Text(options, destination, is_safe=color), color=color)
