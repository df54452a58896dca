"""How many requests the emulator answers, against a bare app on the same server.

One client process keeps `--connections` connections busy, each asking again as soon as it is answered. The floor is
a Starlette route on uvicorn that reads the JSON and gives a fixed document back. Then as many streams as connections
are opened at once and paced, to see that all are served side by side.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BARE = """
import json, socket, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

DOCUMENT = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "length", "text": " word" * 64}],
            "usage": {"prompt_tokens": 6, "completion_tokens": 64, "total_tokens": 70}}

async def complete(request):
    await request.json()
    return JSONResponse(DOCUMENT)

listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
app = Starlette(routes=[Route("/completions", complete, methods=["POST"])])
config = uvicorn.Config(app, http="h11", log_level="error", access_log=False)
uvicorn.Server(config).run(sockets=[listener])
"""
_EMULATOR = [sys.executable, "-m", "completions_cli", "emulator"]
_BODY = json.dumps({"prompt": "This is a very good text", "max_tokens": 64, "seed": 42}).encode()
_STREAM = json.dumps({"prompt": "This is a very good text", "max_tokens": 20, "seed": 42, "stream": True}).encode()


@dataclass(frozen=True)
class Load:
    """What a run gave: requests a second, and the middle and the slowest hundredth of the latencies in ms."""

    rate: float
    median: float
    slowest: float


@contextlib.contextmanager
def serving(command: Sequence[str]) -> Iterator[int]:
    """Run a server that prints its URL first; give its port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield int(line.strip().rpartition(":")[2])
        finally:
            process.terminate()


def _request(port: int, body: bytes) -> bytes:
    head = (
        f"POST /completions?api-version=2024-04-01-preview HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _busy(port: int, until: float, latencies: list[float]) -> None:
    """Ask again and again on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = _request(port, _BODY)
    while (began := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(head.decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        latencies.append(time.perf_counter() - began)
    writer.close()


async def _load(port: int, connections: int, seconds: float) -> Load:
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_busy(port, until, latencies) for _ in range(connections)))
    ordered = sorted(latencies)
    return Load(len(ordered) / seconds, 1000 * statistics.median(ordered), 1000 * ordered[int(len(ordered) * 0.99)])


async def _streamed(port: int) -> float:
    """Read one stream to its end; give its seconds."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(port, _STREAM))
    await reader.readuntil(b"data: [DONE]")
    writer.close()
    return time.perf_counter() - began


async def _streams(port: int, count: int) -> list[float]:
    return await asyncio.gather(*(_streamed(port) for _ in range(count)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=2000)
    options = parser.parse_args()
    rates: dict[str, list[Load]] = {"bare app (floor)": [], "emulator": []}
    with serving([sys.executable, "-c", _BARE]) as bare, serving(_EMULATOR) as emulator:
        for _ in range(options.rounds):
            for name, port in (("bare app (floor)", bare), ("emulator", emulator)):
                rates[name].append(asyncio.run(_load(port, options.connections, options.seconds)))
    floor = statistics.median(load.rate for load in rates["bare app (floor)"])
    print("| server | requests/s | median ms | p99 ms | ratio |\n|---|---:|---:|---:|---:|")
    for name, loads in rates.items():
        middle = sorted(loads, key=lambda load: load.rate)[len(loads) // 2]
        print(
            f"| {name} | {middle.rate:.0f} | {middle.median:.1f} | {middle.slowest:.1f} | {middle.rate / floor:.2f} |"
        )
    with serving([*_EMULATOR, "--tokens-per-second", "5"]) as emulator:
        seconds = sorted(asyncio.run(_streams(emulator, options.streams)))
    print(
        f"\n{options.streams} streams at once of 20 tokens at 5 tokens/s, 4 s at best: "
        f"median {statistics.median(seconds):.1f} s, slowest {seconds[-1]:.1f} s"
    )


if __name__ == "__main__":
    main()
