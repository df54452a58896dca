"""The process that llama.cpp runs in; a script, started by `engine` and never imported by it.

One line of JSON comes in on descriptor 0 (`{"model": path, "alias": name, "key": key, "sequences": number}`),
one goes out on descriptor 1 (`{"address": url}` or `{"error": text}`), and the process lives until
descriptor 0 ends: it cannot outlive its parent, however that ends.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

# The context SmolLM2 was trained with: 190 MB of memory. llama.cpp lowers it for a model trained with less.
_CONTEXT_TOKENS = 8192
_CONTEXT_TOKENS_OF_SEVERAL = 4096
# Fitting a model into a GPU's memory costs 0.15 s at every start; a smaller one fits anyway.
_FIT_ABOVE_BYTES = 1 << 30


def main() -> NoReturn:
    """Serve until the parent closes descriptor 0."""
    # Ctrl-C reaches the whole process group; a drain after it still needs the engine.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = os.dup(1)
    # Whatever llama.cpp prints belongs in the log, not in the answer.
    os.dup2(2, 1)
    order = json.loads(_read_line())
    try:
        server = _start(Path(order["model"]), order["alias"], order["key"], order["sequences"])
        reply = {"address": server.listening_address}
    except (RuntimeError, ImportError) as error:
        reply = {"error": str(error)}
    os.write(answer, json.dumps(reply).encode() + b"\n")
    while os.read(0, 1 << 12):
        pass
    # The server's destructor waits for ever while a connection is open; nothing here needs it.
    os._exit(0)


def _read_line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (part := os.read(0, 1 << 16)):
        line += part
    return line


def _start(model: Path, alias: str, key: str, sequences: int) -> Any:  # noqa: ANN401 - a class of an untyped extension
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    # The name that responses carry; the default is the path on this machine.
    params.model_alias = {alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    # Several sequences share the context evenly, and change each other's text: a client's own engine has one.
    params.n_ctx = _CONTEXT_TOKENS if sequences == 1 else _CONTEXT_TOKENS_OF_SEVERAL * sequences
    params.n_parallel = sequences
    # A prompt found in the cache is computed in other batches, and the same seed then gives another text.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    params.fit_params = model.stat().st_size > _FIT_ABOVE_BYTES
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    # Errors only: what they say is the reason given when a model does not load.
    params.verbosity = 1
    return xllamacpp.Server(params)


def _threads() -> int:
    """Count the threads to compute with: half the processors.

    llama.cpp's threads wait for each other by spinning. Where another process takes one of their processors
    they slow down fifty-fold, and the client reading the answer is such a process.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // 2)


if __name__ == "__main__":
    main()
