"""The options of `score`."""

from dataclasses import field
from typing import Annotated

from completions_cli.commands.common_options import CommonOptions, Panel, format_option
from completions_cli.commands.option_groups import option_group
from completions_cli.commands.options import ConnectionOptions, ExtraOptions
from completions_cli.commands.prompt_options import TextOptions

_scores = Panel("Scores")
_output = Panel("Output")


@option_group
class ContinuationOptions:
    """What is scored, and how it is shown."""

    continuation: Annotated[
        list[str],
        _scores(
            "--continuation",
            "-c",
            metavar="TEXT",
            help="Score this text as it follows the prompt, with nothing between them; repeat for several.",
        ),
    ] = field(default_factory=list)
    choices: Annotated[
        str | None,
        _scores(
            "--choices",
            metavar="FILE",
            help="Continuations from a file, - for stdin: one per line, or a JSON array in a .json file.",
        ),
    ] = None
    metric: Annotated[
        str | None,
        _scores(
            "--metric",
            metavar="METRIC",
            autocompletion=lambda: ["sum", "mean", "per-byte"],
            help="The figure: sum, mean (per token) or per-byte, in nats. (default sum)",
        ),
    ] = None
    sort: Annotated[bool, _scores("--sort", help="Print the likeliest first.")] = False
    best: Annotated[bool, _scores("--best", help="Print only the text of the likeliest.")] = False
    format: Annotated[str | None, format_option("text, json or jsonl (one continuation per line).")] = None
    output: Annotated[str | None, _output("--output", "-o", metavar="FILE", help="Write the scores to a file.")] = None
    dry_run: Annotated[bool, _output("--dry-run", help="Show the first request without sending it.")] = False


@option_group
class ScoreOptions:
    """Everything that `score` takes."""

    prompts: TextOptions
    scored: ContinuationOptions
    params: ExtraOptions
    connection: ConnectionOptions
    common: CommonOptions
