"""The options that several commands share, by the panels of the help."""

import functools
import shlex
from dataclasses import field
from typing import Annotated, Any

import typer

from completions_cli.commands import values
from completions_cli.commands.option_groups import option_group
from completions_cli.errors import UsageError
from completions_cli.settings.numbers import PARAMETERS
from completions_cli.settings.table import AUTH_KINDS, EXTRA_PARAMETERS, FORMATS, SETTINGS
from completions_cli.streams import Streams

_COLORS = ("auto", "always", "never")
INTEGER, REAL = PARAMETERS["integer"], PARAMETERS["number"]

# Each group is a panel of the help.
_prompt = functools.partial(typer.Option, rich_help_panel="Where the prompt comes from")
_parameter = functools.partial(typer.Option, rich_help_panel="Parameters of the completion")
_output = functools.partial(typer.Option, rich_help_panel="Output")
_common = functools.partial(typer.Option, rich_help_panel="Common")


def setting(name: str, *short: str, help: str, panel: str = "Connection", **looks: Any) -> Any:  # noqa: A002, ANN401 - typer's word and class
    """Make the option of a setting: its long name and its default come from the table of settings."""
    known = SETTINGS[name]
    default = "" if known.default is None else f" (default {_shown(known.default)})"
    return typer.Option(known.flag, *short, help=help + default, rich_help_panel=panel, **looks)


def _shown(default: Any) -> str:  # noqa: ANN401 - any setting's
    return f"{default:g}" if isinstance(default, float) else str(default)


def verbose_option(meaning: str) -> Any:  # noqa: ANN401 - typer's own class
    """Make the option -v, which means something else to a server than to a client."""
    return _common("--verbose", "-v", count=True, help=meaning)


@option_group
class CommonOptions:
    """Accepted by every command."""

    profiles: Annotated[
        list[str],
        _common(
            "--profile",
            "-p",
            metavar="NAME",
            help="Profile to use; repeat to use several together.",
            autocompletion=values.complete_profile,
        ),
    ] = field(default_factory=list)
    config: Annotated[str | None, _common("--config", metavar="FILE", help="Profile file to read.")] = None
    quiet: Annotated[bool, _common("--quiet", "-q", help="Print only errors on stderr.")] = False
    verbose: Annotated[int, verbose_option("Show the HTTP exchange, secrets masked; -vv: bodies.")] = 0
    color: Annotated[
        str,
        _common(
            "--color",
            metavar="WHEN",
            parser=values.one_of("--color", _COLORS, "Leave it out to have colours on terminals."),
            autocompletion=lambda: list(_COLORS),
            help="Colours: auto, always or never.",
        ),
    ] = "auto"

    def apply(self, streams: Streams) -> None:
        """Apply the options to the streams."""
        streams.stderr.quiet = self.quiet
        streams.verbosity = 0 if self.quiet else self.verbose
        streams.color_choice = self.color

    @property
    def profile(self) -> str | None:
        """The profile that was named. Raises UsageError for several, which few commands take."""
        if len(self.profiles) > 1:
            raise UsageError("one profile at a time here", hint=f"For example: -p {shlex.quote(self.profiles[0])}")
        return self.profiles[0] if self.profiles else None


@option_group
class JsonOptions:
    """JSON instead of a list."""

    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False

    def apply(self, streams: Streams) -> None:
        """Report errors as JSON, too."""
        streams.wants_json = self.json


@option_group
class PromptOptions:
    """Where the prompt comes from."""

    prompt: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT]", help="The prompt, used literally; - reads stdin."),
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
    prepend: Annotated[str | None, _prompt("--prepend", metavar="TEXT|@FILE", help="Text before the prompt.")] = None
    append: Annotated[str | None, _prompt("--append", metavar="TEXT|@FILE", help="Text after the prompt.")] = None
    suffix: Annotated[
        str | None, _prompt("--suffix", metavar="TEXT|@FILE", help="Infill: the text that follows the gap.")
    ] = None
    cursor: Annotated[
        str | None, _prompt("--cursor", metavar="LINE:COL", help="Infill at this position of the file given with -f.")
    ] = None
    keep_newline: Annotated[bool, _prompt("--keep-newline", help="Keep the final newline of stdin or a file.")] = False
    escapes: Annotated[
        bool,
        _prompt(
            "--escapes", "-E", help=r"Decode \n, \t, \xHH, \uXXXX in PROMPT, --prepend, --append, --suffix, --stop."
        ),
    ] = False


