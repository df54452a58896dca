"""The options that several commands share, and how a command takes them.

A group of options is a dataclass; a command names it as the type of one parameter, and `with_options`
shows typer the fields in its place.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from completions_cli.commands import values

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PROMPT = "Where the prompt comes from"
_PARAMETERS = "Parameters of the completion"
_CONNECTION = "Connection"
_OUTPUT = "Output"
_COMMON = "Common"


# Neither compared nor printed: what a dataclass would generate for that costs every start.
_options = dataclass(eq=False, repr=False)


def with_options(command: _Command) -> _Command:
    """Spread the dataclass parameters of a command into options of its own, and gather them again at the call."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    parameters = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if is_dataclass(kind) and isinstance(kind, type):
            groups[name] = kind
            parameters += [_parameter(item, get_type_hints(kind, include_extras=True)) for item in fields(kind)]
        else:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def spread(**typed: Any) -> Any:  # noqa: ANN401 - whatever the command returns
        for name, group in groups.items():
            typed[name] = group(**{item.name: typed.pop(item.name) for item in fields(group)})
        return command(**typed)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread  # type: ignore[return-value]


def _parameter(item: Any, hints: dict[str, Any]) -> inspect.Parameter:  # noqa: ANN401 - a dataclass field
    default = item.default if item.default is not MISSING else item.default_factory()
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[item.name])


@_options
class CommonOptions:
    """Accepted by every command."""

    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="NAME",
            help="Profile to use.",
            autocompletion=values.complete_profile,
            rich_help_panel=_COMMON,
        ),
    ] = None
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Profile file to read.", rich_help_panel=_COMMON)
    ] = None
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but errors on stderr.", rich_help_panel=_COMMON)
    ] = False
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Show the HTTP exchange, secrets masked; twice: bodies too.",
            rich_help_panel=_COMMON,
        ),
    ] = 0
    color: Annotated[
        str,
        typer.Option(
            "--color",
            metavar="WHEN",
            parser=values.color_choice,
            autocompletion=lambda: ["auto", "always", "never"],
            help="Colours: auto, always or never.",
            rich_help_panel=_COMMON,
        ),
    ] = "auto"


@_options
class PromptOptions:
    """Where the prompt comes from."""

    file: Annotated[
        list[str],
        typer.Option(
            "--file",
            "-f",
            metavar="PATH",
            show_default=False,
            help="Read the prompt from a file (- is stdin); repeat for an array of prompts.",
            rich_help_panel=_PROMPT,
        ),
    ] = field(default_factory=list)
    lines: Annotated[bool, typer.Option("--lines", help="Each line of stdin is a prompt.", rich_help_panel=_PROMPT)] = (
        False
    )
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Each NUL-ended piece of stdin is a prompt.", rich_help_panel=_PROMPT)
    ] = False
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens", metavar="JSON|@FILE", help="Token ids: [1,2] or [[1,2],[3]].", rich_help_panel=_PROMPT
        ),
    ] = None
    prompt_json: Annotated[
        str | None,
        typer.Option(
            "--prompt-json", metavar="JSON|@FILE|-", help="A prompt in any form of the API.", rich_help_panel=_PROMPT
        ),
    ] = None
    request: Annotated[
        str | None,
        typer.Option(
            "--request",
            metavar="JSON|@FILE|-",
            help="A whole request body; options override its fields.",
            rich_help_panel=_PROMPT,
        ),
    ] = None
    edit: Annotated[
        bool, typer.Option("--edit", "-e", help="Write the prompt in $VISUAL or $EDITOR.", rich_help_panel=_PROMPT)
    ] = False
    prepend: Annotated[
        str | None,
        typer.Option("--prepend", metavar="TEXT|@FILE", help="Text before the prompt.", rich_help_panel=_PROMPT),
    ] = None
    append: Annotated[
        str | None,
        typer.Option("--append", metavar="TEXT|@FILE", help="Text after the prompt.", rich_help_panel=_PROMPT),
    ] = None
    keep_newline: Annotated[
        bool,
        typer.Option("--keep-newline", help="Keep the final newline of stdin or a file.", rich_help_panel=_PROMPT),
    ] = False
    escapes: Annotated[
        bool,
        typer.Option(
            "--escapes",
            "-E",
            help=r"Decode \n, \t, \xHH, \uXXXX in PROMPT, --prepend, --append, --stop.",
            rich_help_panel=_PROMPT,
        ),
    ] = False


