"""What --help shows: lines under headings, as plain in a terminal as in a pipe or to a screen reader."""

import itertools
import textwrap
from collections.abc import Iterator
from typing import Any

import typer
import typer.core

from completions_cli.commands import plain_values
from completions_cli.commands.descriptions import arguments, meaning, metavar, panels, summary, takes_value

# typer keeps the class out of its public names; every error in what was typed derives from it.
PARSER_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


class _Page:
    """Explains what is wrong with arguments, and writes the help: usage, purpose, arguments, options, examples."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse them; what is wrong is told in our own words."""
        for param in self.get_params(ctx):  # type: ignore[attr-defined] # of the class beside this one
            plain_values.read_plainly(param)
        try:
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc] # of the class beside this one
        except PARSER_ERROR as error:
            from completions_cli.commands import mistakes

            raise mistakes.explained(error, ctx) from error
        return rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        command: Any = self
        formatter.write_usage(ctx.command_path, " ".join(["[OPTIONS]", *_words(command, ctx)]))
        command.format_help_text(ctx, formatter)
        sections = dict(_sections(command, ctx))
        width = max(len(name) for rows in sections.values() for name, _ in rows)
        for heading, rows in sections.items():
            with _section(heading, ctx, formatter):
                formatter.write("".join(f"{line}\n" for row in rows for line in _lines(*row, width, formatter.width)))
        command.format_epilog(ctx, formatter)
        _write_examples(ctx, formatter)


def _words(command: Any, ctx: Any) -> list[str]:
    is_group = hasattr(command, "list_commands")
    return ["COMMAND ..."] if is_group else [metavar(argument) for argument in arguments(command)]


def _sections(command: Any, ctx: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield headings, and the names and meanings below each."""
    if hasattr(command, "list_commands"):
        yield "Commands", [(name, summary(command.get_command(ctx, name))) for name in command.list_commands(ctx)]
    if hasattr(command, "verbs"):
        yield "Commands", list(command.verbs.items())
    if arguments(command):
        yield "Arguments", [(metavar(argument), meaning(argument)) for argument in arguments(command)]
    for heading, options in panels(command, ctx).items():
        yield heading, [(_names(option, ctx), meaning(option)) for option in options]


def _names(option: Any, ctx: Any) -> str:
    names: list[str] = sorted(option.opts, key=len)
    indent = "    " if names[0].startswith("--") else ""
    return indent + ", ".join(names) + (f" {metavar(option)}" if takes_value(option) else "")


def _lines(name: str, text: str, width: int, terminal: int) -> Iterator[str]:
    """Set a name and its meaning side by side. Options and values are not broken at their hyphens."""
    lines = textwrap.wrap(text, terminal - width - 4, break_on_hyphens=False)
    for first, line in itertools.zip_longest([name], lines, fillvalue=""):
        yield f"  {first:<{width}}  {line}".rstrip()


def _write_examples(ctx: Any, formatter: Any) -> None:
    from completions_cli.commands.examples import EXAMPLES

    examples = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
    if examples:
        with _section("Examples", ctx, formatter):
            # Written as they are: a command that is wrapped cannot be copied.
            formatter.write("".join(f"  # {purpose}\n  {typed}\n" for purpose, typed in examples))


def _section(heading: str, ctx: Any, formatter: Any) -> Any:
    return formatter.section(typer.style(heading, bold=True) if ctx.color else heading)


class Command(_Page, typer.core.TyperCommand):
    """A command with such a page."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse them; what is left over is an error in our own words."""
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            from completions_cli.commands import mistakes

            raise mistakes.too_many(self, ctx)
        return rest


class Group(_Page, typer.core.TyperGroup):
    """A group of commands with such a page, which is what it shows when none of them is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the page where nothing was typed; the program as a whole has to be told what to do."""
        if not args and not ctx.resilient_parsing:
            if ctx.parent is None:
                from completions_cli.commands import mistakes

                raise mistakes.no_command(ctx)
            typer.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the command that is called; that there is none is an error in our own words."""
        if args[0] not in self.list_commands(ctx) and not ctx.resilient_parsing:
            from completions_cli.commands import mistakes

            raise mistakes.unknown_command(ctx, self.list_commands(ctx), args)
        return super().resolve_command(ctx, args)
