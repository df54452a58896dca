"""What a failed request means: for its rows, for all others, and for the run as a whole."""

import random
from dataclasses import dataclass
from typing import Literal, NamedTuple

from completions_cli.api.retry import RetryPolicy
from completions_cli.batch.formats import is_retryable
from completions_cli.batch.outage import Outage
from completions_cli.errors import (
    AuthError,
    BatchStoppedError,
    CompletionsError,
    MisfitError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    ServiceError,
)

_FAILED_DEPENDENCY = 424


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run stopped before its input did: a word for the summary, and the error to report (None for a signal)."""

    reason: str
    error: CompletionsError | None = None


class Verdict(NamedTuple):
    """What becomes of a unit that failed.

    `now`: it is asked again as soon as the pace allows, `later`: after `wait` seconds. `probe`: all wait so long,
    then it goes and looks whether the server is back. `spent`: its retries are used up. `route`: it
    was refused for what concerns all rows; which of them are to blame shows when another succeeds. `rejected`: its
    rows are to blame. `stop`: the run ends, for the reason in `ending`.
    """

    kind: Literal["now", "later", "probe", "spent", "route", "rejected", "stop"]
    wait: float = 0.0
    ending: Ending | None = None


class Triage:
    """Judges failures by what else happened. Times are values of one monotonic clock, in seconds."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.outage = Outage(policy.retries, policy.max_wait)

    def judge(self, error: CompletionsError, *, now: float, sent_at: float, tries: int) -> Verdict:
        """Decide on a unit whose request, sent at `sent_at`, failed when `tries` of its retries were used up."""
        asked = error.retry_after if isinstance(error, ServiceError) else None
        if isinstance(error, RateLimitError):
            return self._throttled(error, asked, now)
        if is_retryable(error):
            return self._transient(error, asked, now=now, sent_at=sent_at, tries=tries)
        if isinstance(error, MisfitError):
            return Verdict("rejected")
        if isinstance(error, AuthError | NotFoundError | NetworkError) or not isinstance(error, ServiceError):
            return self._refused(error)
        return Verdict("rejected")

    def nothing_succeeds(self, error: CompletionsError) -> Ending:
        """Make the ending of a run in which nothing came of anything, going by its last error."""
        if not is_retryable(error):
            return Ending(error.kind, error)
        status = f"{error.status} " if isinstance(error, ServiceError) else ""
        return Ending(
            "outage",
            BatchStoppedError(
                f"nothing succeeds any more: {status}{error.message}",
                hint="No row was marked as failed for it; the same command goes on when the service is back.",
            ),
        )

    def _throttled(self, error: CompletionsError, asked: float | None, now: float) -> Verdict:
        """Let it be asked again: a 429 costs a row nothing."""
        if asked is not None and asked > self._policy.max_wait:
            return self._too_long(error, asked)
        self.outage.throttled(now)
        if self.outage.is_exhausted(now):
            error.hint = "Nothing but 429 came for longer than --max-wait; the same command goes on later."
            return Verdict("stop", ending=Ending("max_wait", error))
        return Verdict("now")

    def _transient(
        self, error: CompletionsError, asked: float | None, *, now: float, sent_at: float, tries: int
    ) -> Verdict:
        if asked is not None and asked > self._policy.max_wait:
            return self._too_long(error, asked)
        self.outage.failed(now, sent_at)
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

    def _refused(self, error: CompletionsError) -> Verdict:
        """End the run at the first refusal of key, route or model; later ones may be about the row."""
        self.outage.refused()
        # Within a 424 the model may have refused what this row asks of it.
        is_telling = not (isinstance(error, ServiceError) and error.status == _FAILED_DEPENDENCY)
        if (is_telling and not self.outage.was_alive) or self.outage.is_route_lost:
            return Verdict("stop", ending=Ending(error.kind, error))
        return Verdict("route")

    def _too_long(self, error: CompletionsError, asked: float) -> Verdict:
        hint = (
            f"The server asks to wait {asked:g} s, over --max-wait {self._policy.max_wait:g}; "
            "the same command goes on later."
        )
        if isinstance(error, ServiceError) and not isinstance(error, RateLimitError):
            error = RateLimitError(error.message, status=error.status, request_id=error.request_id)
        error.hint = hint
        return Verdict("stop", ending=Ending("max_wait", error))
