"""The exit codes of the process."""

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """The process's exit codes: a public interface that scripts rely on."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Keep the meaning beside the number, for the help and the README."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done"
    BUG = 1, "a bug in completions"
    USAGE = 2, "usage error, or unreadable input"
    CONFIG = 3, "configuration error, or no key"
    AUTH = 4, "401, 402, 403: access refused"
    NOT_FOUND = 5, "404, 405, 410, 424: no such route, model or deployment (410: the model is retired)"
    REJECTED = 6, "400, 413, 422: request rejected"
    CONTENT_FILTER = 7, "content filter refused the prompt"
    RATE_LIMITED = 8, "429 after the retries, or the server asks for a longer wait than --max-wait"
    SERVER = 9, "5xx after the retries"
    NETWORK = 10, "network, DNS, TLS or proxy error"
    TIMEOUT = 11, "timeout"
    MALFORMED = 12, "response truncated or malformed"
    ROWS_FAILED = 13, "batch done, but some rows failed"
    STOPPED = 14, "batch stopped at a budget or error limit; resumable"
    FAIL_ON = 15, "the condition of --fail-on was met"
    OUTPUT = 16, "output cannot be written (disk full, read-only)"
    HUNG_UP = 129, "SIGHUP"
    INTERRUPTED = 130, "Ctrl-C"
    BROKEN_PIPE = 141, "stdout closed by the reader"
    TERMINATED = 143, "SIGTERM"
