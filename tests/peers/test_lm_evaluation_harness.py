"""lm-evaluation-harness and scores agree: both ask the emulator for the log-likelihoods of the same answers.

It is run by the Python that COMPLETIONS_REFERENCE_PYTHON names, if `lm-eval[api]` is installed there.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from completions_cli import Client
from tests.emulator_process import EmulatorProcess

_QUESTIONS = (
    ("The capital of France is", ("Paris", "London", "a shop")),
    ("Two and two make", ("four", "five", "nothing at all")),
    ("Café in Zürich sells", ("coffee", "stone", "naïve ideas")),
    ("Once upon a", ("time", "while", "long time ago")),
    ("The 🙂 face is", ("happy", "sad", "über")),
)
# How the emulator cuts text: the harness counts a question's tokens by a tokenizer of its own.
_PIECE = r"[^\S\n]?\w{1,5}(?!\w)|[^\S\n]?\w{1,4}|[^\S\n]?[^\w\s]{1,3}|\s"
_TASK = """\
task: few_questions
dataset_path: json
dataset_kwargs: {data_files: {test: QUESTIONS}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_target: answer
doc_to_choice: choices
target_delimiter: " "
metric_list: [{metric: acc}]
"""


def _harness() -> str:
    python = os.environ.get("COMPLETIONS_REFERENCE_PYTHON")
    program = Path(python).with_name("lm_eval") if python else None
    if program is None or not program.exists():
        pytest.skip("COMPLETIONS_REFERENCE_PYTHON names no Python with lm-eval[api]")
    return str(program)


def _write_task(folder: Path) -> None:
    rows = [{"question": question, "choices": choices, "answer": 0} for question, choices in _QUESTIONS]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "few_questions.yaml").write_text(_TASK.replace("QUESTIONS", str(folder / "questions.jsonl")))


def _write_tokenizer(folder: Path) -> None:
    wholes = [f"{question} {choice}" for question, choices in _QUESTIONS for choice in choices]
    pieces = dict.fromkeys(piece for whole in wholes for piece in re.findall(_PIECE, whole))
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": _PIECE}, "behavior": "Isolated", "invert": False},
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {piece: number for number, piece in enumerate(("<unk>", "<eos>", *pieces))},
            "unk_token": "<unk>",
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "eos_token": "<eos>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _evaluated(program: str, url: str, folder: Path) -> list[dict[str, Any]]:
    """Return what the harness wrote down of each question."""
    arguments = {
        "model": "echo",
        "base_url": f"{url}/openai/v1/completions",
        "tokenizer_backend": "huggingface",
        "tokenizer": str(folder),
        "tokenized_requests": "False",
    }
    listed = ",".join(f"{name}={value}" for name, value in arguments.items())
    task = ("--tasks", "few_questions", "--include_path", str(folder))
    out = ("--log_samples", "--output_path", str(folder / "out"))
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OPENAI_API_KEY": "any"}
    done = subprocess.run(
        [program, "--model", "local-completions", "--model_args", listed, *task, *out],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (samples,) = (folder / "out").rglob("samples_*.jsonl")
    return [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]


def test_the_harness_finds_the_same_scores(emulator: Callable[..., EmulatorProcess], tmp_path: Path) -> None:
    program = _harness()
    _write_task(tmp_path)
    _write_tokenizer(tmp_path)
    url = emulator("--behaviour", "foundry").url
    samples = _evaluated(program, url, tmp_path)
    assert len(samples) == len(_QUESTIONS)
    with Client(f"{url}/openai/v1", api_key="any", model="echo") as client:
        for sample in samples:
            question, choices = sample["doc"]["question"], sample["doc"]["choices"]
            scores = client.score(question, [f" {choice}" for choice in choices]).continuations
            for (logprob, is_greedy), score in zip(sample["filtered_resps"], scores, strict=True):
                assert float(logprob) == pytest.approx(score.logprob, abs=1e-9), (question, score.text)
                assert str(is_greedy) == str(score.greedy)
