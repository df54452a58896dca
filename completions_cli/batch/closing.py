"""What deserves attention in an output: cut-off answers, failures with an example each, and which may pass."""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from completions_cli.api import finish_reasons

_MOST_KINDS = 8
_LONGEST = 160


class OutputCounts(Protocol):
    """Rows in an output, counted. `examples` has one failure of some kinds: its row and its message."""

    @property
    def failed(self) -> Counter[str]:
        """How many rows failed, by kind."""

    @property
    def worth_retrying(self) -> int:
        """How many of them in a way that may pass."""

    @property
    def models(self) -> Counter[str]:
        """How many rows each model answered."""

    @property
    def profiles(self) -> Counter[str]:
        """How many rows each profile answered."""

    @property
    def finish_reasons(self) -> Counter[str]:
        """How many answers ended for each reason."""

    @property
    def ignored(self) -> Counter[str]:
        """In how many answers the server ignored a parameter, by its name."""

    @property
    def examples(self) -> Mapping[str, tuple[int, str]]:
        """One failure of a kind."""


def lines(counts: OutputCounts) -> list[str]:
    """Return the last lines of a run or of `batch status`."""
    found = _cut_off(counts) + _ignored(counts)
    failed = counts.failed
    for kind, count in failed.most_common(_MOST_KINDS):
        found.append(f"failed: {_rows(count)} ({kind}){_example(counts, kind)}")
    if len(failed) > _MOST_KINDS:
        found.append(f"failed: {len(failed) - _MOST_KINDS} more kinds")
    return found + _worth_retrying(failed.total(), counts.worth_retrying)


def requests(sent: int, retries: int, throttled: int) -> str:
    """Say how many requests a run took, and how many of them were retries or refused for the moment."""
    said = f"{sent} request{'' if sent == 1 else 's'}"
    if retries:
        said += f", {retries} of them {'a retry' if retries == 1 else 'retries'}"
    return said + (f"; {throttled} answered 429 (too many requests)" if throttled else "")


def _cut_off(counts: OutputCounts) -> list[str]:
    ends = [(_how_cut(reason), reason, count) for reason, count in counts.finish_reasons.most_common()]
    return [f"cut off: {_rows(count)} {how.format(reason)}" for how, reason, count in ends if how][:_MOST_KINDS]


def _how_cut(reason: str) -> str | None:
    if finish_reasons.is_max_tokens(reason):
        return "ended at max_tokens (finish_reason {}); -M allows more"
    return {
        finish_reasons.LENGTH: "ended at another limit than max_tokens (finish_reason {})",
        finish_reasons.CONTENT_FILTER: "ended by the content filter (finish_reason {})",
    }.get(finish_reasons.meaning_of(reason))


def _ignored(counts: OutputCounts) -> list[str]:
    return [
        f"ignored: the server ignored {name} in {_rows(count)}"
        for name, count in counts.ignored.most_common(_MOST_KINDS)
    ]


def _example(counts: OutputCounts, kind: str) -> str:
    row, message = counts.examples.get(kind, (None, ""))
    if row is None:
        return ""
    text = " ".join(message.split())
    return f", for example row {row}: {text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}"


def _worth_retrying(failed: int, retryable: int) -> list[str]:
    if not failed:
        return []
    if not retryable:
        return ["worth retrying: none; these rows would fail again as they are"]
    rest = f"; the other {failed - retryable} are likely to fail again" if retryable < failed else ""
    return [f"worth retrying: {_rows(retryable)}, with --retry-failed=retryable{rest}"]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
