"""Of a data set nothing goes out but what was asked for: the body at the server's socket has exactly these keys."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import wire
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS
from completions_cli.batch import rows
from completions_cli.batch.recipe import BARE, Recipe
from completions_cli.batch.rows import Defaults
from tests.answers import ANSWER
from tests.batch.conftest import batch, records
from tests.command import Cli
from tests.scripted_server import ScriptedServer

# Columns that data sets have and requests too, and some that only look like it.
COLUMNS: Mapping[str, str] = {
    "model": "Golf",
    "stop": "Main Street",
    "temperature": "-3.5",
    "seed": "oak",
    "n": "3",
    "echo": "true",
    "logprobs": "5",
    "best_of": "2",
    "suffix": "Jr.",
    "top_p": "0.5",
    "max_tokens": "10",
    "stream": "Danube",
    "extra": "cheese",
    "metadata": "x",
    "user": "ann@example.org",
    "answer": "B",
    "email": "bob@example.org",
    "messages": "[]",
    "top_k": "4",
    "continuations": "two",
    "max_token": "7",
}
SENT = {"max_tokens", "prompt"}  # by every run here


def bodies(server: ScriptedServer) -> list[dict[str, Any]]:
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]


def write(path: Path, records_: list[dict[str, str]]) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(records_[0]))
            writer.writeheader()
            writer.writerows(records_)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(records_), path)
    else:
        path.write_text(json.dumps(records_), encoding="utf-8")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_of_a_table_nothing_is_sent_but_the_prompt(
    suffix: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    path = tmp_path / f"cars{suffix}"
    write(path, [{"id": "1", "prompt": "P", **COLUMNS}])
    scripted_server.play([ANSWER])
    result = batch(cli.service(scripted_server.url), path, "-o", output)
    assert (result.code, [set(body) for body in bodies(scripted_server)]) == (0, [SENT])
    assert records(output)[0]["metadata"] == COLUMNS
    assert "--send-fields" in result.stderr
    assert "max_token is not sent" in result.stderr


def test_columns_are_sent_that_were_named(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    path = tmp_path / "a.csv"
    write(path, [{"prompt": "P", **COLUMNS}, {"prompt": "Q", **dict.fromkeys(COLUMNS, "")}])
    scripted_server.play([ANSWER], [ANSWER])
    sent = ("--send-fields", "top_k,stop, user", "--send-fields", "top_p,model")
    args = (*sent, "--keep-columns", "answer", "--keep-columns", "top_k", "-j", "1")
    assert batch(cli.service(scripted_server.url), path, "-o", output, *args).code == 0
    first, second = bodies(scripted_server)
    expected = {"top_k": 4, "stop": "Main Street", "user": "ann@example.org", "top_p": 0.5, "model": "Golf"}
    assert first == {"prompt": "P", "max_tokens": 256, **expected}
    assert second == {"prompt": "Q", "max_tokens": 256}
    assert records(output)[0]["metadata"] == {"answer": "B", "top_k": "4"}


@pytest.mark.parametrize(
    ("keep", "kept"), [("all", {"a": 1, "b": 2, "own": 3}), ("none", {"own": 3}), ("b", {"b": 2, "own": 3})]
)
def test_of_a_json_row_its_own_words_are_sent(
    keep: str, kept: dict[str, int], cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    path = tmp_path / "a.jsonl"
    row = {"prompt": "P", "seed": 4, "suffix": "S", "model": "m", "extra": {"n": 2, "top_k": 1}, "a": 1, "b": 2}
    path.write_text(json.dumps({**row, "metadata": {"own": 3}}), encoding="utf-8")
    scripted_server.play([ANSWER])
    batch(cli.service(scripted_server.url), path, "-o", output, "--keep-columns", keep, "--retries", "0")
    own = {"seed": 4, "suffix": "S", "model": "m", "n": 2, "top_k": 1}
    assert bodies(scripted_server) == [{"prompt": "P", "max_tokens": 256, **own}]
    assert records(output)[0]["metadata"] == kept


@pytest.mark.parametrize("pack", ["1", "4"])
def test_the_suffix_of_a_row_is_spelled_as_the_profile_says(
    pack: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    cli.profile(
        f'[profiles.code]\nendpoint = "{scripted_server.url}"\nauth = "none"\ninfill = "<P>{{prefix}}<S>{{suffix}}<M>"\n'
    )
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt":"a","suffix":"b"}\n{"id":"tokens","prompt":[1],"suffix":"b"}\n', encoding="utf-8")
    scripted_server.play([ANSWER])
    assert batch(cli, path, "-o", output, "-p", "code", "--pack", pack).code == 13
    assert bodies(scripted_server) == [{"prompt": "<P>a<S>b<M>", "max_tokens": 256}]
    failed = next(record for record in records(output) if record["id"] == "tokens")
    assert "not tokens" in failed["error"]["message"]


def test_a_plan_lists_what_is_sent_and_kept(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt":"P","answer":"A","n":2,"max_token":3}\n{"prompt":"Q","seed":1}\n', encoding="utf-8")
    result = batch(cli.service("http://127.0.0.1:1"), path, "--plan")
    assert "sent: prompt, max_tokens, seed (1 of 2 rows)" in result.text
    assert "not sent: answer (1 of 2 rows), n (1 of 2 rows), max_token (1 of 2 rows)" in result.text
    assert "is max_tokens meant?" in result.stderr
    assert '"extra"' in result.stderr


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ({"prompt": "P", "max_token": 3}, "not sent"),
        ({"prompt": "P", "extra": {"max_token": 3}}, "sent as it is"),
        ({"custom_id": "a", "body": {"prompt": "P", "max_token": 3}}, "sent as it is"),
        ({"prompt": "P", "metadata": {"max_token": 3}}, None),
        ({"prompt": "P", "top_k": 3, "min_tokens": 4, "extra": {"repetition_penalty": 1}}, None),
    ],
)
def test_what_is_nearly_a_parameter_is_a_warning(line: object, how: str | None, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(line), encoding="utf-8")
    result = batch(cli.service("http://127.0.0.1:1"), tmp_path / "a.jsonl", "--plan")
    expected = "" if how is None else f"warning: the field max_token is {how}; is max_tokens meant?\n"
    assert (result.code, result.stderr) == (0, expected)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--send-fields", "nope"), "nope"),
        (("--keep-columns", "prompt,nope"), "nope"),
        (("--send-fields", "prompt"), "prompt"),
        (("--send-fields", ""), "--send-fields"),
        (("--delimiter", ";;"), "--delimiter"),
        (("--template", "no field"), "--template"),
        (("--template", "{nope}"), "nope"),
        (("--template", "@/does/not/exist"), "/does/not/exist"),
    ],
)
def test_names_that_nothing_has_are_refused(
    args: tuple[str, ...], said: str, cli: Cli, tmp_path: Path, output: Path
) -> None:
    (tmp_path / "a.csv").write_text("prompt,b\nx,y\n", encoding="utf-8")
    result = batch(cli.service("http://127.0.0.1:1"), tmp_path / "a.csv", "-o", output, *args)
    assert (result.code, said in result.stderr, "hint:" in result.stderr) == (2, True, True)
    assert not list(tmp_path.glob("out*"))


def test_a_template_of_a_file_with_escapes(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"q":{"text":"Why?"},"stop":"bus"}\n', encoding="utf-8")
    (tmp_path / "t.txt").write_text("Q: {q.text}\nA:\n", encoding="utf-8")
    for template in (f"@{tmp_path / 't.txt'}", "Q: {q.text}\\nA:"):
        scripted_server.play([ANSWER])
        args = ("--template", template, "-E", "--overwrite")
        assert batch(cli.service(scripted_server.url), tmp_path / "a.jsonl", "-o", output, *args).code == 0
    assert {body["prompt"] for body in bodies(scripted_server)} == {"Q: Why?\nA:"}


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_prompts_stand_beside_their_answers_when_wanted(
    name: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    content = {"a.txt": "P\n", "a.jsonl": '{"prompt":"P"}\nnot JSON\n', "a.csv": "prompt\nP\n"}
    (tmp_path / name).write_text(content[name], encoding="utf-8")
    scripted_server.play([ANSWER])
    batch(cli.service(scripted_server.url), tmp_path / name, "-o", output, "--keep-prompt", "-E", "-s", "\\n\\n")
    found = records(output)
    assert {record["row"]: record["prompt"] for record in found} in ({0: "P"}, {0: "P", 1: None})
    assert list(found[0])[-1] == "error"
    assert bodies(scripted_server)[0]["stop"] == "\n\n"


names = st.sampled_from([*COLUMNS, "id", "text", "label"]) | st.text(max_size=5)
values = st.text(max_size=5) | st.integers() | st.none() | st.lists(st.text(max_size=3))


@given(
    fields=st.dictionaries(names, values),
    extra=st.dictionaries(names, values),
    send=st.sets(names),
    is_table=st.booleans(),
)
def test_no_field_goes_out_unasked(
    fields: dict[str, Any], extra: dict[str, Any], send: set[str], *, is_table: bool
) -> None:
    """Whatever the fields: what is sent are the parameters, `extra` and what was named; the rest is kept."""
    send -= {"prompt", "stream"}
    recipe = Recipe(send=frozenset(send))
    record = {**fields, "prompt": "P", **({} if is_table else {"extra": extra})}
    row = rows.table_row(0, record, recipe) if is_table else rows.json_row(0, json.dumps(record).encode(), recipe)
    if row.error is not None:
        return
    allowed = {"prompt", *send} | (set() if is_table else {*PARAMETERS, "model", "suffix", *extra})
    sent = wire.body(Defaults().request(row)).keys()
    assert sent <= allowed
    others = fields.keys() - sent - DOCUMENTED - send - {"id", "metadata", "extra", "suffix", "continuations"}
    kept = row.metadata if isinstance(row.metadata, dict) else {}
    assert others <= kept.keys()
    if not is_table:
        assert not set(BARE) & (sent - extra.keys() - send)
