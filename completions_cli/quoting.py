"""What users typed, quoted in messages, unless it may be a secret."""

import re
from collections.abc import Iterable

_MOST_SHOWN = 60
_SHORTEST = 6
# How keys and tokens of the usual services begin.
_PREFIX = re.compile(
    r"(sk|pk|rk|gsk|xai|hf|gh[opsu]|glpat|xox[abps])[-_].{3,}|eyJ[\w-]{8,}.*|AKIA\w{8,}|bearer .*",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"[\w+/=.~-]{20,}", re.ASCII)
HIDDEN = "(not shown: it may be a secret)"


def may_be_secret(text: str) -> bool:
    """Return whether a word looks like a key: it begins like one, or is long and of letters and digits mixed."""
    text = text.strip()
    if _PREFIX.fullmatch(text):
        return True
    if not _WORD.fullmatch(text) or not re.search("[0-9]", text):
        return False
    # A path or the name of a file has short parts that can be pronounced.
    longest = max(re.split(r"[./_-]", text), key=len)
    return len(longest) >= 16 and bool(re.search("[A-Za-z]", longest))  # noqa: PLR2004 - as many as a short key has


def without_secrets(message: str, words: Iterable[str]) -> str:
    """Return a message without those of some words, or parts of them, that may be secrets."""
    for word in words:
        for part in (word, *re.split(r"[=:]", word), *word.split(".")):
            if len(part) >= _SHORTEST and may_be_secret(part):
                message = message.replace(repr(part), HIDDEN).replace(part, HIDDEN)
    return message


def quoted(text: str, most: int = _MOST_SHOWN) -> str:
    """Return a word in quotes, cut behind `most` characters; what may be a secret is not repeated."""
    if may_be_secret(text):
        return HIDDEN
    return repr(text if len(text) <= most else f"{text[:most]}…")


def listed(names: Iterable[str]) -> str:
    """Return names with commas between them; one with spaces around it is in quotes, as they would be missed."""
    return ", ".join(name if name == name.strip() else repr(name) for name in names)
