"""Notices when another model answers, so that a resumed run does not silently mix answers in OUTPUT."""

from collections.abc import Callable, Iterable

from completions_cli import limits
from completions_cli.batch.formats import Outcome
from completions_cli.batch.triage import Ending
from completions_cli.errors import UsageError

_MOST_WARNINGS = 5
_MOST_LISTED = 5


class ModelWatch:
    """Looks at the model of each answer. `known` are those of the answers that OUTPUT has from earlier runs.

    Where `several` profiles answer, the first answer of each must come from a model that has answered before. Rows that
    name a model of their own are not looked at, nor are answers that name none.
    """

    def __init__(
        self,
        known: Iterable[str] = (),
        *,
        mixed: bool = False,
        several: bool = False,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._earlier = frozenset(known)
        self._seen = dict.fromkeys(known)  # in the order of their coming
        self._is_settled = mixed or not self._earlier
        self._compares = several and not mixed
        self._profiles: set[str | None] = set()  # that have answered
        self._warn = warn
        self._warnings = 0
        self.recorded: dict[str, None] = {}  # in this run

    def ending(self, outcome: Outcome) -> Ending | None:
        """Return why the run must end, and the outcome not be recorded; None when it may be."""
        model = outcome.model
        if outcome.error is not None or outcome.row.model is not None or not isinstance(model, str) or not model:
            return None
        model = model[: limits.NAME_CHARACTERS]
        if model not in self.recorded:
            if not self._is_settled and model not in self._seen:
                return Ending("model", self._error(model))
            if self._compares and model not in self._seen and self._is_first(outcome):
                return Ending("model", self._others(model, outcome))
            self.accept(model)
        if self._compares:
            self._profiles.add(outcome.profile)
        return None

    def _is_first(self, outcome: Outcome) -> bool:
        """Return whether this is the first answer of its profile, and others have answered before."""
        return bool(self._seen) and outcome.profile not in self._profiles

    def trust(self, profile: str | None) -> None:
        """Record that a profile has answered elsewhere: what answers from now on is no other model by mistake."""
        self._profiles.add(profile)

    def accept(self, model: str) -> None:
        """Record a model whose answers this run records, here or elsewhere: from now on others may follow."""
        self._is_settled = True
        if len(self._seen) >= limits.NAMES:  # no server has so many
            return
        self.recorded[model] = None
        if model not in self._seen:
            self._tell(model)
            self._seen[model] = None

    def _tell(self, model: str) -> None:
        if self._seen and self._warn is not None and self._warnings < _MOST_WARNINGS:
            self._warnings += 1
            self._warn(f"warning: the model {model} answers now; earlier answers came from {_listed(self._seen)}")

    def _others(self, model: str, outcome: Outcome) -> UsageError:
        return UsageError(
            f"{outcome.profile} answers with the model {model}, the others with {', '.join(self._seen)}",
            hint="Its answer was not recorded. --mixed-models resumes anyway; otherwise resume without that profile.",
        )

    def _error(self, model: str) -> UsageError:
        return UsageError(
            f"the answers come from the model {model}, those in OUTPUT from {_listed(sorted(self._earlier))}",
            hint="Nothing was recorded. --mixed-models resumes anyway; --overwrite starts over.",
        )


def _listed(models: Iterable[str]) -> str:
    """List models for a sentence."""
    names = list(models)
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} others" if more > 0 else "")
