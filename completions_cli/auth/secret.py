"""A value that must not be seen: what `repr`, logs and tracebacks show of it is ****."""

import re
from typing import TypeVar

from completions_cli import limits
from completions_cli.errors import ConfigError

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


class Secret:
    """Holds a key or token. Only `reveal()` gives it away, and only header builders call that."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

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

    def reveal(self) -> str:
        """Return the value, to be put into a header and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "****"

    __str__ = __repr__

    def __reduce__(self) -> str:
        message = "a secret is not to be pickled"
        raise TypeError(message)


_Value = TypeVar("_Value")


class SecretValues(dict[str, _Value]):
    """Headers or options, some of them secrets: `repr`, and so the locals in a traceback, shows their names alone."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, "****"))
