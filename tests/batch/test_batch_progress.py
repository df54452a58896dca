"""How a run shows itself: on a terminal, in a log, at its end."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from completions_cli.api.retry import RetryPolicy
from completions_cli.batch.budget import Prices
from completions_cli.batch.pool.member import Member, trouble
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Triage
from completions_cli.errors import NetworkError, RateLimitError, ServerError
from completions_cli.render.batch_progress import Progress, Snapshot, Speed, estimate, line, summary, tail
from completions_cli.streams import Streams
from tests.batch.conftest import Rows, batch
from tests.command import Cli
from tests.emulator_process import Start


def totals(**changes: object) -> Totals:
    """Make totals of a run half way."""
    made = Totals(
        resumed=10, ok=95, failed=Counter(server=2, rejected=3), requests=99, retries=4, throttled=1,
        prompt_tokens=500, completion_tokens=1000, seconds=10.0,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_line_for_logs() -> None:
    pace = Speed(rows=9.0, tokens=150.0, left=61.2)
    assert line(Snapshot(totals(), 7, 0.5, 200), pace) == (
        "batch: rows=100 failed=5 rows_per_s=9.0 tokens_per_s=150 in_flight=7 throttled=1 done=50% eta_s=61"
    )
    priced = totals(prices=Prices(1.0, 2.0))
    assert "cost=0.0025" in line(Snapshot(priced, 7, 0.5, None), Speed(0.0, 0.0, None))


def test_one_slow_row_at_the_end_is_not_estimated_by_the_quick_ones() -> None:
    recent = [(0.0, 0, 0, 0.0), (10.0, 99, 0, 0.99), (20.0, 99, 0, 0.99), (30.0, 99, 0, 0.99)]
    last = Snapshot(totals(ok=94, seconds=30.0), 1, 0.99, 100)
    assert estimate(recent, tail(last, silent=20.0)).left == 20.0
    assert tail(Snapshot(totals(), 7, 0.5, 200), silent=20.0) == 0.0
    assert tail(Snapshot(totals(), 7, 0.5, None), silent=20.0) == 0.0
    assert estimate(recent[:2], 0.0).left == pytest.approx(0.1, rel=0.1)


def test_the_end_in_words() -> None:
    assert summary(totals(), Path("out.jsonl"), None) == [
        "done: 100 rows, 10 of them from earlier runs; 95 ok, 5 failed (3 rejected, 2 server)",
        "90 rows in 10.0 s, 9.0 rows/s",
        "tokens: 500 prompt + 1,000 completion, 150 per second",
        "99 requests, 4 of them retries; 1 answered 429 (too many requests)",
        "output: out.jsonl",
    ]
    stopped = summary(totals(resumed=0, prices=Prices(0.0, 1000.0)), Path("o"), "max_cost")
    assert stopped[0].startswith("stopped (max_cost): 100 rows; 95 ok")
    assert stopped[2].endswith("cost 1.0000")
    assert "--retry-failed" in stopped[-1]
    one = summary(totals(resumed=4, ok=5, failed=Counter(), requests=1, retries=0), Path("o"), None)
    assert (one[1].split(" in ")[0], one[3].split(";")[0]) == ("1 row", "1 request")
    plain = totals(resumed=0, ok=5, failed=Counter(), requests=5, retries=0, throttled=0)
    assert summary(plain, Path("o"), None)[3] == "5 requests"
    refused = totals(resumed=0, ok=0, failed=Counter(), requests=2, retries=1, prompt_tokens=0, completion_tokens=0)
    assert summary(refused, Path("o"), "auth")[1] == "2 requests, 1 of them a retry; 1 answered 429 (too many requests)"
    nothing_left = totals(resumed=5, ok=5, failed=Counter(), requests=0, retries=0)
    assert summary(nothing_left, Path("o"), None) == [
        "done: 5 rows, 5 of them from earlier runs; 5 ok, 0 failed",
        "output: o",
    ]
    assert summary(totals(), Path("o"), "interrupt")[-1] == "run the same command again to resume"


def test_a_server_that_is_down_is_named_while_it_is_waited_for() -> None:
    triage = Triage(RetryPolicy(retries=4, max_wait=120.0))
    refused = NetworkError("no connection to 127.0.0.1:9", retryable=True)
    triage.judge(refused, now=10.0, sent_at=10.0, tries=0)
    assert triage.trouble(12.9) is None
    assert triage.trouble(13.4) == f"requests have failed for 3 s; retrying: {refused.message}"
    for _ in range(30):
        triage.judge(ServerError("busy", status=503), now=14.0, sent_at=14.0, tries=0)
    assert triage.trouble(20.0) == "requests have failed for 10 s; retrying for up to 20 s more: 503: busy"
    assert str(triage.trouble(99.0)).startswith("requests have failed for 89 s; retrying for up to 0 s more")
    triage.outage.alive()
    assert triage.trouble(99.0) is None
    triage.judge(RateLimitError("slow down", status=429, retryable=True), now=100.0, sent_at=100.0, tries=0)
    assert triage.trouble(102.0) is None
    assert triage.trouble(130.0) == "the server has answered only 429 (too many requests) for 30 s"


def test_a_pool_is_in_trouble_only_while_no_member_that_is_left_answers() -> None:
    east, west = (
        Member(name, cast("Any", None), cast("Any", None), Triage(RetryPolicy(), is_alone=False)) for name in ("e", "w")
    )
    east.triage.judge(ServerError("busy", status=503), now=0.0, sent_at=0.0, tries=0)
    assert trouble([east, west], 9.0) is None
    assert trouble([east], 9.0) == "requests have failed for 9 s; retrying: 503: busy"
    west.is_gone = True
    assert trouble([east, west], 9.0) == "no profile answers; e: requests have failed for 9 s; retrying: 503: busy"
    east.is_gone = True
    assert trouble([east, west], 9.0) is None


@pytest.mark.parametrize("is_terminal", [False, True])
def test_trouble_stands_below_the_progress(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, is_terminal: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes rich draw into a pipe
    streams = Streams({})
    streams.stderr.is_terminal, streams.color_choice = is_terminal, "never"
    progress = Progress(streams)
    progress.show(Snapshot(totals(), 0, 0.5, 200, trouble="nobody answers \x1b[2J"))
    progress.stop()
    shown = capfd.readouterr().err
    assert r"nobody answers \x1b[2J" in shown
    assert ("note: nobody" in shown) is not is_terminal


def test_a_bar_on_a_terminal_that_leaves_nothing_behind(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator("--latency", "0.4", "--fault", "422:0.2").url)
    result = cli.terminal("batch", str(rows(40)), "-o", str(output), "-j", "16")
    screen = result.text
    assert result.code == 13
    assert "of 40 rows" in screen
    assert "in flight" in screen
    assert not re.search(r"\x1b\[2m[\d,]+ rows/s", screen)  # only what stands between the figures is dim
    assert "\x1b[2K" in screen  # the bar's lines are erased
    last = screen[screen.rindex("done: 40 rows") :]
    assert "━" not in last
    assert "rows failed" in last


@pytest.mark.parametrize("args", [("-q",), ("-v",), ("-q", "-v")])
def test_no_bar_where_it_would_disturb(
    args: tuple[str, ...], cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    cli.service(emulator("--latency", "0.4").url)
    result = cli.terminal("batch", str(rows(8)), "-o", str(output), *args)
    assert (result.code, "━" in result.text) == (0, False)
    assert ("> POST " in result.text) is (args == ("-v",))
    assert (result.text == "") is ("-q" in args)


def test_the_trace_hides_the_key(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url, key="canary-key-0123")
    result = batch(cli, rows(2), "-o", output, "-vv")
    assert result.code == 0
    assert "< HTTP/1.1 200" in result.stderr
    assert "canary" not in result.stderr
    for path in output.parent.glob("out*"):
        assert b"canary" not in path.read_bytes()
