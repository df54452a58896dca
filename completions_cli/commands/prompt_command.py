"""A command whose PROMPT may begin with a dash."""

from typing import Any

from completions_cli.commands.help_pages import Command


class PromptCommand(Command):
    """Takes a word such as "- milk" or "-5 degrees" for the prompt: no option has white space in its name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put such a word where only arguments stand."""
        position = self._find_text(args)
        if position is not None:
            args = [*args[:position], *args[position + 1 :], "--", args[position]]
        return super().parse_args(ctx, args)

    def _find_text(self, words: list[str]) -> int | None:
        options = {name: option for option in self.params for name in option.opts}
        is_value = False
        for position, word in enumerate(words):
            if word == "--":
                return None
            if not is_value and _is_text(word, options):
                return position
            is_value = not is_value and word in options and not _is_switch(options[word])
        return None


def _is_text(word: str, options: dict[str, Any]) -> bool:
    name = word.partition("=")[0]
    # -sEND is -s END, and so is "-sTHE END".
    return name.startswith("-") and any(map(str.isspace, name)) and word[:2] not in options


def _is_switch(option: Any) -> bool:
    return bool(getattr(option, "is_flag", False) or getattr(option, "count", False))