@option_group
class ExtraOptions:
    """Parameters that the API reference does not have, and what is left out."""

    extra: Annotated[
        list[str],
        _parameter(
            "--extra",
            "-x",
            metavar="K=V",
            help="Additional parameter: k=text, k:=json, k=@FILE, k:=@FILE, a.b:=1.",
        ),
    ] = field(default_factory=list)
    extra_parameters: Annotated[
        str | None,
        setting(
            "extra_parameters",
            panel="Parameters of the completion",
            metavar="WORD",
            autocompletion=lambda: list(EXTRA_PARAMETERS),
            help="What the server does with them: pass-through, ignore, drop or error.",
        ),
    ] = None
    unset: Annotated[
        list[str],
        _parameter(
            "--unset",
            metavar="NAME",
            help="Do not send a parameter that the profile or a default sets.",
        ),
    ] = field(default_factory=list)


@option_group
class ParameterOptions:
    """The parameters of the API reference, and what goes beyond them."""

    max_tokens: Annotated[
        int | None,
        _parameter(
            "--max-tokens",
            "-M",
            metavar="N",
            parser=values.number("--max-tokens", INTEGER),
            help="Maximum tokens to generate. (default 256)",
        ),
    ] = None
    temperature: Annotated[
        float | None,
        _parameter(
            "--temperature", "-t", metavar="X", parser=values.number("--temperature", REAL), help="Randomness, 0 to 2."
        ),
    ] = None
    top_p: Annotated[
        float | None,
        _parameter(
            "--top-p", "-P", metavar="X", parser=values.number("--top-p", REAL), help="Nucleus sampling, 0 to 1."
        ),
    ] = None
    stop: Annotated[
        list[str],
        _parameter("--stop", "-s", metavar="TEXT", help="Stop before this text; repeat for several."),
    ] = field(default_factory=list)
    seed: Annotated[
        int | None,
        _parameter(
            "--seed", metavar="N", parser=values.number("--seed", INTEGER), help="Seed for repeatable sampling."
        ),
    ] = None
    frequency_penalty: Annotated[
        float | None,
        _parameter(
            "--frequency-penalty",
            metavar="X",
            parser=values.number("--frequency-penalty", REAL),
            help="Avoid frequent tokens, -2 to 2.",
        ),
    ] = None
    presence_penalty: Annotated[
        float | None,
        _parameter(
            "--presence-penalty",
            metavar="X",
            parser=values.number("--presence-penalty", REAL),
            help="Avoid tokens already used, -2 to 2.",
        ),
    ] = None
    extras: ExtraOptions


@option_group
class ConnectionOptions:
    """Where requests go, and how. Each but `header` is a setting, typed; it is checked as one."""

    endpoint: Annotated[str | None, setting("endpoint", metavar="URL", help="URL of the service.")] = None
    api_version: Annotated[
        str | None,
        setting("api_version", metavar="V", help="Version of the API; none sends none. (default 2024-04-01-preview)"),
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
            "auth",
            metavar="KIND",
            autocompletion=lambda: list(AUTH_KINDS),
            help="How to sign in: key, entra or none.",
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
        str | None,
        setting("max_wait", metavar="S", help="Maximum wait before a retry; 0: do not wait."),
    ] = None
    proxy: Annotated[str | None, setting("proxy", metavar="URL", help="Proxy to use.")] = None
    ca_bundle: Annotated[str | None, setting("ca_bundle", metavar="FILE", help="Certificates to trust.")] = None
    client_cert: Annotated[str | None, setting("client_cert", metavar="FILE", help="Client certificate (PEM).")] = None
    client_key: Annotated[
        str | None, setting("client_key", metavar="FILE", help="Its private key, if it is in another file.")
    ] = None
    unix_socket: Annotated[
        str | None, setting("unix_socket", metavar="PATH", help="Unix socket to connect to instead of the host.")
    ] = None


@option_group
class OutputOptions:
    """What becomes of the answer."""

    samples: Annotated[
        int,
        _output("--samples", "-n", metavar="K", parser=values.number("--samples"), help="Completions per prompt."),
    ] = 1
    format: Annotated[
        str | None,
        setting(
            "format",
            "-F",
            panel="Output",
            metavar="FORMAT",
            autocompletion=lambda: list(FORMATS),
            help="text, json or jsonl.",
        ),
    ] = None
    output: Annotated[str | None, _output("--output", "-o", metavar="FILE", help="Write the answer to a file.")] = None
    no_newline: Annotated[bool, _output("--no-newline", "-N", help="Add no newline at the end.")] = False
    separator: Annotated[
        str,
        _output("--separator", metavar="TEXT", help="Text between several choices in a pipe."),
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
        str | None,
        _output(
            "--fail-on",
            metavar="REASONS",
            autocompletion=lambda: ["length", "content_filter", "length,content_filter"],
            help="Exit 15 on these finish reasons, as in length,content_filter, or `ignored` (a parameter).",
        ),
    ] = None
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
