"""What users of other tools type here, and how it is done instead: neighbours.toml, read when something is wrong."""

import functools
import tomllib
from pathlib import Path
from typing import Any

KEY = (
    "No option takes a key, since other users of the machine can read it. "
    "Run `completions config key set`, or set COMPLETIONS_API_KEY."
)


@functools.cache
def options() -> dict[str, dict[str, str]]:
    """Return the advice for each option of a neighbour, by the option of ours that it needs."""
    return {name: row["advice"] for row in _table()["options"] for name in row["names"].split()}


@functools.cache
def commands() -> dict[str, str]:
    """Return the command of ours that comes closest to one of another tool."""
    return {name: ours for ours, names in _table()["commands"].items() for name in names.split()}


@functools.cache
def _table() -> dict[str, Any]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return tomllib.loads(text.replace("{key}", KEY))
