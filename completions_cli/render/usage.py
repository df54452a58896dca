"""What an answer cost and how it ended, for stderr."""

from collections.abc import Mapping

from completions_cli import limits
from completions_cli.api import finish_reasons
from completions_cli.models import Finished

# Of the reference, then those met elsewhere: servers may have others. The last is ours, for an answer without any.
KNOWN_REASONS = (
    "length",
    "content_filter",
    "stop",
    "tool_calls",
    "content_filter_error",
    "model_length",
    "error",
    "abort",
    "unknown",
)


def facts(finished: Finished) -> dict[str, str]:
    """Gather the figures of an answer, those that are known, as key and text. Times in seconds."""
    usage = finished.usage
    found: dict[str, str] = {}
    if usage is not None:
        found.update({name: str(count) for name, count in usage._asdict().items() if count is not None})
    found["finish_reason"] = ",".join(reasons(finished.finish_reasons)) or "unknown"
    found["latency"] = f"{finished.latency:.3f}"
    completion_tokens = usage.completion_tokens if usage else None
    if completion_tokens and finished.latency > 0:
        found["tokens_per_second"] = f"{completion_tokens / finished.latency:.1f}"
    if finished.first_token is not None:
        found["first_token"] = f"{finished.first_token:.3f}"
    if finished.attempts > 1:
        found["attempts"] = str(finished.attempts)
    if finished.request_id:
        found["request_id"] = _word(finished.request_id)
    return found


def reasons(by_choice: Mapping[int, str | None]) -> list[str]:
    """List the finish reasons that occurred, each once, in the order of the choices."""
    return list(dict.fromkeys(_word(by_choice[index] or "") or "unknown" for index in sorted(by_choice)))


def line(finished: Finished) -> str:
    """Make the line for programs: key=value, space between."""
    return " ".join(f"{name}={value}" for name, value in facts(finished).items())


def sentence(finished: Finished) -> str:
    """Make the line for people."""
    known = facts(finished)
    parts = []
    if "prompt_tokens" in known and "completion_tokens" in known:
        parts.append(f"{known['prompt_tokens']} + {known['completion_tokens']} tokens")
    elif "total_tokens" in known:
        parts.append(f"{known['total_tokens']} tokens")
    parts.append(known["finish_reason"])
    parts.append(f"{known['latency']} s")
    if "tokens_per_second" in known:
        parts.append(f"{known['tokens_per_second']} tokens/s")
    if "first_token" in known:
        parts.append(f"first after {known['first_token']} s")
    if "attempts" in known:
        parts.append(f"{known['attempts']} attempts")
    return " · ".join(parts)


def notes(finished: Finished) -> list[str]:
    """Return what a finish reason means for the user, where it means something."""
    return list(dict.fromkeys(filter(None, map(_note, reasons(finished.finish_reasons)))))


def _note(reason: str) -> str | None:
    if finish_reasons.is_max_tokens(reason):
        return "the completion was cut off at max_tokens; allow more with -M"
    return {
        finish_reasons.LENGTH: f"the completion was cut off at another limit than max_tokens ({reason})",
        finish_reasons.CONTENT_FILTER: "the service's content filter removed text",
    }.get(finish_reasons.meaning_of(reason))


def _word(text: str) -> str:
    """Keep what a server said in one word: it must not look like another key or another line."""
    return "_".join(text[: limits.NAME_CHARACTERS].split())
