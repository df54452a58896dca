"""What editors and web pages make of hyphens and of straight quotes, before they are pasted into a shell."""

from typing import Any

LONG_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
CURLY_QUOTES = "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019"


def long_dash(context: Any, words: list[str]) -> str | None:  # noqa: ANN401 - typer keeps the class to itself
    """Return the advice for an option of the command whose hyphens became a long dash; None without one."""
    options = {spelling for param in context.command.params for spelling in getattr(param, "opts", ())}
    options.update(context.help_option_names)
    for word in words:
        name = word.lstrip(LONG_DASHES + "-").partition("=")[0]
        option = f"--{name}" if len(name) > 1 else f"-{name}"
        if word and word[0] in LONG_DASHES and option in options:
            return f"Type it with {'two hyphens' if len(name) > 1 else 'a hyphen'}: {option}"
    return None