@_options
class ParameterOptions:
    """The parameters of the API reference, and what goes beyond them."""

    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens",
            "-M",
            metavar="N",
            help="Most tokens to generate. (default 256)",
            rich_help_panel=_PARAMETERS,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            "-t",
            metavar="X",
            parser=values.number,
            help="Randomness, 0 to 2.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = None
    top_p: Annotated[
        float | None,
        typer.Option(
            "--top-p",
            "-P",
            metavar="X",
            parser=values.number,
            help="Nucleus sampling, 0 to 1.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = None
    stop: Annotated[
        list[str],
        typer.Option(
            "--stop",
            "-s",
            metavar="TEXT",
            show_default=False,
            help="Stop before this text; repeat for several.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = field(default_factory=list)
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Sample the same way each time.", rich_help_panel=_PARAMETERS),
    ] = None
    frequency_penalty: Annotated[
        float | None,
        typer.Option(
            "--frequency-penalty",
            metavar="X",
            parser=values.number,
            help="Avoid frequent tokens, -2 to 2.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = None
    presence_penalty: Annotated[
        float | None,
        typer.Option(
            "--presence-penalty",
            metavar="X",
            parser=values.number,
            help="Avoid tokens already used, -2 to 2.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = None
    extra: Annotated[
        list[str],
        typer.Option(
            "--extra",
            "-x",
            metavar="K=V",
            show_default=False,
            help="A parameter of the model's own: k=text, k:=json, k=@FILE, k:=@FILE, a.b:=1.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = field(default_factory=list)
    extra_parameters: Annotated[
        str | None,
        typer.Option(
            "--extra-parameters",
            metavar="WORD",
            autocompletion=lambda: ["pass-through", "ignore", "drop", "error"],
            help="What the server does with them: pass-through, ignore, drop or error.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = None
    unset: Annotated[
        list[str],
        typer.Option(
            "--unset",
            metavar="NAME",
            show_default=False,
            help="Do not send a parameter that the profile or a default sets.",
            rich_help_panel=_PARAMETERS,
        ),
    ] = field(default_factory=list)


@_options
class ConnectionOptions:
    """Which service to call, and with how much patience."""

    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="The service.", rich_help_panel=_CONNECTION)
    ] = None
    api_version: Annotated[
        str | None,
        typer.Option(
            "--api-version",
            metavar="V",
            help="Version of the API; none sends none. (default 2024-04-01-preview)",
            rich_help_panel=_CONNECTION,
        ),
    ] = None
    deployment: Annotated[
        str | None,
        typer.Option("--deployment", "-d", metavar="NAME", help="Deployment to route to.", rich_help_panel=_CONNECTION),
    ] = None
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME", help="Model to name in the body.", rich_help_panel=_CONNECTION),
    ] = None
    model_path: Annotated[
        str | None,
        typer.Option(
            "--model-path", metavar="FILE", help="GGUF model for the profile local.", rich_help_panel=_CONNECTION
        ),
    ] = None
    auth: Annotated[
        str | None,
        typer.Option(
            "--auth",
            metavar="KIND",
            autocompletion=lambda: ["key", "entra", "none"],
            help="How to sign in: key, entra or none. (default key)",
            rich_help_panel=_CONNECTION,
        ),
    ] = None
    header: Annotated[
        list[str],
        typer.Option(
            "--header",
            "-H",
            metavar="'K: V'",
            show_default=False,
            help="Send a header of your own.",
            rich_help_panel=_CONNECTION,
        ),
    ] = field(default_factory=list)
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout", metavar="S", help="Longest silence of the server. (default 300)", rich_help_panel=_CONNECTION
        ),
    ] = None
    deadline: Annotated[
        str | None,
        typer.Option("--deadline", metavar="S", help="Longest time for the whole call.", rich_help_panel=_CONNECTION),
    ] = None
    connect_timeout: Annotated[
        str | None,
        typer.Option(
            "--connect-timeout", metavar="S", help="Longest time to connect. (default 10)", rich_help_panel=_CONNECTION
        ),
    ] = None
    retries: Annotated[
        str | None,
        typer.Option("--retries", metavar="N", help="Further attempts. (default 4)", rich_help_panel=_CONNECTION),
    ] = None
    max_wait: Annotated[
        str | None,
        typer.Option(
            "--max-wait",
            metavar="S",
            help="Longest wait to accept before an attempt. (default 120)",
            rich_help_panel=_CONNECTION,
        ),
    ] = None
    proxy: Annotated[
        str | None, typer.Option("--proxy", metavar="URL", help="Proxy to go through.", rich_help_panel=_CONNECTION)
    ] = None
    ca_bundle: Annotated[
        str | None,
        typer.Option("--ca-bundle", metavar="FILE", help="Certificates to trust.", rich_help_panel=_CONNECTION),
    ] = None


@_options
class OutputOptions:
    """What becomes of the answer."""

    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            "-n",
            metavar="K",
            min=1,
            show_default=False,
            help="Completions of each prompt. (default 1)",
            rich_help_panel=_OUTPUT,
        ),
    ] = 1
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-F",
            metavar="FORMAT",
            autocompletion=lambda: ["text", "json", "jsonl"],
            help="text, json or jsonl. (default text)",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the answer to a file.", rich_help_panel=_OUTPUT),
    ] = None
    no_newline: Annotated[
        bool, typer.Option("--no-newline", "-N", help="Add no newline at the end.", rich_help_panel=_OUTPUT)
    ] = False
    separator: Annotated[
        str,
        typer.Option(
            "--separator",
            metavar="TEXT",
            show_default=False,
            help=r"Between several choices in a pipe. (default \n)",
            rich_help_panel=_OUTPUT,
        ),
    ] = "\\n"
    echo: Annotated[
        bool, typer.Option("--echo", help="Print the prompt before its completion.", rich_help_panel=_OUTPUT)
    ] = False
    usage: Annotated[
        bool,
        typer.Option("--usage", "-u", help="Print tokens, finish reason and times on stderr.", rich_help_panel=_OUTPUT),
    ] = False
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="REASONS",
            help="Exit 15 on these finish reasons, as in length,content_filter.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the request, send nothing.", rich_help_panel=_OUTPUT)
    ] = False
    curl: Annotated[
        bool, typer.Option("--curl", help="Show the request as a curl command.", rich_help_panel=_OUTPUT)
    ] = False
