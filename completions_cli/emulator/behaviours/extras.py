"""Parameters beyond the reference: what the header decides, and which of them the model understands."""

from collections.abc import Collection, Mapping

from completions_cli.emulator.behaviours.body import ModelOptions, Violation
from completions_cli.emulator.call import Document

HEADER = "extra-parameters"
PASS_THROUGH = "pass-through"  # noqa: S105 - a header's value, no password
ERROR = "error"
_MOST_SAMPLES = 128


def unknown(document: Document, known: Collection[str]) -> Document:
    """Pick the parameters that the route does not have."""
    return {name: value for name, value in document.items() if name not in known}


def understood(extras: Mapping[str, object]) -> ModelOptions | Violation:
    """Read `n`, `echo` and `stream_options`; whatever else is passed through has no effect on the model."""
    samples, echo = extras.get("n", 1), extras.get("echo", False)
    options = extras.get("stream_options")
    if isinstance(samples, bool) or not isinstance(samples, int) or not 1 <= samples <= _MOST_SAMPLES:
        return Violation(("body", "n"), samples, f"must be an integer between 1 and {_MOST_SAMPLES}")
    if not isinstance(echo, bool):
        return Violation(("body", "echo"), echo, "must be a boolean")
    if options is not None and not isinstance(options, dict):
        return Violation(("body", "stream_options"), options, "must be an object")
    return ModelOptions(samples, echo, options is not None and options.get("include_usage") is True)
