"""JSON of our own writing, fast: requests and lines of output.

orjson refuses what it cannot write as it is (integers over 64 bits, halves of surrogate pairs); the slow
way then does it. It is not used for reading, where it would turn large integers into floats.
"""

import orjson

from completions_cli.api import wire
from completions_cli.models import Json


def dumps(value: Json) -> bytes:
    """Write compact JSON in UTF-8. Raises UsageError for what JSON cannot express."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return wire.dumps(value).encode()
