"""Where the CPU of a stream goes, beside a bare loop's: the same bytes through each stage alone, best of many runs.

HTTP is left out, which costs either the same.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable

from service import stream

from completions_cli.api import wire
from completions_cli.api.reader import ResponseReader
from completions_cli.api.sse import EventDecoder
from completions_cli.render import formats
from completions_cli.render.answer import AnswerOptions
from completions_cli.streams import Output

_CHUNKS = 5000
_READ = 65536
_NULL = os.open(os.devnull, os.O_WRONLY)


def main() -> None:
    """Measure each stage in turn, round by round, and print the least that each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = range(parser.parse_args().rounds)
    body = stream(_CHUNKS).partition(b"\r\n\r\n")[2]
    reads = [body[at : at + _READ] for at in range(0, len(body), _READ)]
    stages = {**ours(reads), **bare(reads)}
    costs = {
        name: min(times) for name, *times in zip(stages, *(map(cost, stages.values()) for _ in rounds), strict=True)
    }
    costs["chunks out of JSON, checked"] -= costs["events"] + costs["JSON"]
    print("| | CPU µs a chunk |\n|---|---:|")
    for name, each in costs.items():
        print(f"| {name} | {each:.2f} |")


def cost(stage: Callable[[], object]) -> float:
    """Run a stage once; give its CPU in microseconds a chunk."""
    began = time.process_time()
    stage()
    return (time.process_time() - began) / _CHUNKS * 1e6


def ours(reads: list[bytes]) -> dict[str, Callable[[], object]]:
    """List the stages of the product."""
    texts = [data.decode() for data in _events(reads)]
    chunks = [chunk for reader in [ResponseReader()] for read in reads for chunk in reader.feed(read)]

    def show() -> None:
        renderer = formats.renderer(AnswerOptions(streaming=True), Output(_NULL, "null"))
        for chunk in chunks:
            renderer.chunk(chunk)

    return {
        "events": lambda: _fed(EventDecoder(), reads),
        "JSON": lambda: [None for text in texts if not wire.loads(text)],
        "chunks out of JSON, checked": lambda: _fed(ResponseReader(), reads),
        "text, written": show,
    }


def bare(reads: list[bytes]) -> dict[str, Callable[[], object]]:
    """List those of the bare loop."""
    events = _events(reads)
    out = os.fdopen(os.dup(_NULL), "w")

    def split() -> None:
        rest = b""
        for read in reads:
            *_, rest = (rest + read).split(b"\n\n")

    def show() -> None:
        for _ in range(_CHUNKS):
            out.write(" word")
            out.flush()

    return {
        "bare loop: split": split,
        "bare loop: json.loads": lambda: [None for event in events if not json.loads(event)],
        "bare loop: write and flush": show,
    }


def _fed(decoder: EventDecoder | ResponseReader, reads: list[bytes]) -> None:
    for read in reads:
        each: Iterable[object] = decoder.feed(read)
        for _ in each:
            pass


def _events(reads: list[bytes]) -> list[bytes]:
    decoder = EventDecoder()
    return [data for read in reads for _, data in decoder.feed(read) if data != b"[DONE]"]


if __name__ == "__main__":
    main()
