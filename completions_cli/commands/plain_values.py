"""Reads typed values without pydantic, which typer loads for this from 0.29 on: that would double a command's start."""

from typing import Any, get_args, get_origin


def read_plainly(param: Any) -> None:  # noqa: ANN401 - typer keeps the class to itself
    """Have an option or argument read by its parser alone. Releases before 0.29 do so by themselves."""
    if hasattr(param, "get_runtime_param"):
        theirs = param.get_runtime_param
        param.get_runtime_param = lambda: _Reader(theirs)


class _Reader:
    """Stands for typer's own reader of one value, which it takes over where there is anything to convert."""

    def __init__(self, theirs: Any) -> None:  # noqa: ANN401 - a method of typer's
        self._theirs = theirs

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401 - any value, and typer's classes
        """Return the value as the command takes it. Raises what the parser raises."""
        is_list = param.multiple or param.nargs == -1
        if value is None:
            return () if is_list else None
        described = param.type_descriptor
        parser = described.parameter_info.parser
        if parser is not None and not is_list:
            return parser(value)
        kind = get_args(described.annotation)[0] if get_origin(described.annotation) is list else described.annotation
        if isinstance(kind, type) and all(isinstance(item, kind) for item in (value if is_list else [value])):
            return list(value) if is_list else value
        return self._theirs().coerce(value, param=param, ctx=ctx)
