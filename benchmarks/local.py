"""The profile `local` against llama.cpp's own server on the same file: time to a first token, and tokens a second.

llama.cpp's server is started as its package starts it, with the same number of threads, and asked by curl.
The profile is timed by the client itself (`-u`): both times start with the request, the model loaded.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

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


def main() -> None:
    """Ask both in turn and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    own = measure.ours("local")
    subprocess.run([str(own / "completions"), "local", "pull"], check=True, stdout=sys.stderr)
    status = subprocess.run([str(own / "completions"), "local", "status", "--json"], check=True, stdout=subprocess.PIPE)
    model = json.loads(status.stdout)["path"]
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    rows: dict[str, list[tuple[float, float]]] = {"llama.cpp's server": [], "completions -p local": []}
    server = [str(own / "python"), "-c", _SERVER, model, str(threads)]
    for _ in range(options.rounds):
        rows["llama.cpp's server"].append(served(server, options.tokens))
        rows["completions -p local"].append(called(own / "completions", options.tokens))
    print(f"| {Path(model).stem}, {threads} thread(s) | first token ms | tokens/s | its ratio | its ratio |")
    print("|---|---:|---:|---:|---:|")
    base = rows["llama.cpp's server"]
    for name, found in rows.items():
        first, rate = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = [(one[0] / two[0], one[1] / two[1]) for one, two in zip(found, base, strict=True)]
        slower, faster = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(f"| {name} | {first * 1000:.0f} | {rate:.1f} | {slower:.2f} | {faster:.2f} |")


def served(server: list[str], tokens: int) -> tuple[float, float]:
    """Ask llama.cpp's server by curl; give the seconds to the first token, and tokens a second after it."""
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        address = process.stdout.readline().decode().strip() if process.stdout else ""
        body = json.dumps({**_BODY, "max_tokens": tokens})
        curl = ["curl", "--silent", "--no-buffer", "--json", body, f"{address}/v1/completions"]
        began = time.perf_counter()
        with subprocess.Popen(curl, stdout=subprocess.PIPE) as asking:
            times = [time.perf_counter() - began for line in asking.stdout or () if b'"text"' in line]
        process.kill()
    return times[0], (tokens - 1) / (times[tokens - 1] - times[0])


def called(completions: Path, tokens: int) -> tuple[float, float]:
    """Ask the profile; give the same."""
    options = ["--seed", "1", "-t", "0", "-x", "cache_prompt:=false", "-x", "ignore_eos:=true", "-M", str(tokens)]
    command = [str(completions), "stream", "-p", "local", _PROMPT, "-u", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    first, latency = (
        float(found[1])
        for name in ("first_token", "latency")
        if (found := re.search(rf"\b{name}\w*=([\d.]+)", done.stderr))
    )
    return first, (tokens - 1) / (latency - first)


if __name__ == "__main__":
    main()
