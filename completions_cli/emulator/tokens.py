"""A stand-in for a model's tokenizer: text cut into pieces of about four characters."""

import re

from completions_cli.emulator.call import Prompt

# A word takes the space before it along, as byte-pair encodings do; long words fall into several pieces.
_PIECE = re.compile(r"[^\S\n]?\w{1,5}(?!\w)|[^\S\n]?\w{1,4}|[^\S\n]?[^\w\s]{1,3}|\s", re.DOTALL)
# A token has six characters at most: a longer text fits no context, and reading it would hold up everyone else.
_COUNTED = 1_000_000


def split(text: str) -> list[str]:
    """Cut text into tokens; joined they are the text again."""
    return _PIECE.findall(text)


def count(prompt: Prompt) -> int:
    """Count the tokens of a prompt: of its text, or the ones it is made of; a text beyond all contexts is estimated."""
    if isinstance(prompt, str) and len(prompt) <= _COUNTED:
        return len(split(prompt))
    return len(prompt) if isinstance(prompt, tuple) else len(prompt) // 4
