"""A stand-in for a model's tokenizer: text cut into pieces of about four characters."""

import re

from completions_cli.emulator.call import Prompt

# A word takes the space before it along, as byte-pair encodings do; long words fall into several pieces.
_PIECE = re.compile(r"[^\S\n]?\w{1,5}(?!\w)|[^\S\n]?\w{1,4}|[^\S\n]?[^\w\s]{1,3}|\s", re.DOTALL)


def split(text: str) -> list[str]:
    """Cut text into tokens; joined they are the text again."""
    return _PIECE.findall(text)


def count(prompt: Prompt) -> int:
    """Count the tokens of a prompt: of its text, or the ones it is made of."""
    return len(prompt) if isinstance(prompt, tuple) else len(split(prompt))
