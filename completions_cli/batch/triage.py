"""What a failed request means: for its rows, for all others, and for the run as a whole."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple

from completions_cli.api import blame
from completions_cli.api.retry import FAILED_DEPENDENCY, RetryPolicy
from completions_cli.batch.formats import is_retryable
from completions_cli.batch.outage import Outage
from completions_cli.errors import (
    BatchStoppedError,
    CompletionsError,
    NetworkError,
    NotFoundError,
    ProxyError,
    RateLimitError,
    RejectedError,
    ServerError,
    ServiceError,
)

_ALIKE = 20  # rows refused in the same way, and none answered: the rows are not to blame
_TOO_LARGE = 413
_OF_A_ROW = (400, _TOO_LARGE, 422, FAILED_DEPENDENCY)
SUSPICIOUS_MEMBER = 5  # failures in a row
_BROKEN_WAYS = 3  # answers in a row that are none, after others were: one may be an accident of the network
_WORTH_A_WORD = 3.0  # seconds without a success
_RESUMABLE = "No row was marked as failed. Run the same command again to resume."
_ALIKE_HINT = "No row was marked as failed. With --max-errors N such rows are recorded and the run continues."


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run stopped before its input did: a word for the summary, and the error to report (None for a signal)."""

    reason: str
    error: CompletionsError | None = None


class Verdict(NamedTuple):
    """What becomes of a unit that failed.

    `now`: it is asked again as soon as the pace allows and `wait` seconds are over. `later`: the same, and it uses up a
    retry. `probe`: all wait so long, then it probes whether the server is back. `spent`: its retries are used
    up. `doubtful`: it was refused
    for what may concern all rows; which of them are to blame shows when another succeeds. `rejected`: its rows are to
    blame. `failed`: all of its rows are. `stop`: the run ends, for the reason in `ending`.
    """

    kind: Literal["now", "later", "probe", "spent", "doubtful", "rejected", "failed", "stop"]
    wait: float = 0.0
    ending: Ending | None = None


