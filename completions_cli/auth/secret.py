"""Values that must not be seen: what `repr`, logs, tracebacks and serializers show of them is ****."""

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

from completions_cli import limits
from completions_cli.errors import ConfigError

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


_Value = TypeVar("_Value")


class Sealed(Generic[_Value]):
    """Holds headers or options, some of them secrets. Only `reveal()` gives them away.

    It is no mapping and has no `__dict__`: tools that report errors copy what local variables hold, however its `repr`
    looks, as far as they can walk into it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: _Value) -> None:
        self._value = value

    def reveal(self) -> _Value:
        """Return the value, to be used where no local variable holds it while something may fail."""
        return self._value

    def __repr__(self) -> str:
        return "****"

    __str__ = __repr__

    def __reduce__(self) -> str:
        message = "a secret is not to be pickled"
        raise TypeError(message)


class Secret(Sealed[str]):
    """Holds a key or token, for header builders."""

    __slots__ = ()

    @classmethod
    def checked(cls, text: str, source: str) -> "Secret":
        """Strip white space around a pasted key and refuse what cannot stand in a header.

        Raises ConfigError that names `source`, never the value.
        """
        stripped = text.strip()
        if not stripped:
            raise ConfigError(f"the key from {source} is empty", hint="Put the key there; it is one word of ASCII.")
        if len(stripped) > limits.KEY_CHARACTERS:
            raise ConfigError(
                f"the key from {source} is too long to be one",
                hint="Is it the right file or program? It must be one word.",
            )
        if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'":
            raise ConfigError(
                f"the key from {source} is in quotes",
                hint="Leave them out: files of variables and cmd.exe keep them as a part of the key.",
            )
        if not _VISIBLE_ASCII.fullmatch(stripped):
            is_header = stripped.lower().startswith("bearer ")
            raise ConfigError(
                f"the key from {source} contains characters that no key has (spaces, control characters or non-ASCII)",
                hint="Leave out the word Bearer: it is added."
                if is_header
                else "Copy it again from the portal; it is one word of visible ASCII.",
            )
        return cls(stripped)


SecretHeaders = Sealed[Mapping[str, str]]  # that sign a request, names in lower case
