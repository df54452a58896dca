"""How faults are asked for, and which requests they strike."""

import pytest

from completions_cli.emulator.fault_spec import FaultSpec, parse_spec
from completions_cli.emulator.faults.catalogue import catalogue, listing
from completions_cli.emulator.faults.kinds import Target
from completions_cli.emulator.faults.plan import FaultPlan
from completions_cli.errors import UsageError
from tests.command import Cli
from tests.emulator.exchange import ask
from tests.emulator_process import Start


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("429", FaultSpec("429")),
        ("429:0.25", FaultSpec("429", rate=0.25)),
        ("429=2.5", FaultSpec("429", value=2.5)),
        ("429=2:0", FaultSpec("429", value=2, rate=0)),
        ("reset:x3", FaultSpec("reset", first=3)),
        ("truncate=10:x1", FaultSpec("truncate", value=10, first=1)),
        (" gzip ", FaultSpec("gzip")),
    ],
)
def test_a_fault_is_asked_for_by_kind_value_and_rate(text: str, spec: FaultSpec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "429:",
        "429=",
        "429:2",
        "429:-1",
        "429:nan",
        "429=x",
        "429=-1",
        "429:x",
        "429:x1.5",
        "429:x" + "9" * 5000,
        "429:0.5:0.5",
        "429=1=2",
        "=1",
    ],
)
def test_anything_else_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_spec(text)


def struck(plan: FaultPlan, count: int) -> list[list[str]]:
    return [[strike.fault.kind for strike in plan.draw({Target.REQUEST}, None)] for _ in range(count)]


def test_a_rate_strikes_its_share_the_same_for_the_same_seed() -> None:
    spec = [parse_spec("429:0.2")]
    first, same, other = (struck(FaultPlan(spec, seed), 2000) for seed in (1, 1, 2))
    assert first == same != other
    assert 300 < sum(map(len, first)) < 500


def test_one_fault_beside_another_changes_nothing_for_it() -> None:
    alone = struck(FaultPlan([parse_spec("429:0.5")], 1), 200)
    beside = struck(FaultPlan([parse_spec("429:0.5"), parse_spec("reset:0.5")], 1), 200)
    assert [[kind for kind in kinds if kind == "429"] for kinds in beside] == alone


def test_the_first_requests_only() -> None:
    assert struck(FaultPlan([parse_spec("429:x2")], 0), 4) == [["429"], ["429"], [], []]


def test_every_fault_has_a_line_with_its_kind_first() -> None:
    lines = listing()
    assert [line.split()[0] for line in lines] == list(catalogue())
    assert all(line.isprintable() and len(line) <= 120 for line in lines)


def test_list_faults_prints_them(cli: Cli) -> None:
    done = cli.run("emulator", "--list-faults")
    assert (done.code, done.stderr) == (0, "")
    assert done.text.splitlines() == listing()


def test_faults_that_do_not_exist_are_usage_errors(cli: Cli) -> None:
    for fault, hint in (
        ("reste", "Did you mean reset?"),
        ("reset=5", "Write --fault reset"),
        ("429:7", "--list-faults"),
    ):
        done = cli.run("emulator", "--fault", fault)
        assert done.code == 2
        assert hint in done.stderr


def test_a_stream_fault_is_not_used_up_by_other_requests(emulator: Start) -> None:
    server = emulator("--fault", "stream-no-done:x1", "--fault", "no-choices:x1")
    streaming = {"prompt": "x", "stream": True, "max_tokens": 1}
    assert [len(ask(server).json()["choices"]) for _ in range(2)] == [0, 1]
    assert [ask(server, streaming).events[-1] == "[DONE]" for _ in range(2)] == [False, True]


def test_the_first_fault_on_the_command_line_decides_the_answer(emulator: Start) -> None:
    server = emulator("--fault", "503:x1", "--fault", "429:x2")
    assert [ask(server).status for _ in range(3)] == [503, 429, 200]
    assert [record["faults"] for record in server.log()] == [["503", "429"], ["429"], []]


def test_faults_strike_before_the_request_is_looked_at(emulator: Start) -> None:
    server = emulator("--fault", "500")
    assert ask(server, b"not json", headers={"Authorization": None}).status == 500
    assert ask(server, path="/elsewhere").status == 404
