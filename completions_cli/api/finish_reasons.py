"""What the finish reasons of servers mean. The reference has three; each server has words of its own."""

import re

from completions_cli.models import Json

LENGTH = "length"
CONTENT_FILTER = "content_filter"
# Servers that have nothing to say here say it in many ways.
_NO_REASON = re.compile(r"|null|none|nil|undefined|n/?a|not_?finished|in_?progress|\w*unspecified", re.IGNORECASE)
# A word of theirs when a choice did not finish: the engine failed, was stopped, or made room for another request.
_BROKEN_OFF = re.compile(
    r"(?<![a-z])(abort(ed)?|errors?|cancel(l?ed)?|fail(ed|ure)?|timed?[ _-]?out|interrupted|insufficient|incomplete|"
    r"overloaded|unavailable|disconnect(ed)?|preempted|crashed)(?![a-z])",
    re.IGNORECASE,
)
_CUT_OFF = re.compile(r"length|limit|window|max(imum)?[ _-]?(\w+[ _-])?tokens?(?![a-z])", re.IGNORECASE)
_OTHER_LIMIT = re.compile(r"model|context|window|time|rate", re.IGNORECASE)
_FILTERED = re.compile(
    r"content[ _-]?(filter|policy)|guardrail|moderation|safety|recitation|refus(al|ed)|blocklist|prohibited|"
    r"sensitive|spii",
    re.IGNORECASE,
)


def reason_of(value: Json) -> str | None:
    """Return a finish reason; None while a choice goes on."""
    return value if isinstance(value, str) and not _NO_REASON.fullmatch(value) else None


def is_broken_off(value: Json) -> bool:
    """Return whether a finish reason says that the server gave up, and the text is only a part of one."""
    return isinstance(value, str) and bool(_BROKEN_OFF.search(value))


def meaning_of(reason: str) -> str:
    """Return the reference's word for a text that was cut off, however a server says it; else the reason itself."""
    if _CUT_OFF.search(reason):
        return LENGTH
    return CONTENT_FILTER if _FILTERED.search(reason) else reason


def is_max_tokens(reason: str) -> bool:
    """Return whether a reason says that `max_tokens` was reached, and no limit of the model or of time."""
    return meaning_of(reason) == LENGTH and not _OTHER_LIMIT.search(reason)
