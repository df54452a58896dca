"""The options that commands of every kind share, and how the option of a setting is made."""

import shlex
from collections.abc import Iterable
from dataclasses import field
from typing import Annotated, Any

import typer

from completions_cli.commands import values
from completions_cli.commands.option_groups import option_group
from completions_cli.errors import UsageError
from completions_cli.settings.numbers import Number
from completions_cli.settings.table import FORMATS, SETTINGS
from completions_cli.streams import Streams

_COLORS = ("auto", "always", "never")


class Panel:
    """A heading of the help, and what makes the options below it. Their long name comes first."""

    def __init__(self, heading: str) -> None:
        self._heading = heading

    def __call__(self, *names: str, **looks: Any) -> Any:  # noqa: ANN401 - typer's own class
        """Make an option."""
        return typer.Option(*names, rich_help_panel=self._heading, **looks)

    def number(self, *names: str, kind: Number | None = None, **looks: Any) -> Any:  # noqa: ANN401 - typer's own class
        """Make an option that is a number: that of the table of its long name, if no `kind` is given."""
        return self(*names, parser=values.number(names[0], kind), **looks)

    def word(self, *names: str, known: Iterable[str], **looks: Any) -> Any:  # noqa: ANN401 - typer's own class
        """Make an option that is one of some words."""
        words = list(known)
        return self(*names, parser=values.one_of(names[0], words), autocompletion=lambda: words, **looks)


_common = Panel("Common")


def setting(name: str, *short: str, help: str, panel: str = "Connection", **looks: Any) -> Any:  # noqa: A002, ANN401 - typer's word and class
    """Make the option of a setting: its long name and its default come from the table of settings."""
    known = SETTINGS[name]
    default = "" if known.default is None else f" (default {_shown(known.default)})"
    return typer.Option(known.flag, *short, help=help + default, rich_help_panel=panel, **looks)


def _shown(default: Any) -> str:  # noqa: ANN401 - any setting's
    return f"{default:g}" if isinstance(default, float) else str(default)


def format_option(meaning: str) -> Any:  # noqa: ANN401 - typer's own class
    """Make the option -F of a command whose answer has these formats."""
    return setting("format", "-F", panel="Output", metavar="FORMAT", autocompletion=lambda: list(FORMATS), help=meaning)


def verbose_option(meaning: str) -> Any:  # noqa: ANN401 - typer's own class
    """Make the option -v, which means something else to a server than to a client."""
    return _common("--verbose", "-v", count=True, help=meaning)


def profile_option(meaning: str) -> Any:  # noqa: ANN401 - typer's own class
    """Make the option -p, which some commands take once and others several times."""
    return _common("--profile", "-p", metavar="NAME", help=meaning, autocompletion=values.complete_profile)


@option_group
class CommonOptions:
    """Accepted by every command."""

    profiles: Annotated[list[str], profile_option("Profile to use; repeat to use several together.")] = field(
        default_factory=list
    )
    config: Annotated[str | None, _common("--config", metavar="FILE", help="Profile file to read.")] = None
    quiet: Annotated[bool, _common("--quiet", "-q", help="Print only errors on stderr.")] = False
    verbose: Annotated[int, verbose_option("Show the HTTP exchange, with secrets masked; -vv adds bodies.")] = 0
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
            raise UsageError("this command takes one profile", hint=f"For example: -p {shlex.quote(self.profiles[0])}")
        return self.profiles[0] if self.profiles else None


def _accepted(*names: str, **looks: Any) -> Any:  # noqa: ANN401 - typer's own
    """Make a common option that means nothing to a command: every command accepts it, and its help leaves it out."""
    return _common(*names, hidden=True, **looks)


@option_group
class OfflineOptions(CommonOptions):
    """Those of commands that send no requests."""

    verbose: Annotated[int, _accepted("--verbose", "-v", count=True)] = 0


@option_group
class OneProfileOptions(OfflineOptions):
    """Those of commands that work on one profile of the file."""

    profiles: Annotated[list[str], profile_option("Profile to use.")] = field(default_factory=list)


@option_group
class NewProfileOptions(OneProfileOptions):
    """Those of the command that makes a profile."""

    profiles: Annotated[list[str], profile_option("Name of the new profile. (default foundry)")] = field(
        default_factory=list
    )


@option_group
class FileOptions(OfflineOptions):
    """Those of commands that work on the profile file as a whole."""

    profiles: Annotated[list[str], _accepted("--profile", "-p")] = field(default_factory=list)


@option_group
class ToolOptions(FileOptions):
    """Those of commands that use no profiles."""

    config: Annotated[str | None, _accepted("--config")] = None


@option_group
class JsonOptions:
    """JSON instead of a list."""

    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False

    def apply(self, streams: Streams) -> None:
        """Report errors as JSON, too."""
        streams.wants_json = self.json
