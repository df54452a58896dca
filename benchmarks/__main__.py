"""The entrance to the benchmarks: `python benchmarks NAME [OPTIONS]`, or `python benchmarks all`."""

import os
import subprocess
import sys
from pathlib import Path

import measure

BENCHMARKS = {
    "start": "what one short call costs, against httpx, httpie, the openai package and curl",
    "stream": "what each chunk of a stream costs, in a pipe and on a terminal, against a bare loop and openai",
    "latency": "from a chunk on the socket to its text on stdout, against curl --no-buffer",
    "instructions": "the instructions of a chunk of a stream as valgrind counts them, whatever else runs",
    "stream_stages": "where the CPU of a stream goes, beside a bare loop",
    "stream_growth": "cost and memory of a stream of 10,000 to 1,000,000 chunks",
    "batch": "rows a second, against a bare loop over the HTTP library and AsyncOpenAI",
    "batch_growth": "cost and memory of a batch of 1,000 to 1,000,000 rows, fresh and resumed",
    "batch_in_flight": "cost of a row with 1 to 512 requests in flight",
    "batch_stages": "where the CPU of a batch goes",
    "batch_scores": "a batch of pairs that are scored, against one of plain rows",
    "batch_shards": "what a second process does for a batch",
    "pools": "batches with several endpoints: the sum of two limits, a member that dies, and a pool of one",
    "pacing": "how much of 783 limits a batch uses, played in simulated time",
    "pacing_live": "a cell of each kind over real sockets, beside the simulation of it",
    "pacing_changes": "limits that are told, or change, over real sockets",
    "local": "the profile local against llama.cpp's server on the same file",
    "emulator": "requests a second of the emulator, against a bare app on the same server",
}
# These run within an environment of the product, with these extras.
INSIDE = {
    "stream_stages": (),
    "pools": ("emulator",),
    "pacing": ("emulator",),
    "pacing_live": ("emulator",),
    "pacing_changes": ("emulator",),
    "emulator": ("emulator",),
}


def main() -> None:
    """Run what is named, or list what there is."""
    name, options = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if name == "all":
        sys.exit(max(run(each, []) for each in BENCHMARKS))
    if name in BENCHMARKS:
        sys.exit(run(name, options))
    print(__doc__)
    for each, meaning in BENCHMARKS.items():
        print(f"  {each:16} {meaning}")
    sys.exit(0 if name in ("", "-h", "--help") else f"no benchmark is called {name}")


def run(name: str, options: list[str]) -> int:
    """Run one benchmark in a process of its own; give its exit code."""
    python = str(measure.ours(*INSIDE[name]) / "python") if name in INSIDE else sys.executable
    heading = sys.stderr if "--json" in options else sys.stdout  # what is read by a program is JSON alone
    print(f"## {name}: {BENCHMARKS[name]}\n\n{measure.machine()}", file=heading, flush=True)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    script = str(Path(__file__).with_name(f"{name}.py"))
    return subprocess.run([python, script, *options], env=env, check=False).returncode


if __name__ == "__main__":
    main()
