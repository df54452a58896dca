"""What a lower rate, tried for some requests, tells about refusals."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.pacing.trial import Trial, Verdict, least_taken, most_explained


@pytest.mark.parametrize(
    ("share", "sent", "refused", "verdict"),
    [
        (0.5, 0, 0, "open"),
        (0.5, 6, 3, "open"),  # too few
        (0.5, 8, 4, "same"),
        (0.5, 20, 0, "cured"),
        (0.9, 10, 1, "open"),
        (0.3, 10, 10, "other"),  # a larger share: the limit has fallen
        (0.9, 20, 6, "other"),  # a smaller one: the rate matters, and is not low enough yet
        (0.05, 60, 3, "same"),
        (0.05, 60, 0, "open"),
        (0.05, 200, 0, "cured"),
        (1.0, 8, 8, "same"),
    ],
)
def test_a_verdict_on_a_trial(share: float, sent: int, refused: int, verdict: Verdict) -> None:
    assert Trial(share, 10.0 * (1 - share), 10.0).verdict(sent, refused) == verdict


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_noise_is_rarely_taken_for_a_rate(share: float) -> None:
    dice = random.Random(5)
    verdicts = [_played(Trial(share, 10.0 * (1 - share), 10.0), share, dice) for _ in range(200)]
    assert verdicts.count("same") >= 180


@given(st.floats(min_value=0.01, max_value=1.0), st.integers(0, 500), st.data())
def test_every_count_has_a_verdict(share: float, sent: int, data: st.DataObject) -> None:
    refused = data.draw(st.integers(0, sent))
    assert Trial(share, 10.0 * (1 - share), 10.0).verdict(sent, refused) in ("open", "cured", "same", "other")
    assert most_explained(share, sent) >= 0.0
    assert 0.0 < least_taken(sent, refused) <= max(1.0 - refused / max(1, sent), 1 / (sent + 2))


def _played(trial: Trial, share: float, dice: random.Random) -> Verdict:
    """Send until there is a verdict; the trial's share is the true one."""
    sent = refused = 0
    verdict: Verdict = "open"
    while verdict == "open":
        sent += 1
        refused += dice.random() < share
        verdict = trial.verdict(sent, refused)
    return verdict
