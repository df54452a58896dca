"""The error tree: what its members carry from process to process."""

import pickle

from completions_cli.errors import RateLimitError, RowError


def test_an_error_of_the_service_travels_whole() -> None:
    error = RateLimitError("too fast", status=429, code="429", retry_after=2.5, request_id="r1", hint="Wait.")
    revived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(revived) is RateLimitError
    assert vars(revived) == vars(error)
    assert str(revived) == "too fast"


def test_what_was_blacked_out_stays_so() -> None:
    error = RowError("the key abc")
    error.message = "the key ****"
    assert str(pickle.loads(pickle.dumps(error))) == "the key ****"  # noqa: S301 - our own bytes
    assert b"abc" not in pickle.dumps(error)
