"""What each chunk of a stream costs, against a bare loop and a peer: `python benchmarks/stream.py [--chunks N]`."""

import argparse

import measure
from measure import Contender
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
    own = measure.ours()
    openai = str(measure.environment("openai", "openai") / "python")
    costs = {}
    for chunks in (1, options.chunks):
        with serving(stream(chunks)) as url:
            base = f"{url}/v1"
            contenders = [
                Contender("bare loop (floor)", [str(own / "python"), "-c", _BARE.format(url=base + "/completions")]),
                Contender(
                    "completions stream",
                    [str(own / "completions"), "stream", "P", "--endpoint", base],
                    {"COMPLETIONS_API_KEY": "k" * 32},
                ),
                Contender("openai package", [openai, "-c", _OPENAI.format(base=base)]),
            ]
            costs[chunks] = measure.compare(contenders, options.rounds)
    floor = None
    print(f"| {options.chunks} chunks | CPU µs a chunk | ratio |\n|---|---:|---:|")
    for name, long in costs[options.chunks].items():
        each = (long.cpu - costs[1][name].cpu) / options.chunks * 1e6
        floor = floor or each
        print(f"| {name} | {each:.1f} | {each / floor:.2f} |")


if __name__ == "__main__":
    main()