class Triage:
    """Judges failures by what else happened. Times are values of one monotonic clock, in seconds."""

    def __init__(self, policy: RetryPolicy, *, is_alone: bool = True) -> None:
        self._policy = policy
        # Where others can do its work, a server is not waited for as long.
        self.outage = Outage(policy.retries, policy.max_wait, *(() if is_alone else (SUSPICIOUS_MEMBER,)))
        self._models: set[str | None] = set()
        self._alike: Counter[tuple[int | None, str | None, str | None]] = Counter()
        self._last = ""  # what was wrong with the request that failed last

    @property
    def has_answered(self) -> bool:
        """True once the server has answered a row."""
        return bool(self._models)

    def answered(self, model: str | None) -> None:
        """Record that a row was answered, by the model that it names itself."""
        self._models.add(model)

    def is_known(self, model: str | None) -> bool:
        """Return whether a row that names this model was answered."""
        return model in self._models

    def trouble(self, now: float) -> str | None:
        """Return what to tell the user while nothing succeeds, or None."""
        failing, throttled = self.outage.failing_for(now), self.outage.throttled_for(now)
        if failing >= _WORTH_A_WORD:
            left = (
                f" for up to {max(0.0, self.outage.patience_left(now)):.0f} s more" if self.outage.is_suspected else ""
            )
            return f"requests have failed for {failing:.0f} s; retrying{left}: {self._last}"
        if throttled >= _WORTH_A_WORD:
            return f"the server has answered only 429 (too many requests) for {throttled:.0f} s"
        return None

    def judge(
        self, error: CompletionsError, *, now: float, sent_at: float, tries: int, model: str | None = None
    ) -> Verdict:
        """Decide on a unit whose request, sent at `sent_at`, failed when `tries` of its retries were used up.

        `model` is the one that its rows name themselves.
        """
        asked = error.retry_after if isinstance(error, ServiceError) else None
        if isinstance(error, RateLimitError) and error.retryable:
            return self._throttled(error, asked, now)
        if is_retryable(error) or isinstance(error, ServerError):
            used_up = tries if is_retryable(error) else self._policy.retries
            return self._transient(error, asked, now=now, sent_at=sent_at, tries=used_up)
        if isinstance(error, NetworkError):
            return self._broken_way(error)
        return self._refused(error, model)

    def _refused(self, error: CompletionsError, model: str | None) -> Verdict:
        whom = blame.blamed(error)
        is_failed_dependency = isinstance(error, ServiceError) and error.status == FAILED_DEPENDENCY
        if whom == "row" and (self.has_answered or not is_failed_dependency):
            return Verdict("rejected")
        # Within a 424 a model may refuse what one row asks of it, and a row may name a model that only it wants.
        if whom == "row" or (whom == "model" and model is not None and not self.is_known(model)):
            return self._doubtful(error)
        return Verdict("stop", ending=_concerning_all(error))

    def unexplained(self, error: CompletionsError) -> Verdict | None:
        """Judge a rejection, among answers, whose status does not say that the row is to blame; None for any other."""
        if not (self.has_answered and isinstance(error, RejectedError) and error.status not in _OF_A_ROW):
            return None
        self.outage.refused()
        return Verdict("stop", ending=_alike(error)) if self.outage.is_route_lost else Verdict("doubtful")

    def refused_alike(self, error: CompletionsError) -> Ending | None:
        """Record a row that was rejected before any was answered; return the ending when there are too many alike."""
        if isinstance(error, ServiceError) and (not isinstance(error, RejectedError) or error.status == _TOO_LARGE):
            return None
        key = (error.status, error.code, error.param) if isinstance(error, ServiceError) else (0, error.kind, None)
        self._alike[key] += 1
        if self._alike[key] < _ALIKE:
            return None
        return _alike(error)

    def nothing_succeeds(self, error: CompletionsError) -> Ending:
        """Make the ending of a run in which nothing succeeded, from its last error."""
        if not is_retryable(error) and not isinstance(error, ServerError):
            return _concerning_all(error)
        what = "requests no longer succeed" if self.has_answered else "no request has succeeded"
        return Ending(
            "outage",
            BatchStoppedError(
                f"{what}: {error.summary}",
                hint="No row was marked as failed. Run the same command again when the service is back.",
            ),
        )

    def _throttled(self, error: CompletionsError, asked: float | None, now: float) -> Verdict:
        """Send the unit again: a 429 costs no retry."""
        if asked is not None and asked > self._policy.max_wait:
            return self._too_long(error, asked)
        self.outage.throttled(now)
        if self.outage.is_exhausted(now):
            error.hint = "The server answered only 429 for longer than --max-wait. Run the same command again later."
            return Verdict("stop", ending=Ending("max_wait", error))
        return Verdict("now", wait=asked or 0.0)

    def _transient(
        self, error: CompletionsError, asked: float | None, *, now: float, sent_at: float, tries: int
    ) -> Verdict:
        if asked is not None and asked > self._policy.max_wait:
            return self._too_long(error, asked)
        self.outage.failed(now, sent_at)
        self._last = error.summary
        if self.outage.is_suspected:
            # No row is to blame.
            left = self.outage.patience_left(now)
            if left <= 0:
                return Verdict("stop", ending=self.nothing_succeeds(error))
            wait = self._policy.backoff(self.outage.probes - 1, 0.5 + random.random() / 2)  # noqa: S311 - jitter
            return Verdict("probe", wait=min(max(wait, asked or 0.0), left))
        if tries >= self._policy.retries:
            return Verdict("spent")
        jitter = random.random()  # noqa: S311 - no secret
        return Verdict("later", wait=self._policy.backoff(tries, jitter) if asked is None else asked)

    def _broken_way(self, error: NetworkError) -> Verdict:
        """Stop when what comes is no answer of the service, or a redirect: at once where nothing else ever came."""
        self.outage.refused()
        if isinstance(error, ProxyError) or not self.has_answered or self.outage.refusals >= _BROKEN_WAYS:
            return Verdict("stop", ending=_concerning_all(error))
        return Verdict("later", wait=self._policy.backoff(0, random.random()))  # noqa: S311 - jitter

    def _doubtful(self, error: CompletionsError) -> Verdict:
        """Blame the row if others were answered; else see whether that happens, for some time."""
        if self.has_answered:
            return Verdict("failed")
        self.outage.refused()
        return Verdict("stop", ending=_concerning_all(error)) if self.outage.is_route_lost else Verdict("doubtful")

    def _too_long(self, error: CompletionsError, asked: float) -> Verdict:
        hint = (
            f"The server asks to wait {asked:g} s, longer than --max-wait {self._policy.max_wait:g}; "
            "run the same command again later."
        )
        if isinstance(error, ServiceError):
            error = error.recast(RateLimitError)
        error.hint = hint
        return Verdict("stop", ending=Ending("max_wait", error))


def _alike(error: CompletionsError) -> Ending:
    """Return the ending of a run whose rows are all refused in one way."""
    error.hint = f"{error.hint} {_ALIKE_HINT}" if error.hint else _ALIKE_HINT
    return Ending(error.kind, error)


def _concerning_all(error: CompletionsError) -> Ending:
    """Return the ending of a run whose key, route or model was refused: a missing model is one, whatever its status."""
    if isinstance(error, RejectedError) and blame.is_about_model(error):
        error = error.recast(NotFoundError)
    error.hint = f"{error.hint} {_RESUMABLE}" if error.hint else _RESUMABLE
    return Ending(error.kind, error)
