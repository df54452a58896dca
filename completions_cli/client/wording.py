"""Words errors for programs: options of the command are arguments of a client."""

import re
from types import TracebackType

from completions_cli.errors import CompletionsError, ServiceError

_CLAUSE_END = re.compile(r"(?<=[.;:?]) ")
_VALUE = r"(?: (?P<value>key|entra|none|drop|pass-through|ignore|\d[\d.]*|[A-Z]{2,}\b))?"
_OPTION = re.compile(rf"(?<![\w/-])(?:-\w/)?(?:--(?P<long>[a-z]+(?:-[a-z]+)*)|-(?P<short>[HMmn])\b){_VALUE}")
_SHORT = {"H": "headers", "M": "max_tokens", "m": "model", "n": "samples"}
# Nothing of the kind can be done from a program.
_FOR_COMMAND_ALONE = re.compile(r"(?<![\w-])(?:--(?:dry-run|help|origin|request)|-vv?|-x)\b")
_COMMAND_LINE = re.compile(r"\bcompletions [a-z]")


class ForPrograms:
    """Words the errors that leave its block for a program; the command that mends a profile is named to its user.

    An interruption (KeyboardInterrupt, SystemExit, a cancelled task) leaves without the frames below: those of a
    transport hold the headers that it sends. It is no generator, since `contextlib` puts the frames back.
    """

    def __init__(self, *, has_profile: bool) -> None:
        self._has_profile = has_profile

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, CompletionsError):
            error.hint = hint(error.hint or error.next_step, has_profile=self._has_profile)
            if not isinstance(error, ServiceError):  # whose message is the service's own
                error.message = _arguments(error.message)
            error.args = (error.message,)
            _annotate(error)
        elif error is not None and not isinstance(error, Exception):
            error.__traceback__ = None  # what lies behind it may be the program's own


def _annotate(error: CompletionsError) -> None:
    """Have the last lines of a traceback say what the message does not."""
    if getattr(error, "__notes__", None):
        return
    if isinstance(error, ServiceError):
        facts = {"status": error.status, "code": error.code, "param": error.param, "request id": error.request_id}
        error.add_note(", ".join(f"{name} {value}" for name, value in facts.items() if value is not None))
    if error.hint:
        error.add_note(f"hint: {error.hint}")


def without_frames(error: CompletionsError, but: BaseException | None) -> CompletionsError:
    """Remove the frames of an error and of those behind it, whose local variables hold arguments and variables.

    What lies behind `but`, which the program was handling before, is its own.
    """
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one is not but:
            one.__traceback__ = None
            waiting += [one.__cause__, one.__context__]
    return error


def hint(text: str, *, has_profile: bool) -> str | None:
    """Return a hint in terms of arguments; None if nothing of it applies."""
    clauses = [
        _arguments(clause)
        for clause in _CLAUSE_END.split(text)
        if not _FOR_COMMAND_ALONE.search(clause) and (has_profile or not _COMMAND_LINE.search(clause))
    ]
    joined = re.sub(r"[;:]$", ".", " ".join(clauses))
    return joined[:1].upper() + joined[1:] or None


def _arguments(text: str) -> str:
    if _COMMAND_LINE.search(text):
        return text
    text = re.sub(r"(?<![\w-])-p ([\w.-]+)", r'from_profile("\1")', text)
    return _OPTION.sub(_argument, text).replace("`stream`", "stream()").replace("`batch`", "`completions batch`")


def _argument(option: re.Match[str]) -> str:
    name = _SHORT.get(option["short"] or "") or option["long"].replace("-", "_")
    value = option["value"]
    if value is None:
        return name
    return f"{name}={value}" if value[0].isdigit() or value.isupper() else f'{name}="{value}"'
