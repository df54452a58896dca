"""How a command, its arguments and its options are called in help and in errors, read from typer's objects."""

from enum import Enum
from typing import Any

_COMMON = "Common"
_OPTIONS = "Options"


def panels(command: Any, ctx: Any) -> dict[str, list[Any]]:
    """Sort the options by the headings that they stand under: a command's own first, those of all commands last."""
    found: dict[str, list[Any]] = {_OPTIONS: []}
    options = [param for param in command.params if param.param_type_name == "option" and not param.hidden]
    for option in options:
        found.setdefault(getattr(option, "rich_help_panel", None) or _OPTIONS, []).append(option)
    common = [*found.pop(_COMMON, []), command.get_help_option(ctx)]
    last = _COMMON if len(common) > 1 else _OPTIONS
    found[last] = [*found.pop(last, []), *common]
    return {heading: shown for heading, shown in found.items() if shown}


def arguments(command: Any) -> list[Any]:
    """List the arguments of a command."""
    return [param for param in command.params if param.param_type_name == "argument"]


def metavar(param: Any) -> str:
    """Return what stands for the value of an option or an argument. Newer releases of typer do not say."""
    name: str = param.metavar or str(param.name).upper()
    is_optional = param.param_type_name == "argument" and not param.required and not name.startswith("[")
    return f"[{name}]" if is_optional else name


def takes_value(option: Any) -> bool:
    """Return whether something has to follow the option."""
    return not (getattr(option, "is_flag", False) or getattr(option, "count", False))


def meaning(param: Any) -> str:
    """Return what an option is for, and its default, if that is a word or a number."""
    default = param.default.value if isinstance(param.default, Enum) else param.default
    is_told = param.show_default and isinstance(default, str | int | float) and not isinstance(default, bool)
    shown = f"(default {default:g})" if isinstance(default, float) else f"(default {default})"
    return " ".join(
        part for part in (param.help, shown if is_told and default != "" and takes_value(param) else "") if part
    )


def summary(command: Any) -> str:
    """Return the first paragraph of what is said of a command."""
    return " ".join((command.help or "").split("\n\n")[0].split())
