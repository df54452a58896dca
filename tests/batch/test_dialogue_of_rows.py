"""Rows that are scored by whoever of a pool is asked next, each in the way that it knows."""

import math

from completions_cli.batch.rows import Row
from completions_cli.batch.scored import Dialogue
from completions_cli.errors import RejectedError
from completions_cli.models import CompletionRequest
from completions_cli.scoring.steps import Scorer
from tests.scoring.model_server import ModelServer, true_score

_TEXTS = (" green", " blue", " 🙂")


def test_members_that_score_differently_take_turns() -> None:
    servers = [ModelServer(refuses=frozenset({"echo"})), ModelServer(refuses=frozenset({"prompt_logprobs"}))]
    scorers = [Scorer(), Scorer()]
    dialogue = Dialogue(
        scorers.__getitem__, CompletionRequest("", model="m"), [Row(0, prompt="Red and", continuations=_TEXTS)]
    )
    for turn in range(12):
        if dialogue.scores is not None:
            break
        request = dialogue.request_by(turn % 2)
        try:
            answer = servers[turn % 2].answer(request)
        except RejectedError as error:
            problem = dialogue.refused(error)
        else:
            problem = dialogue.answered(answer)
        assert problem is None
    assert dialogue.scores is not None
    (scores,) = dialogue.scores
    expected = [true_score("Red and", text) for text in _TEXTS]
    for score, (logprob, count, _) in zip(scores.continuations, expected, strict=True):
        assert score.token_count == count
        assert math.isclose(score.logprob, logprob)
