"""An error that quotes a secret back is shown without it, in whichever of its parts the secret stands."""

from completions_cli.api.masking import masked
from completions_cli.errors import NetworkError, ServiceError

SECRET = "sk-12345678"
QUOTED = f"you sent {SECRET}."
SHOWN = "you sent ****."


def test_a_services_words_are_masked_in_every_part() -> None:
    parts = dict.fromkeys(("hint", "code", "param", "request_id", "detail"), QUOTED)
    error = ServiceError(QUOTED, status=401, loc=("body", QUOTED), retry_after=1.5, **parts)  # type: ignore[arg-type]
    assert masked(error, [SECRET]) is error
    assert {getattr(error, name) for name in ("message", *parts)} == {str(error)} == {SHOWN}
    assert (error.loc, error.status, error.retry_after) == (("body", SHOWN), 401, 1.5)


def test_what_is_absent_stays_so() -> None:
    assert masked(NetworkError("reset by peer"), [SECRET]).hint == NetworkError("reset by peer").hint
    error = masked(ServiceError("m", status=500), [SECRET])
    assert (error.code, error.param, error.request_id, error.detail, error.loc) == (None, None, None, None, ())
