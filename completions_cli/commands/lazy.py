"""Commands that are loaded when they are called: help and tab completion of names load none of them."""

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import typer

from completions_cli.commands import help_pages


def load(package: str, name: str) -> Any:
    """Load the command that the module `name` of a package holds as its `app`."""
    command = typer.main.get_command(importlib.import_module(f"{package}.{name}").app)
    command.name = name
    return command


class LazyGroup(help_pages.Group):
    """A group whose commands are modules of one package; `summaries` is what its help shows, in that order."""

    package: ClassVar[str]
    summaries: ClassVar[Mapping[str, str]]

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands, in the order of the help."""
        return list(self.summaries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what is shown of a command; None when there is none of that name."""
        summary = self.summaries.get(cmd_name)
        return None if summary is None else help_pages.Command(cmd_name, help=summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Load the command that is called."""
        name, shown, rest = super().resolve_command(ctx, args)
        return name, shown and self.load(args[0]), rest

    def load(self, name: str) -> Any:
        """Load the command of this name."""
        return load(self.package, name)


class CommandWithVerbs(help_pages.Command):
    """A command that has commands of its own: its first word may be one of them, and is its argument otherwise.

    `verbs` maps the modules of `package` to what the help says of each; `bare` maps options that may stand without a
    value, which the parser does not know, to the value that they then have.
    """

    package: ClassVar[str]
    verbs: ClassVar[Mapping[str, str]]
    bare: ClassVar[Mapping[str, str]] = {}

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Hand over to the verb, if the first word is one."""
        if not args or args[0] not in self.verbs:
            return super().make_context(info_name, self._with_values(args), parent, **extra)
        # Its own arguments stand in no verb's usage.
        above = typer.Context(help_pages.Command(info_name), info_name=info_name, parent=parent)
        return load(self.package, args[0]).make_context(args[0], args[1:], parent=above, **extra)

    def _with_values(self, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        return [f"{word}={self.bare[word]}" if word in self.bare else word for word in args[:end]] + args[end:]
