"""What each chunk of a stream costs, in a pipe and on a terminal, against a bare loop and a peer."""

import argparse
import statistics

import measure
from measure import Contender, Cost
from service import serving, stream

# The least that a reader in Python does: bytes, split at blank lines, JSON, write, flush.
_BARE = """
import httpx, json, sys
rest = b""
with httpx.stream("POST", "{url}", json={{"prompt": "P"}}) as response:
    for received in response.iter_raw():
        *events, rest = (rest + received).split(b"\\n\\n")
        for event in events:
            if event != b"data: [DONE]":
                sys.stdout.write(json.loads(event[6:])["choices"][0]["text"])
                sys.stdout.flush()
"""
_OPENAI = """
import openai, sys
client = openai.OpenAI(base_url="{base}", api_key="k")
for chunk in client.completions.create(model="m", prompt="P", stream=True):
    sys.stdout.write(chunk.choices[0].text)
    sys.stdout.flush()
"""


def main() -> None:
    """Measure a long stream and a short one: the difference is what the chunks cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=50_000)
    options = parser.parse_args()
    sizes = (options.chunks, options.chunks // 10)
    with serving(stream(1)) as one, serving(stream(sizes[0])) as many, serving(stream(sizes[1])) as fewer:
        short = measure.compare(contenders(one, one), options.rounds)
        long = measure.compare(contenders(many, fewer), options.rounds)
    each = {name: chunk_costs(found, short[name], sizes[name == "openai package"]) for name, found in long.items()}
    print(f"| {options.chunks} chunks | CPU µs a chunk | wall µs a chunk | peak MB | CPU, bare loop = 1 |")
    print("|---|---:|---:|---:|---:|")
    for name, found in each.items():
        cpu, wall = (statistics.median(getattr(cost, kind) for cost in found) * 1e6 for kind in ("cpu", "wall"))
        ratio = measure.ratio(found, each["bare loop"])
        print(f"| {name} | {cpu:.1f} | {wall:.1f} | {long[name][0].peak:.0f} | {ratio:.2f} |")


def chunk_costs(long: list[Cost], short: list[Cost], chunks: int) -> list[Cost]:
    """Take the start of the process off each round, and divide."""
    cpu, wall = (statistics.median(getattr(cost, kind) for cost in short) for kind in ("cpu", "wall"))
    return [Cost((cost.cpu - cpu) / chunks, (cost.wall - wall) / chunks) for cost in long]


def contenders(url: str, url_of_slow: str) -> list[Contender]:
    """List the readers; the slowest, which is linear too, reads a shorter stream."""
    own = measure.ours()
    openai = str(measure.environment("openai", "openai") / "python")
    ours = [str(own / "completions"), "stream", "P", "--endpoint", f"{url}/v1"]
    bare = [str(own / "python"), "-c", _BARE.format(url=f"{url}/v1/completions")]
    return [
        Contender("bare loop", bare),
        Contender("bare loop, terminal", bare, terminal=True),
        Contender("completions stream", ours, measure.KEY),
        Contender("completions stream, terminal", ours, measure.KEY, terminal=True),
        Contender("openai package", [openai, "-c", _OPENAI.format(base=f"{url_of_slow}/v1")]),
    ]


if __name__ == "__main__":
    main()
