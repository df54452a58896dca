"""How the fields of a record are used: in the prompt, as parameters, or kept in the output."""

from collections.abc import Mapping
from dataclasses import dataclass

from completions_cli.api import wire
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS
from completions_cli.batch.template import Template
from completions_cli.errors import UsageError
from completions_cli.models import Json

# Fields of a JSON row that mean something to us; of an OpenAI line, everything in its body is sent.
OWN = DOCUMENTED | {"id", "metadata", "extra", "suffix", "continuations"}
# Servers know these, but so do data sets: bare ones are kept, and a note says how to send them.
BARE = ("n", "echo", "logprobs", "best_of")
_NEVER_SENT = ("prompt", "stream")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a record becomes a row. `send` names fields that are sent as parameters.

    `keep` names the other fields that come back as metadata, None for all of them; `keep_prompt` is about the prompt.
    """

    template: Template | None = None
    send: frozenset[str] = frozenset()
    keep: frozenset[str] | None = None
    keep_prompt: bool = False

    def __post_init__(self) -> None:
        for name in _NEVER_SENT:
            if name in self.send:
                raise UsageError(f"--send-fields: {name} is not a parameter", hint="Use --template to build prompts.")

    @property
    def prompt_names(self) -> frozenset[str]:
        """The fields that the prompt is made of."""
        return _PROMPT if self.template is None else self.template.names

    @property
    def is_plain(self) -> bool:
        """Return whether rows are used as they are."""
        return self.template is None and not self.send and self.keep is None

    def columns(self, all_columns: list[str]) -> list[str]:
        """Return the columns of a table that are needed, in their order."""
        if self.keep is None:
            return all_columns
        roots = {found for name in self.prompt_names for found in (name, name.split(".")[0])}
        return [name for name in all_columns if name in roots | self.send | self.keep | {"id"}]

    def keeps(self, name: str) -> bool:
        """Return whether a field comes back. One that is the prompt, or is sent, does only when it was named."""
        if self.keep is None:
            return name not in self.send and (self.template is not None or name not in _PROMPT)
        return name in self.keep


_PROMPT = frozenset({"prompt"})
PLAIN = Recipe()


def cell_value(name: str, cell: Json) -> Json:
    """Return what a cell of a table is as a parameter: texts of CSV that are JSON numbers and the like become such.

    Raises UsageError when it is none.
    """
    if not isinstance(cell, str) or name in ("stop", "model", "suffix"):
        return cell
    try:
        return wire.loads(cell)
    except ValueError:
        if name in PARAMETERS:
            raise UsageError(f"{name} must be a number") from None
        return cell


def sent_of_table(cells: Mapping[str, Json], send: frozenset[str]) -> dict[str, Json]:
    """Return the cells that are sent as parameters; an empty one is left out."""
    return {name: cell_value(name, cells[name]) for name in send if cells.get(name) not in ("", None)}
