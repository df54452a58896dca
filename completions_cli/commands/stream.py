"""`completions stream`: one request, its answer printed token by token."""

from typing import Annotated

import typer

from completions_cli.commands.option_groups import with_options
from completions_cli.commands.options import (
    CommonOptions,
    ConnectionOptions,
    OutputOptions,
    ParameterOptions,
    PromptOptions,
)
from completions_cli.commands.prompt_command import PromptCommand

app = typer.Typer(add_completion=False)


@app.command(cls=PromptCommand)
@with_options
def stream(
    ctx: typer.Context,
    prompts: PromptOptions,
    params: ParameterOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
    common: CommonOptions,
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT]", help="The prompt, taken as it is; - is stdin."),
    ] = None,
) -> None:
    """Complete a prompt and print the text as it is generated.

    Without PROMPT the prompt is read from stdin.
    """
    from completions_cli.commands import call  # help and tab completion go without it

    call.run(ctx.obj, prompt, prompts, params, connection, output, common, streaming=True)
