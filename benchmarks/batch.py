"""Compares `completions batch` with a bare loop over its HTTP library and with AsyncOpenAI, all 64 in flight.

nginx answers every request with the same completion: what is measured is the client. A row of `batch` is read from a
file, encoded, sent, decoded, written to the journal and counted; the loops do nothing but send. It needs nginx.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
from service import nginx

IN_FLIGHT = 64
ROWS = {"batch": 30_000, "pyreqwest": 30_000, "openai 3": 1_500, "openai 2": 600}

BARE = """
import asyncio, os, sys, time
from pyreqwest.client import ClientBuilder

async def main(url, rows, in_flight):
    client = ClientBuilder().no_proxy().build()
    left = iter(range(rows))
    headers = {"content-type": "application/json", "authorization": "Bearer test"}
    body = b'{"prompt":"This is a very good text","max_tokens":256}'
    async def worker():
        for _ in left:
            response = await client.post(url).headers(headers).body_bytes(body).build().send()
            await response.bytes()
    started = time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(in_flight)])
    print(time.perf_counter() - started)

asyncio.run(main(sys.argv[1] + "/completions", int(sys.argv[2]), int(sys.argv[3])))
sys.stdout.flush()
os._exit(0)
"""

OPENAI = """
import asyncio, sys, time
from openai import AsyncOpenAI

async def main(url, rows, in_flight):
    client = AsyncOpenAI(base_url=url, api_key="test")
    left = iter(range(rows))
    async def worker():
        for _ in left:
            await client.completions.create(model="m", prompt="This is a very good text", max_tokens=256)
    started = time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(in_flight)])
    print(time.perf_counter() - started)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


def timed(command: list[str], env: dict[str, str] | None = None) -> str:
    """Run a command and give what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    if done.returncode:
        sys.exit(f"{command[:3]} failed:\n{done.stderr}")
    return done.stdout


def batch(program: Path, endpoint: str, folder: Path) -> float:
    """Run a batch; give its seconds, start and end of the process left out as with the loops."""
    rows = folder / "rows.jsonl"
    if not rows.exists():
        lines = (
            json.dumps({"id": f"r{number}", "prompt": "This is a very good text"}) for number in range(ROWS["batch"])
        )
        rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = folder / "out.jsonl"
    for path in folder.glob("out.jsonl*"):
        path.unlink()
    command = [str(program), "batch", str(rows), "-o", str(out), "-j", str(IN_FLIGHT), "--summary", "-"]
    env = {"COMPLETIONS_ENDPOINT": endpoint, "COMPLETIONS_API_KEY": "test-key-0123", "COMPLETIONS_CONFIG": ""}
    totals = json.loads(timed(command, env))
    if totals["ok"] != ROWS["batch"]:
        sys.exit(f"the batch failed: {totals}")
    return float(totals["seconds"])


def main() -> None:
    """Run all in turn, several times, and print medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ours = measure.ours()
    contenders = {
        "pyreqwest": (ours, BARE),
        "openai 3": (measure.environment("openai", "openai>=3"), OPENAI),
        "openai 2": (measure.environment("openai2", "openai<3"), OPENAI),
    }
    rates: dict[str, list[float]] = {name: [] for name in ROWS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with nginx() as endpoint:
            for _ in range(rounds):
                for who, (bin_folder, script) in contenders.items():
                    python = str(bin_folder / "python")
                    seconds = timed([python, "-c", script, endpoint, str(ROWS[who]), str(IN_FLIGHT)])
                    rates[who].append(ROWS[who] / float(seconds))
                rates["batch"].append(ROWS["batch"] / batch(ours / "completions", endpoint, folder))
    print(f"| client, {IN_FLIGHT} in flight | requests/s, median | best | batch is |")
    print("|---|---:|---:|---:|")
    ratios = {who: statistics.median(b / r for b, r in zip(rates["batch"], rates[who], strict=True)) for who in rates}
    for who, found in rates.items():
        print(f"| {who} | {statistics.median(found):.0f} | {max(found):.0f} | {ratios[who]:.2f} x |")


if __name__ == "__main__":
    main()
