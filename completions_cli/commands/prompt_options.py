"""The options that say where the prompt comes from."""

from dataclasses import field
from typing import Annotated, Any

import typer

from completions_cli.commands.common_options import Panel
from completions_cli.commands.option_groups import option_group

_prompt = Panel("Where the prompt comes from")


@option_group
class PromptOptions:
    """Where the prompt comes from."""

    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="The prompt, used literally; - reads stdin.")
    ] = None
    file: Annotated[
        list[str],
        _prompt(
            "--file",
            "-f",
            metavar="PATH",
            help="Read the prompt from a file (- is stdin); repeat for an array of prompts.",
        ),
    ] = field(default_factory=list)
    lines: Annotated[bool, _prompt("--lines", help="Each line of stdin is a prompt.")] = False
    null: Annotated[bool, _prompt("--null", "-0", help="Each NUL-terminated piece of stdin is a prompt.")] = False
    tokens: Annotated[
        str | None, _prompt("--tokens", metavar="JSON|@FILE", help="Token ids: [1,2] or [[1,2],[3]].")
    ] = None
    prompt_json: Annotated[
        str | None, _prompt("--prompt-json", metavar="JSON|@FILE|-", help="A prompt in any form of the API.")
    ] = None
    request: Annotated[
        str | None,
        _prompt("--request", metavar="JSON|@FILE|-", help="A whole request body; options override its fields."),
    ] = None
    edit: Annotated[bool, _prompt("--edit", "-e", help="Write the prompt in $VISUAL or $EDITOR.")] = False
    prepend: Annotated[
        str | None, _prompt("--prepend", metavar="TEXT|@FILE", help="Put this text before the prompt.")
    ] = None
    append: Annotated[str | None, _prompt("--append", metavar="TEXT|@FILE", help="Put this text after the prompt.")] = (
        None
    )
    suffix: Annotated[
        str | None, _prompt("--suffix", metavar="TEXT|@FILE", help="Fill in a gap: the text that follows it.")
    ] = None
    cursor: Annotated[
        str | None, _prompt("--cursor", metavar="LINE:COL", help="Fill in the file given with -f at this position.")
    ] = None
    keep_newline: Annotated[bool, _prompt("--keep-newline", help="Keep the final newline of stdin or a file.")] = False
    escapes: Annotated[
        bool,
        _prompt(
            "--escapes", "-E", help=r"Decode \n, \t, \xHH, \uXXXX in PROMPT, --prepend, --append, --suffix, --stop."
        ),
    ] = False


def _unused(name: str, *short: str, **looks: Any) -> Any:  # noqa: ANN401 - typer's own class
    """Make an option that is refused with a hint, and that the help leaves out."""
    return _prompt(name, *short, hidden=True, **looks)


@option_group
class TextOptions(PromptOptions):
    """Where the text to score comes from: one text, and no gap in it."""

    file: Annotated[
        list[str], _prompt("--file", "-f", metavar="PATH", help="Read the prompt from a file (- is stdin).")
    ] = field(default_factory=list)
    prompt_json: Annotated[
        str | None, _prompt("--prompt-json", metavar="JSON|@FILE|-", help="The prompt as a JSON string.")
    ] = None
    lines: Annotated[bool, _unused("--lines")] = False
    null: Annotated[bool, _unused("--null", "-0")] = False
    tokens: Annotated[str | None, _unused("--tokens")] = None
    suffix: Annotated[str | None, _unused("--suffix")] = None
    cursor: Annotated[str | None, _unused("--cursor")] = None
    escapes: Annotated[
        bool,
        _prompt("--escapes", "-E", help=r"Decode \n, \t, \xHH, \uXXXX in PROMPT, --prepend, --append, --continuation."),
    ] = False
