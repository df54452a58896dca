"""What other people's software says when it refuses: the words, the code, the parameter, the exit and the advice."""

import pytest

from completions_cli.api import error_map
from completions_cli.api.hints import HintContext, hint
from tests.api.bodies_of_others import HELD_OUT, SEEN, Seen

ROWS = [*SEEN, *HELD_OUT]
CONTEXT = HintContext(host="gateway.example", path="/v1/completions")


@pytest.mark.parametrize("row", ROWS, ids=[row.who for row in ROWS])
def test_a_body_is_read_by_its_shape(row: Seen) -> None:
    error = error_map.from_response(row.status, row.headers, row.body.encode(), 0.0)
    assert (error.message, error.code, error.param) == (row.message, row.code, row.param)
    assert int(error.exit_code) == row.exit_code
    assert row.hint in hint(error, CONTEXT)


def test_there_are_enough_of_them() -> None:
    assert len({row.body for row in ROWS}) == len(ROWS)
