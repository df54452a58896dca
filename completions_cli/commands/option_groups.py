"""Options that several commands share, and what every command does at its start.

A group of options is a dataclass; it may hold other groups. A command takes the streams and its groups, and
`with_options` shows typer the single options in their place.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import wraps
from typing import Any, TypeGuard, TypeVar, dataclass_transform

import typer

from completions_cli.streams import Running, Streams

_Command = TypeVar("_Command", bound=Callable[..., Any])

_Group = TypeVar("_Group")


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def option_group(group: type[_Group]) -> type[_Group]:
    """Make a class a group of options."""
    # Neither compared nor printed: what a dataclass would generate for that costs every start.
    return dataclass(eq=False, repr=False, kw_only=True)(group)


def with_options(command: _Command) -> _Command:
    """Spread the groups among a command's parameters into options of its own, and gather them again at the call.

    The command's first parameter receives the streams, on which each group that has an `apply` takes effect first.
    """
    (streams, _), *others = inspect.signature(command).parameters.items()
    groups: dict[str, type] = {}
    parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name, parameter in others:
        if _is_group(parameter.annotation):
            groups[name] = parameter.annotation
            parameters += _options(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def spread(ctx: typer.Context, **typed: Any) -> Any:  # noqa: ANN401 - whatever the command returns
        ctx.obj.running = _running(ctx)
        for name, group in groups.items():
            typed[name] = _gathered(group, typed, ctx.obj)
        return command(**{streams: ctx.obj}, **typed)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by typer
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread  # type: ignore[return-value] # as typer sees it


def _running(ctx: typer.Context) -> Running:
    """Return the command that is about to run."""
    shown = (param for param in ctx.command.params if not getattr(param, "hidden", False))
    own = frozenset(option for param in shown for option in param.opts)
    return Running(ctx.info_name or "", own.union(ctx.help_option_names))


def _is_group(kind: Any) -> TypeGuard[type]:  # noqa: ANN401 - any annotation
    return isinstance(kind, type) and is_dataclass(kind)


def _options(group: Any) -> Iterator[inspect.Parameter]:  # noqa: ANN401 - a dataclass
    """Yield the options of a group and of those in it."""
    for item in fields(group):
        if _is_group(item.type):
            yield from _options(item.type)
        else:
            yield inspect.Parameter(
                item.name, inspect.Parameter.KEYWORD_ONLY, default=_default(item), annotation=item.type
            )


def _default(item: Any) -> Any:  # noqa: ANN401 - a dataclass field, and its default
    if item.default is not MISSING:
        return item.default
    return inspect.Parameter.empty if item.default_factory is MISSING else item.default_factory()


def _gathered(group: Any, typed: dict[str, Any], streams: Streams) -> Any:  # noqa: ANN401 - a dataclass, made
    """Make a group of what was typed, and let it take effect."""
    made = group(
        **{
            item.name: _gathered(item.type, typed, streams) if _is_group(item.type) else typed.pop(item.name)
            for item in fields(group)
        }
    )
    if hasattr(made, "apply"):
        made.apply(streams)
    return made
