"""What the names in an error's JSON tell, however they are written."""

import re

# By the end of its name, best first. What ends a name is its noun: errorMessage, error_msg, statusMessage.
NAMED = (
    re.compile(r"(message|messages|msg)$"),
    re.compile(r"(descr|description|faultstring|reason|explanation|detail|details|text)$"),
    re.compile(r"(error|errors|err|fault|exception|cause|problem|failure)$"),
    re.compile(r"(status|title|summary|response|result|info|status\w*text)$"),
)
ERRORS = re.compile(r"(error|errors|err|fault|exception|exceptions|failure)$")


def plain(name: str) -> str:
    """Write a name in one way: errorMessage, error_message and Error-Message are the same."""
    return re.sub(r"[^a-z0-9@]", "", name.lower())
