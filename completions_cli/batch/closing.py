"""What deserves attention in an output: cut-off answers, failures with an example each, and which may pass."""

from completions_cli.batch.standing import Standing

_MOST_KINDS = 8
_LONGEST = 160


def lines(standing: Standing) -> list[str]:
    """Return the last lines of a run or of `batch status`."""
    found = _cut_off(standing) + _ignored(standing)
    failed = standing.failed
    for kind, count in failed.most_common(_MOST_KINDS):
        found.append(f"failed: {_rows(count)} ({kind}){_example(standing, kind)}")
    if len(failed) > _MOST_KINDS:
        found.append(f"failed: {len(failed) - _MOST_KINDS} more kinds")
    return found + _worth_retrying(failed.total(), standing.worth_retrying)


def requests(sent: int, retries: int, throttled: int) -> str:
    """Say how many requests a run took, and how many of them were retries or refused for the moment."""
    said = f"{sent} request{'' if sent == 1 else 's'}"
    if retries:
        said += f", {retries} of them {'a retry' if retries == 1 else 'retries'}"
    return said + (f"; {throttled} answered 429 (too many requests)" if throttled else "")


def _cut_off(standing: Standing) -> list[str]:
    cut, filtered = standing.finish_reasons["length"], standing.finish_reasons["content_filter"]
    found = [f"cut off: {_rows(cut)} ended at max_tokens (finish_reason length); -M allows more"] if cut else []
    return found + ([f"cut off: {_rows(filtered)} ended by the content filter"] if filtered else [])


def _ignored(standing: Standing) -> list[str]:
    return [
        f"ignored: the server ignored {name} in {_rows(count)}"
        for name, count in standing.ignored.most_common(_MOST_KINDS)
    ]


def _example(standing: Standing, kind: str) -> str:
    row, message = standing.examples.get(kind, (None, ""))
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
