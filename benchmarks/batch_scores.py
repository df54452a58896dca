"""What it costs a batch to score a pair of a prompt and a continuation, beside completing a plain row. Needs nginx.

nginx gives every request the same answer: to plain rows a completion, to pairs the tokens of both texts with
their log-probabilities. The same long answer is given to plain rows, too: the difference is what reading it costs.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import batching
from batching import Run
from service import nginx

_PROMPT = ["Question", ":", " Is", " this", " a", " very", " good", " text", "?", " The", " answer", ":"]
_CONTINUATION = [" It", " is", " a", " good", " one", "."]
_TOKENS = [*_PROMPT, *_CONTINUATION]
_FIGURES = [None, *(-round(0.1 + 0.7123456789 * (place % 5), 10) for place in range(1, len(_TOKENS)))]
_ECHO = {
    "id": "cmpl-1234567890",
    "object": "text_completion",
    "created": 1234567890,
    "model": "llama2-7b",
    "choices": [
        {
            "index": 0,
            "text": "".join(_TOKENS),
            "finish_reason": "length",
            "logprobs": {
                "tokens": _TOKENS,
                "token_logprobs": _FIGURES,
                "top_logprobs": [
                    None if figure is None else {token: figure} for token, figure in zip(_TOKENS, _FIGURES, strict=True)
                ],
                "text_offset": [len("".join(_TOKENS[:place])) for place in range(len(_TOKENS))],
            },
        }
    ],
    "usage": {"prompt_tokens": len(_TOKENS), "completion_tokens": 0, "total_tokens": len(_TOKENS)},
}


def main() -> None:
    """Run the three in turn, several times, and print medians and the medians of each round's ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    runs: dict[str, list[Run]] = {"plain rows": [], "plain rows, long answers": [], "pairs": []}
    with nginx() as plain, nginx(_ECHO) as echo, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompt = {"prompt": "".join(_PROMPT)}
        rows = _rows_file(folder / "plain.jsonl", prompt, options.rows)
        pairs = _rows_file(folder / "pairs.jsonl", prompt | {"continuations": ["".join(_CONTINUATION)]}, options.rows)
        start = batching.run(plain, _rows_file(folder / "one.jsonl", prompt, 1), folder / "out").cpu
        for _ in range(options.rounds):
            for found, endpoint, file in zip(runs.values(), (plain, echo, echo), (rows, rows, pairs), strict=True):
                batching.remove(folder / "out")
                found.append(batching.run(endpoint, file, folder / "out", "-j", "64"))
    print(f"| {options.rows} requests, 64 in flight | CPU µs a request, median | best | requests/s | plain rows = 1 |")
    print("|---|---:|---:|---:|---:|")
    for what, found in runs.items():
        cpu = statistics.median(run.cpu - start for run in found) / options.rows * 1e6
        best = min(run.cpu - start for run in found) / options.rows * 1e6
        rate = options.rows / statistics.median(run.working for run in found)
        ratio = statistics.median(
            base.working / run.working for base, run in zip(runs["plain rows"], found, strict=True)
        )
        print(f"| {what} | {cpu:.0f} | {best:.0f} | {rate:.0f} | {ratio:.2f} |")


def _rows_file(path: Path, row: dict[str, object], count: int) -> Path:
    lines = (json.dumps({"id": f"r{number}", **row}) for number in range(count))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
