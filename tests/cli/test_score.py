"""`completions score`: figures on stdout, in the form that was asked for, or the exit code for what is missing."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Cli
from tests.emulator_process import EmulatorProcess
from tests.local_weights import DATA_HOME, weights_path
from tests.scripted_server import ScriptedServer, response

_TEXTS = (" the shop", " the 🙂", "morrow", "\ttab\n")


@pytest.fixture
def service(cli: Cli, emulator: Callable[..., EmulatorProcess]) -> Cli:
    return cli.service(emulator().url)


def _args(*texts: str) -> list[str]:
    return [word for text in texts for word in ("-c", text)]


def test_a_line_has_figure_tokens_greedy_and_continuation(service: Cli) -> None:
    document = service.run("score", "I went to", *_args(*_TEXTS), "-F", "json").json()
    assert (document["method"], document["model"]) == ("echo", "echo")
    scores = document["continuations"]
    assert [score["text"] for score in scores] == list(_TEXTS)
    result = service.run("score", "I went to", *_args(*_TEXTS))
    rows = [line.split("\t") for line in result.text.splitlines()]
    assert rows == [
        [f"{score['logprob']:.6f}", str(score["token_count"]), "yes" if score["greedy"] else "no", shown]
        for score, shown in zip(scores, (*_TEXTS[:3], "\\ttab\\n"), strict=True)
    ]
    merged = sum(score["boundary_merged"] for score in scores)
    assert merged
    assert f"note: boundary_merged: in {merged} of 4 the first token begins in the prompt" in result.stderr


@pytest.mark.parametrize("metric", ["sum", "mean", "per-byte"])
def test_the_metric_decides_about_figure_order_and_best(metric: str, service: Cli) -> None:
    document = service.run("score", "I went to", *_args(*_TEXTS), "-F", "json").json()
    figures = {
        score["text"]: score["logprob"]
        / {"sum": 1, "mean": score["token_count"], "per-byte": len(score["text"].encode())}[metric]
        for score in document["continuations"]
    }
    order = sorted(figures, key=lambda text: -figures[text])
    args = ("score", "I went to", *_args(*_TEXTS), "--metric", metric)
    lines = service.run(*args, "--sort", "-q").text.splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"{figures[text]:.6f}" for text in order]
    assert service.run(*args, "--best").stdout == order[0].encode() + b"\n"
    (best,) = service.run(*args, "--best", "-F", "json").json()["continuations"]
    assert best["text"] == order[0]
    jsonl = [json.loads(line) for line in service.run(*args, "-F", "jsonl").text.splitlines()]
    assert jsonl == document["continuations"]


def test_a_text_alone_has_its_own_figures(service: Cli) -> None:
    text = "The quick 🙂 fox jumps"
    found = service.run("score", text, "-F", "json").json()
    known = [token["logprob"] for token in found["tokens"] if "logprob" in token]
    assert found["token_count"] == len(found["tokens"]) == len(known) + 1
    assert "".join(token["text"] for token in found["tokens"]) == text
    assert math.isclose(found["perplexity"], math.exp(-sum(known) / len(known)))
    assert math.isclose(found["bits_per_byte"], -sum(known) / math.log(2) / len(text.encode()))
    result = service.run("score", stdin=text.encode() + b"\n")
    assert dict(line.split("\t") for line in result.text.splitlines()) == {
        "tokens": str(found["token_count"]),
        "logprob": f"{found['logprob']:.6f}",
        "perplexity": f"{found['perplexity']:.6f}",
        "bits_per_byte": f"{found['bits_per_byte']:.6f}",
    }
    assert "the first token has no log-probability, because nothing precedes it" in result.stderr


def test_choices_come_from_a_file(service: Cli, tmp_path: Path) -> None:
    lines, array = tmp_path / "choices.txt", tmp_path / "choices.json"
    lines.write_bytes("\ufeff yes\r\n no\n".encode())
    array.write_text('[" yes", " no", "\\n"]')
    found = service.run("score", "Is it?", "-c", " well", "--choices", str(lines)).text
    assert [line.rpartition("\t")[2] for line in found.splitlines()] == [" well", " yes", " no"]
    found = service.run("score", "Is it?", "--choices", str(array)).text
    assert [line.rpartition("\t")[2] for line in found.splitlines()] == [" yes", " no", "\\n"]
    found = service.run("score", "Is it?", "--choices", "-", stdin=lines.read_bytes()).text
    assert [line.rpartition("\t")[2] for line in found.splitlines()] == [" yes", " no"]


def test_a_token_of_both_at_the_start_has_no_figure(service: Cli) -> None:
    result = service.run("score", "a", "-c", "b")
    assert result.code == 12
    assert "begin with one and the same token: give a longer prompt" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["P", "-c", ""], "a continuation is empty"),
        (["P", "--choices", "empty.txt"], "line 2: the continuation is empty"),
        (["P", "--choices", "newline.txt"], "newline.txt is empty"),
        (["P", "--choices", "wrong.json"], "must be an array of texts"),
        (["P", "--choices", "none.txt"], "cannot be read"),
        (["P", "--metric", "avg", "-c", "x"], "--metric must be sum, mean or per-byte"),
        (["--choices", "-"], "only once, not for the prompt and --choices"),
        (["-f", "-", "--choices", "-"], "only once, not for the prompt and --choices"),
        (["P", "--sort"], "--sort needs continuations"),
        (["P", "--best"], "--best needs continuations"),
        (["P", "-c", "x", "--sort", "--best"], "do not go together"),
        (["P", "-c", "x", "--suffix", "y"], "for infill"),
        (["--tokens", "[1,2]", "-c", "x"], "not of tokens"),
        (["--prompt-json", '["a","b"]', "-c", "x"], "one prompt at a time"),
        ([""], "the text is empty"),
        (["P", "-M", "5"], "-M"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_exit_2_with_nothing_sent(
    args: list[str], words: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").write_text("a\n\nb\n")
    (tmp_path / "newline.txt").write_text("\r\n")
    (tmp_path / "wrong.json").write_text('["a", 5]')
    placed = [str(tmp_path / word) if word.endswith((".txt", ".json")) else word for word in args]
    result = cli.service(scripted_server.url).run("score", *placed)
    assert (result.code, result.stdout) == (2, b"")
    assert words in result.stderr
    assert not scripted_server.requests


def test_what_a_server_does_not_give_is_exit_12(cli: Cli, scripted_server: ScriptedServer) -> None:
    figures = b'{"tokens":[" b"],"token_logprobs":[-0.1],"top_logprobs":null,"text_offset":[0]}'
    generated = b'{"choices":[{"index":0,"text":" b","finish_reason":"length","logprobs":' + figures + b"}]}"
    scripted_server.play([response(generated)])
    result = cli.service(scripted_server.url).run("score", "a", "-c", " b", "-F", "json")
    assert (result.code, result.stdout) == (12, b"")
    assert "gives no log-probabilities of text that it did not generate" in result.error()["message"]


def test_a_server_that_refuses_to_generate_nothing_generates_one_token(
    cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    service = cli.service(emulator("--fault", "max-tokens-0").url)
    result = service.run("score", "I went", "-c", " there", "-v", "-F", "json")
    assert result.json()["method"] == "echo"
    assert "note: scored by echo (echo true, logprobs 1, max_tokens 1)" in result.stderr
    honest = cli.service(emulator().url).run("score", "I went", "-c", " there", "-F", "json")
    assert honest.json() == result.json()


@pytest.mark.parametrize(
    "fault",
    [
        "echo-ignored",
        "logprobs-ignored",
        *(f"figures-{kind}" for kind in ("generated", "null", "nan", "positive", "uneven", "other")),
    ],
)
def test_a_server_that_does_not_score_is_found_out(
    fault: str, cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    result = cli.service(emulator("--fault", fault).url).run("score", "ha ha", "-c", " ha")
    assert (result.code, result.stdout) == (12, b"")


@pytest.mark.parametrize("behaviour", ["reference", "managed", "foundry"])
def test_every_behaviour_scores_alike(behaviour: str, cli: Cli, emulator: Callable[..., EmulatorProcess]) -> None:
    service = cli.service(emulator("--behaviour", behaviour, "--deployment", "echo").url)
    found = service.run("score", "I went", "-c", " there", "-m", "echo", "-F", "json").json()
    assert found["continuations"][0]["logprob"] == pytest.approx(-7.770516643423067)


@pytest.mark.parametrize("fault", ["figures-shifted", "figures-bytes", "no-usage", "sparse"])
def test_what_figures_do_not_depend_on_changes_none(
    fault: str, cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    args = ("score", "Ça 🙂", "-c", " dépend", "-c", "🙂", "-q")
    honest = cli.service(emulator().url).run(*args)
    struck = cli.service(emulator("--fault", fault).url).run(*args)
    assert honest.code == struck.code == 0
    assert struck.stdout == honest.stdout


def test_what_is_not_read_or_looks_misspelt_is_warned_of(service: Cli, tmp_path: Path) -> None:
    unread = service.run("score", "I went to", "-c", " a", stdin=b"data\n").stderr
    assert unread.startswith("warning: standard input has data that is not read")
    choices = service.run("score", "I went to", "--choices", "-", stdin=b" a\n")
    assert (choices.code, choices.stderr) == (0, "")
    misspelt = service.run("score", "I went to", "-c", " a", "-x", "max_token:=1").stderr
    assert misspelt.startswith("warning: max_token is sent as it is; did you mean max_tokens?")
    # Parameters of the profile that scoring does not send are none of its business.
    path = tmp_path / "p.toml"
    path.write_text("[profiles.p]\nparams = {temperature = 9}\n", encoding="utf-8")
    assert service.run("score", "I went to", "-c", " a", "--config", str(path)).stderr == ""


def test_a_dry_run_shows_the_first_request(cli: Cli) -> None:
    result = cli.service("http://127.0.0.1:9").run("score", "a", "-c", " b", "--dry-run", "-F", "json")
    assert result.json()["body"] == {"prompt": "a b", "max_tokens": 0, "echo": True, "logprobs": 1}
    assert result.json()["headers"]["extra-parameters"] == "pass-through"


def test_scores_go_into_a_file_as_a_whole(service: Cli, tmp_path: Path) -> None:
    target = tmp_path / "scores.tsv"
    result = service.run("score", "I went", "-c", " there", "-o", str(target))
    assert (result.code, result.stdout) == (0, b"")
    assert target.read_text().endswith("\t there\n")


def test_the_embedded_model_scores(cli: Cli) -> None:
    weights_path()
    args = ("score", "-p", "local", "The capital of France is", "-c", " Paris", "-c", " 🦄", "-c", " banana")
    document = cli.run(*args, "-F", "json", env={"XDG_DATA_HOME": str(DATA_HOME)}).json()
    assert document["method"] == "forced_decoding"
    paris, emoji, banana = document["continuations"]
    assert paris["logprob"] > banana["logprob"] > emoji["logprob"]
    assert paris["greedy"]
    assert emoji["token_count"] == 3


def test_the_embedded_model_scores_nul_without_a_failure(cli: Cli) -> None:
    weights_path()
    args = ("score", "-p", "local", "-E", "a\\0b", "-c", " c\\0")
    result = cli.run(*args, env={"XDG_DATA_HOME": str(DATA_HOME)})
    assert (result.code, result.stderr) == (0, "")
