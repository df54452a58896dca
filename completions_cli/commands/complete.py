"""`completions complete`: one request, one answer."""

import typer

from completions_cli.commands.option_groups import with_options
from completions_cli.commands.options import CallOptions
from completions_cli.commands.prompt_command import PromptCommand
from completions_cli.streams import Streams

app = typer.Typer(add_completion=False)


@app.command(cls=PromptCommand)
@with_options
def complete(streams: Streams, options: CallOptions) -> None:
    """Complete a prompt: one request, one answer.

    Without PROMPT the prompt is read from stdin.
    """
    from completions_cli.commands import call  # help and tab completion go without it

    call.run(streams, options, streaming=False)
