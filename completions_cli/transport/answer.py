"""The answer to a request, read as a whole, and its headers."""

from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

from pyreqwest.response import Response

from completions_cli.errors import CompletionsError
from completions_cli.transport import redirects

_Default = TypeVar("_Default")


class Headers(Mapping[str, str]):
    """The headers of an answer, names in lower case, fetched from the library when asked for: most are never.

    A value that is no ASCII counts as absent: the library cannot give it.
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: Response) -> None:
        self._inner = inner

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in dict.fromkeys(map(str.lower, self._inner.headers)) if self.get(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: _Default) -> str | _Default: ...
    def get(self, name: str, /, default: _Default | None = None) -> str | _Default | None:
        """Return one header."""
        try:
            value = self._inner.get_header(name)
        except ValueError:
            return default
        return default if value is None else value


class Answer:
    """Everything received of an answer; `broken` is the error that ended the connection early, if any."""

    __slots__ = ("body", "broken", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes, broken: CompletionsError | None) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.broken = broken

    @property
    def is_redirect(self) -> bool:
        """True if the request must be sent elsewhere."""
        return self.status in redirects.STATUSES
