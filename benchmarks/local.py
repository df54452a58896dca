"""The profile `local` against llama.cpp's own server on the same file: time to a first token, and tokens a second.

llama.cpp's server is started as its package starts it, with the same number of threads, and asked by curl. Both
are watched from outside, from the moment of the request, the model loaded. The wall tells what else ran on the
machine, too; the CPU that llama.cpp's process took does not.
"""

import argparse
import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import measure

_SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = sys.argv[1], ["127.0.0.1"], 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[2])
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
_PROMPT = "Once upon a time, in a village by the sea, there lived an old man who"
_BODY = {"prompt": _PROMPT, "stream": True, "seed": 1, "temperature": 0, "cache_prompt": False, "ignore_eos": True}


class Answer(NamedTuple):
    """What one answer took until its first token and for each after it: CPU of llama.cpp's process, and wall, in ms."""

    first_cpu: float
    token_cpu: float
    first: float
    token: float


def main() -> None:
    """Ask both in turn, each first in every other round, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    own = measure.ours("local")
    subprocess.run([str(own / "completions"), "local", "pull"], check=True, stdout=sys.stderr)
    status = subprocess.run([str(own / "completions"), "local", "status", "--json"], check=True, stdout=subprocess.PIPE)
    model = json.loads(status.stdout)["path"]
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    server = [str(own / "python"), "-c", _SERVER, model, str(threads)]
    contenders = {
        "llama.cpp's server": functools.partial(served, server, options.tokens),
        "completions -p local": functools.partial(called, own / "completions", options.tokens),
    }
    rows: dict[str, list[Answer]] = {name: [] for name in contenders}
    for number in range(options.rounds):
        for name, ask in list(contenders.items())[:: -1 if number % 2 else 1]:
            rows[name].append(ask())
    report(rows, f"{Path(model).stem}, {threads} thread(s)")


def report(rows: dict[str, list[Answer]], title: str) -> None:
    """Print the medians and the best, each with its ratio to that of llama.cpp's server."""
    print(f"| {title} | CPU to the first token, ms | CPU a token, ms | first token, ms | a token, ms |")
    print("|---|---:|---:|---:|---:|")
    for kind, pick in {"median": statistics.median, "best": min}.items():
        found = [[pick(column) for column in zip(*answers, strict=True)] for answers in rows.values()]
        for name, row in zip(rows, found, strict=True):
            print(f"| {name}, {kind} |", " | ".join(f"{each:.1f}" for each in row), "|")
        print("| … ratio |", " | ".join(f"{ours / base:.2f}" for base, ours in zip(*found, strict=True)), "|")


def served(server: list[str], tokens: int) -> Answer:
    """Start llama.cpp's server and ask it by curl."""
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        address = process.stdout.readline().decode().strip() if process.stdout else ""
        body = json.dumps({**_BODY, "max_tokens": tokens})
        curl = ["curl", "--silent", "--no-buffer", "--json", body, f"{address}/v1/completions"]
        asked = Moment.of(process.pid)
        with subprocess.Popen(curl, stdout=subprocess.PIPE) as asking:
            answer = watched(asking, process.pid, asked, tokens)
        process.kill()
    return answer


def called(completions: Path, tokens: int) -> Answer:
    """Ask the profile; with -v it says when the request goes out."""
    options = ["--seed", "1", "-t", "0", "-x", "cache_prompt:=false", "-x", "ignore_eos:=true", "-M", str(tokens)]
    command = [str(completions), "stream", "-p", "local", _PROMPT, "-v", "-N", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        next(line for line in process.stderr or () if b"POST" in line)
        engine = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        return watched(process, engine, Moment.of(engine), tokens)


class Moment(NamedTuple):
    """A time, and how long the threads of a process had been on a processor by then, in seconds."""

    wall: float
    cpu: float

    @classmethod
    def of(cls, pid: int) -> "Moment":
        """Read both now."""
        spent = 0
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # it has ended
                spent += int(path.read_text().split()[0])
        return cls(time.perf_counter(), spent / 1e9)


def watched(reader: subprocess.Popen[bytes], engine: int, asked: Moment, tokens: int) -> Answer:
    """Read an answer to its end; the profile's engine ends with it, so its last moment is that of the last text."""
    moments = []
    while reader.stdout and os.read(reader.stdout.fileno(), 65536):
        moments.append(Moment.of(engine))
    first, last = moments[0], max(moments, key=lambda moment: moment.cpu)
    return Answer(
        first_cpu=(first.cpu - asked.cpu) * 1000,
        token_cpu=(last.cpu - first.cpu) * 1000 / (tokens - 1),
        first=(first.wall - asked.wall) * 1000,
        token=(last.wall - first.wall) * 1000 / (tokens - 1),
    )


if __name__ == "__main__":
    main()
