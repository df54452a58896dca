"""From a chunk on the socket to its text on stdout, beside `curl --no-buffer`."""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import measure

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
_MARK = b"<mark>"


def main() -> None:
    """Measure each contender in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    own = str(measure.ours() / "completions")
    rows: dict[str, list[float]] = {"curl --no-buffer": [], "completions stream": []}
    for _ in range(options.rounds):
        rows["curl --no-buffer"] += delays(["curl", "--silent", "--no-buffer", "-d", "{}", "{url}"], options.chunks)
        rows["completions stream"] += delays([own, "stream", "P", "--endpoint", "{url}"], options.chunks)
    floor = statistics.median(rows["curl --no-buffer"])
    print("| reader | median ms | 95 % ms | median above curl's, ms |\n|---|---:|---:|---:|")
    for name, found in rows.items():
        median = statistics.median(found)
        print(f"| {name} | {median:.3f} | {statistics.quantiles(found, n=20)[-1]:.3f} | {median - floor:.3f} |")


def delays(command: list[str], chunks: int) -> list[float]:
    """Send one chunk at a time, each when the one before was seen on stdout; give the delays in milliseconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        words = [word.replace("{url}", url) for word in command]
        env = {**measure.clean(), **measure.KEY}
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env) as process:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                found = _exchange(connection, process, chunks)
                connection.sendall(
                    b'data: {"choices":[{"index":0,"text":"","finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
                )
            process.communicate(timeout=30)
            if process.returncode != 0:
                sys.exit(f"{command[0]} failed")
    return found


def _exchange(connection: socket.socket, process: subprocess.Popen[bytes], chunks: int) -> list[float]:
    connection.recv(65536)
    connection.sendall(_HEAD)
    choice = {"index": 0, "text": _MARK.decode(), "finish_reason": None}
    event = b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
    found = []
    for _ in range(chunks):
        started = time.perf_counter()
        connection.sendall(event)
        _read_mark(process)
        found.append((time.perf_counter() - started) * 1000)
    return found


def _read_mark(process: subprocess.Popen[bytes]) -> None:
    seen = b""
    while _MARK not in seen:
        part = os.read(process.stdout.fileno(), 65536) if process.stdout else b""
        if not part:
            sys.exit("the reader ended early")
        seen += part


if __name__ == "__main__":
    main()
