"""What OUTPUT.run says is read back, or not taken for one, whoever had the file since."""

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.batch import run_file
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.outputs import Outputs
from completions_cli.batch.run_file import RunFile
from completions_cli.errors import UsageError

RUN = RunFile(
    Identity("in.jsonl", 10, "abc"),
    {"temperature": 1, "stop": ["a"], "model": None},
    "native",
    (1, 3),
    rows=20,
    endpoint="https://h",
    profile="p",
    all_runs={"requests": 3, "cost": None, "seconds": 1.5},
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_it_is_read_back() -> None:
    found = run_file.parse(RUN.as_bytes())
    assert found == RUN


@pytest.mark.parametrize(
    ("was", "now", "is_same"),
    [
        ({"extra a": 1}, {"extra a": True}, False),
        ({"extra a": [{"b": 0}]}, {"extra a": [{"b": False}]}, False),
        ({"extra a": None}, {}, False),
        ({"extra a": 2**60}, {"extra a": 2**60 + 1}, False),
        ({"extra a": "1"}, {"extra a": 1}, False),
        ({"temperature": 1}, {"temperature": 1.0}, True),
        ({"model": None}, {}, True),
        ({"extra a": {"b": 1, "c": 2}}, {"extra a": {"c": 2, "b": 1}}, True),
    ],
)
def test_parameters_are_compared_as_they_are_sent(was: dict[str, Any], now: dict[str, Any], is_same: bool) -> None:
    one, other = (replace(RUN, parameters=parameters) for parameters in (was, now))
    for earlier, later in ((one, other), (other, one)):
        with contextlib.nullcontext() if is_same else pytest.raises(UsageError, match=r"another extra a: .*, now "):
            later.check(earlier, "out")


@given(st.data())
def test_whatever_is_changed_in_it_is_read_or_refused(data: st.DataObject) -> None:
    fields = json.loads(RUN.as_bytes())
    place: Any = fields
    key = data.draw(st.sampled_from(sorted(fields)))
    if isinstance(fields[key], dict | list) and fields[key] and data.draw(st.booleans()):
        place, keys = fields[key], list(fields[key]) if isinstance(fields[key], dict) else range(len(fields[key]))
        key = data.draw(st.sampled_from(list(keys)))
    place[key] = data.draw(values)
    found = run_file.parse(json.dumps(fields).encode())
    if found is None:
        return
    assert run_file.parse(found.as_bytes()) == found
    outputs = Outputs([], [found], found.output_format)
    assert (outputs.row_total() or 0) >= 0
    outputs.recorded_totals()
    with contextlib.suppress(UsageError):
        RUN.check(found, "out")
    RUN.notes(found, "out")


@given(st.binary(max_size=50) | values.map(lambda value: json.dumps(value).encode()) | st.just(b"[" * 100_000))
def test_anything_else_is_none(content: bytes) -> None:
    assert run_file.parse(content) is None
