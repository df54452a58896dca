"""Options that several commands share.

A group of options is a dataclass; a command names it as the type of one parameter, and `with_options`
shows typer the fields in its place.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, get_type_hints

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Neither compared nor printed: what a dataclass would generate for that costs every start.
option_group = dataclass(eq=False, repr=False)


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

    @wraps(command)
    def spread(**typed: Any) -> Any:  # noqa: ANN401 - whatever the command returns
        for name, group in groups.items():
            typed[name] = group(**{item.name: typed.pop(item.name) for item in fields(group)})
        return command(**typed)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by typer
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread  # type: ignore[return-value] # as typer sees it


def _parameter(item: Any, hints: dict[str, Any]) -> inspect.Parameter:  # noqa: ANN401 - a dataclass field
    default = item.default if item.default is not MISSING else item.default_factory()
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[item.name])
