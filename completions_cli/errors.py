"""Every failure the tool can report, and the exit code of each.

Code anywhere below `main` raises one of these; only `main` prints it and exits.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, TypeVar

from completions_cli.exit_codes import ExitCode

_Error = TypeVar("_Error", bound="CompletionsError")


class CompletionsError(Exception):
    """A failure reported in the user's terms.

    `message` says what happened, `hint` what to do next; `next_step` is the hint of those that have
    none of their own. The text may quote a server and is therefore untrusted: make control
    characters visible before printing it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    kind: ClassVar[str] = "bug"
    next_step: ClassVar[str] = "Please report it with what you typed; -vv shows where it happened."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message as it stands now: secrets that a server quoted may have been blacked out."""
        return self.message

    @property
    def summary(self) -> str:
        """What happened in a few words, for a line that holds more than the error: no hint, place or request id."""
        return self.message.rstrip(".")

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes whole, whatever the constructor asks for."""
        return _revived, (type(self), self.__dict__)


class UsageError(CompletionsError):
    """The command line or an input file is invalid; nothing was sent."""

    exit_code = ExitCode.USAGE
    kind = "usage"
    next_step = "--help lists the options of the command."


class RowError(UsageError):
    """A record of a batch's input cannot be asked."""

    kind = "input"


class ConfigError(CompletionsError):
    """The profile file, a variable or a key is missing or wrong."""

    exit_code = ExitCode.CONFIG
    kind = "config"
    next_step = "`completions config show --origin` shows where each setting comes from."


class NetworkError(CompletionsError):
    """No usable connection: DNS, connect, TLS, proxy, redirect or reset.

    `retryable` is true when the request cannot have been answered: the connection was never
    made, or closed before any byte of the answer.
    """

    exit_code = ExitCode.NETWORK
    kind = "network"
    next_step = "Check the endpoint and the network; -v shows the exchange."

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class ProxyError(NetworkError):
    """A proxy refuses to pass requests on, as for want of credentials."""


class RequestTimeoutError(CompletionsError):
    """The server stayed silent for too long, or the deadline passed."""

    exit_code = ExitCode.TIMEOUT
    kind = "timeout"
    next_step = "Allow more with --timeout or --deadline."


class MalformedResponseError(CompletionsError):
    """The answer was cut short, too large, or not what the API promises."""

    exit_code = ExitCode.MALFORMED
    kind = "malformed"
    next_step = "Try again; -vv shows the response."


class DamagedResponseError(MalformedResponseError):
    """The answer was changed on its way: what came cannot be trusted, however whole it looks."""


class MisfitError(MalformedResponseError):
    """The answer holds other choices than were asked for, so nobody can tell which prompt each one answers.

    `retryable` is false when the server plainly does not do what was asked.
    """

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class LogprobsError(MisfitError):
    """The answer lacks log-probabilities of the given text."""

    next_step = "vLLM, SGLang and llama.cpp's server return them; -vv shows the response."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, retryable=False)


class UnscorableError(LogprobsError):
    """The server gives no log-probabilities of text that it did not generate, in any way that is known."""


class OutputError(CompletionsError):
    """The answer cannot be written where it should go."""

    exit_code = ExitCode.OUTPUT
    kind = "output"
    next_step = "Check the folder, its permissions and the disk."


class FailOnError(CompletionsError):
    """The finish reason is one the user asked to fail on; the text was printed all the same."""

    exit_code = ExitCode.FAIL_ON
    kind = "fail_on"
    next_step = "The text was written all the same."


class RowsFailedError(CompletionsError):
    """A batch is done, and some of its rows failed."""

    exit_code = ExitCode.ROWS_FAILED
    kind = "rows_failed"
    next_step = "The lines of OUTPUT say what failed; --retry-failed sends those rows again."


class BatchStoppedError(CompletionsError):
    """A batch stopped at a budget or an error limit, or because nothing succeeded; it can be resumed."""

    exit_code = ExitCode.STOPPED
    kind = "stopped"
    next_step = "Run the same command again to resume."


class BrokenPipeExit(CompletionsError):  # noqa: N818 - ends quietly, it is not reported as an error
    """The reader of stdout has gone; the tool ends without a word."""

    exit_code = ExitCode.BROKEN_PIPE
    kind = "broken_pipe"


@dataclass(eq=False, repr=False)
class ServiceError(CompletionsError):
    """The service answered with an error. See the API reference, "Responses".

    `status` is the HTTP status; for an error inside a 200 stream, it is the status that its code stands for, or None if
    it has no such code. It is None, too, where nobody was asked, for want of an identity to sign in with. `code` is
    the server's own code, `body_code` the one in the body if `code` came from a header. `loc` is the path of the
    offending parameter, `retry_after` the wait in seconds that the server asked for, and `detail` the part of the body
    after its JSON. `model_status` is the status of the model behind a managed endpoint, if it differs. `is_page` is
    true for a page of HTML, and `is_spent` if money or credits are used up.
    """

    exit_code = ExitCode.REJECTED
    kind = "rejected"
    next_step = "Check the parameters; -v shows the exchange."

    message: str
    _: KW_ONLY
    status: int | None = None
    hint: str | None = None
    code: str | None = None
    param: str | None = None
    loc: tuple[str, ...] = ()
    request_id: str | None = None
    retry_after: float | None = None
    retryable: bool = False
    detail: str | None = None
    model_status: int | None = None
    body_code: str | None = None
    is_page: bool = False
    is_spent: bool = False

    @property
    def summary(self) -> str:
        """The status, if there is one, and the message."""
        return super().summary if self.status is None else f"{self.status}: {super().summary}"

    def recast(self, kind: "type[ServiceError]") -> "ServiceError":
        """Return the same error as one of another kind."""
        return _revived(kind, self.__dict__)


class AuthError(ServiceError):
    """401, 402 or 403: the key or token was refused, or payment is required."""

    exit_code = ExitCode.AUTH
    kind = "auth"


class NotFoundError(ServiceError):
    """404, 405, 410 or 424: no such route, model or deployment."""

    exit_code = ExitCode.NOT_FOUND
    kind = "not_found"


class ProxyRefusedError(ServiceError):
    """407: a proxy on the way wants to know who is asking."""

    exit_code = ExitCode.NETWORK
    kind = "network"


class RejectedError(ServiceError):
    """400, 413, 422 and other 4xx: the request was rejected."""


class ContentFilterError(ServiceError):
    """The prompt triggered the service's content filter."""

    exit_code = ExitCode.CONTENT_FILTER
    kind = "content_filter"


class ServiceTimeoutError(ServiceError):
    """408: the service gave up waiting for its model."""

    exit_code = ExitCode.TIMEOUT
    kind = "timeout"


class RateLimitError(ServiceError):
    """429: the assigned rate limit is hit; or a longer wait is asked for than is allowed, with any status."""

    exit_code = ExitCode.RATE_LIMITED
    kind = "rate_limit"


class ServerError(ServiceError):
    """5xx: the service failed."""

    exit_code = ExitCode.SERVER
    kind = "server"


def _revived(kind: type[_Error], state: dict[str, object]) -> _Error:
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    return error
