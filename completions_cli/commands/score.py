"""`completions score`: how likely the model finds given text."""

import typer

from completions_cli.commands.option_groups import with_options
from completions_cli.commands.prompt_command import PromptCommand
from completions_cli.commands.score_options import ScoreOptions
from completions_cli.streams import Streams

app = typer.Typer(add_completion=False)


@app.command(cls=PromptCommand)
@with_options
def score(streams: Streams, options: ScoreOptions) -> None:
    """Print how likely the model finds continuations of a prompt.

    Each line is FIGURE, TOKENS, GREEDY (yes, no or -) and CONTINUATION, separated by tabs. Without continuations,
    the text itself is scored: its tokens, log-probability, perplexity and bits per byte.
    """
    from completions_cli.commands import scoring_call  # help and tab completion go without it

    scoring_call.run(streams, options)
