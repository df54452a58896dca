"""Hints cut to the command that runs: they are written once, and not every command has every option that they name."""

import re
from collections.abc import Collection

from completions_cli.streams import Running

_CLAUSE_END = re.compile(r"(?<=[.;?]) ")
_OPTION = re.compile(r"(?<![\w/-])(--[a-z][a-z-]*|-[a-zA-Z]\b)")
# What follows is a command line, with options of its own.
_COMMAND_LINE = re.compile(
    r"`[^`]*`|\b([Rr]un[a-z ]*|Use): .*|\b(completions|az|chmod|iconv|jq|openssl|pip|ray|tar|ulimit) .*", re.DOTALL
)
_STREAM = "`stream`"  # is advice for those who wait for whole answers


def fitting(hint: str, running: Running | None) -> str | None:
    """Return a hint without the clauses that name what the running command does not have; None if nothing is left."""
    if running is None:
        return hint
    clauses = _CLAUSE_END.split(hint)
    kept = [clause for clause in clauses if _fits(clause, running.name, running.options)]
    if len(kept) == len(clauses):
        return hint
    joined = re.sub(r";(?=$| [A-Z])", ".", " ".join(kept))
    return joined[:1].upper() + joined[1:] or None


def _fits(clause: str, command: str, options: Collection[str]) -> bool:
    if f"`completions {command}`" in clause or (_STREAM in clause and command != "complete"):
        return False
    return all(option in options for option in _OPTION.findall(_COMMAND_LINE.sub("", clause)))
