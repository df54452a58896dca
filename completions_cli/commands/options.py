"""The options of commands that send requests, by the panels of the help."""

from dataclasses import field
from typing import Annotated

import typer

from completions_cli.commands import values
from completions_cli.commands.common_options import CommonOptions, Panel, format_option, setting
from completions_cli.commands.option_groups import option_group
from completions_cli.commands.prompt_options import PromptOptions
from completions_cli.settings.numbers import PARAMETERS
from completions_cli.settings.table import AUTH_KINDS, EXTRA_PARAMETERS

INTEGER, REAL = PARAMETERS["integer"], PARAMETERS["number"]

# Each group is a panel of the help.
_parameter = Panel("Parameters of the completion")
_output = Panel("Output")


@option_group
class ExtraOptions:
    """Parameters that the API reference does not have, and what is left out."""

    extra: Annotated[
        list[str],
        _parameter(
            "--extra", "-x", metavar="K=V", help="Additional parameter: k=text, k:=json, k=@FILE, k:=@FILE, a.b:=1."
        ),
    ] = field(default_factory=list)
    extra_parameters: Annotated[
        str | None,
        setting(
            "extra_parameters",
            panel="Parameters of the completion",
            metavar="WORD",
            autocompletion=lambda: list(EXTRA_PARAMETERS),
            help="What to do with additional parameters: pass-through, ignore, drop or error.",
        ),
    ] = None
    unset: Annotated[
        list[str],
        _parameter("--unset", metavar="NAME", help="Do not send a parameter that the profile or a default sets."),
    ] = field(default_factory=list)


@option_group
class ParameterOptions:
    """The parameters of the API reference, and what goes beyond them."""

    max_tokens: Annotated[
        int | None,
        _parameter.number(
            "--max-tokens", "-M", kind=INTEGER, metavar="N", help="Maximum tokens to generate. (default 256)"
        ),
    ] = None
    temperature: Annotated[
        float | None, _parameter.number("--temperature", "-t", kind=REAL, metavar="X", help="Randomness, 0 to 2.")
    ] = None
    top_p: Annotated[
        float | None, _parameter.number("--top-p", "-P", kind=REAL, metavar="X", help="Nucleus sampling, 0 to 1.")
    ] = None
    stop: Annotated[
        list[str], _parameter("--stop", "-s", metavar="TEXT", help="Stop before this text; repeat for several.")
    ] = field(default_factory=list)
    seed: Annotated[
        int | None, _parameter.number("--seed", kind=INTEGER, metavar="N", help="Seed for repeatable sampling.")
    ] = None
    frequency_penalty: Annotated[
        float | None,
        _parameter.number("--frequency-penalty", kind=REAL, metavar="X", help="Avoid frequent tokens, -2 to 2."),
    ] = None
    presence_penalty: Annotated[
        float | None,
        _parameter.number("--presence-penalty", kind=REAL, metavar="X", help="Avoid tokens already used, -2 to 2."),
    ] = None
    extras: ExtraOptions


@option_group
class ConnectionOptions:
    """Where requests go, and how. Each but `header` is a setting, typed; it is checked as one."""

    endpoint: Annotated[str | None, setting("endpoint", metavar="URL", help="URL of the service.")] = None
    api_version: Annotated[
        str | None,
        setting("api_version", metavar="V", help="API version; `none` sends no version. (default 2024-04-01-preview)"),
    ] = None
    deployment: Annotated[str | None, setting("deployment", "-d", metavar="NAME", help="Deployment to route to.")] = (
        None
    )
    model: Annotated[
        str | None,
        setting(
            "model",
            "-m",
            metavar="NAME",
            autocompletion=values.complete_model,
            help="Model to request; sent in the body.",
        ),
    ] = None
    model_path: Annotated[
        str | None, setting("model_path", metavar="FILE", help="GGUF model for the profile local.")
    ] = None
    auth: Annotated[
        str | None,
        setting(
            "auth", metavar="KIND", autocompletion=lambda: list(AUTH_KINDS), help="How to sign in: key, entra or none."
        ),
    ] = None
    header: Annotated[
        list[str],
        typer.Option(
            "--header", "-H", metavar="'K: V'", help="Additional header to send.", rich_help_panel="Connection"
        ),
    ] = field(default_factory=list)
    timeout: Annotated[
        str | None, setting("timeout", metavar="S", help="Maximum time without data from the server.")
    ] = None
    deadline: Annotated[str | None, setting("deadline", metavar="S", help="Maximum time for the whole call.")] = None
    connect_timeout: Annotated[str | None, setting("connect_timeout", metavar="S", help="Maximum time to connect.")] = (
        None
    )
    retries: Annotated[str | None, setting("retries", metavar="N", help="Retries after the first attempt.")] = None
    max_wait: Annotated[
        str | None, setting("max_wait", metavar="S", help="Maximum wait before a retry; 0 means no waiting.")
    ] = None
    proxy: Annotated[str | None, setting("proxy", metavar="URL", help="Proxy to use.")] = None
    ca_bundle: Annotated[str | None, setting("ca_bundle", metavar="FILE", help="Certificates to trust.")] = None
    client_cert: Annotated[str | None, setting("client_cert", metavar="FILE", help="Client certificate (PEM).")] = None
    client_key: Annotated[
        str | None, setting("client_key", metavar="FILE", help="Private key of that certificate, if in another file.")
    ] = None
    unix_socket: Annotated[
        str | None, setting("unix_socket", metavar="PATH", help="Unix socket to connect to instead of the host.")
    ] = None


@option_group
class ListingOptions(ConnectionOptions):
    """The same for a list of models: naming one changes nothing there, so that the help leaves it out."""

    model: Annotated[str | None, setting("model", "-m", metavar="NAME", hidden=True, help="")] = None


@option_group
class OutputOptions:
    """What becomes of the answer."""

    samples: Annotated[int, _output.number("--samples", "-n", metavar="K", help="Completions per prompt.")] = 1
    format: Annotated[str | None, format_option("text, json or jsonl.")] = None
    output: Annotated[str | None, _output("--output", "-o", metavar="FILE", help="Write the answer to a file.")] = None
    no_newline: Annotated[bool, _output("--no-newline", "-N", help="Add no newline at the end.")] = False
    separator: Annotated[
        str, _output("--separator", metavar="TEXT", help="Text between several choices in a pipe.")
    ] = "\\n"
    echo: Annotated[bool, _output("--echo", help="Print the prompt before its completion.")] = False
    usage: Annotated[bool, _output("--usage", "-u", help="Print tokens, finish reason and times on stderr.")] = False
    show_logprobs: Annotated[
        bool,
        _output(
            "--show-logprobs",
            help="Show the log-probability of each token: as colours on a terminal, a line per token in a pipe.",
        ),
    ] = False
    fail_on: Annotated[
        list[str],
        _output(
            "--fail-on",
            metavar="REASONS",
            autocompletion=lambda: ["length", "content_filter", "length,content_filter"],
            help="Exit 15 on these finish reasons, such as length,content_filter; `ignored`: if the server ignored "
            "a parameter.",
        ),
    ] = field(default_factory=list)
    dry_run: Annotated[bool, _output("--dry-run", help="Show the request without sending it.")] = False
    curl: Annotated[bool, _output("--curl", help="Show the request as a curl command.")] = False


@option_group
class CallOptions:
    """Everything that `complete` and `stream` take."""

    prompts: PromptOptions
    params: ParameterOptions
    connection: ConnectionOptions
    output: OutputOptions
    common: CommonOptions
