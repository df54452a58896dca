"""llama.cpp's own server, run for the length of a block.

It runs in a process of its own. Inside this one its destructor waits for ever while a connection is open,
loading a model cannot be interrupted, and a model file it chokes on takes the whole command with it.
"""

import contextlib
import importlib.metadata
import importlib.util
import json
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from completions_cli.errors import ConfigError
from completions_cli.installation import install
from completions_cli.settings import environment

INSTALL = install("local")
_MAGIC = b"GGUF"
# llama.cpp's log: "0.00.024.229 E where: what".
_LOGGED_ERROR = re.compile(r"^[\d.]+ E +(?:\S+ +)?\w+: (?:error loading model: )?(.+)$", re.MULTILINE)
# What a program in C++ says of the exception that ended it.
_UNCAUGHT = re.compile(r"^ +what\(\): +(.+)$", re.MULTILINE)
_LACKS_MEMORY = re.compile(r"memory|bad_alloc|failed to allocate|temporarily unavailable|signal 9$", re.IGNORECASE)
_MEMORY_HINT = (
    "There is too little free memory, or a limit on it or on threads (ulimit -v and -u, a container's). "
    "The embedded model takes 350 MB."
)
_FILE_HINT = "Is it a complete GGUF file of a text model? To verify the embedded one: completions local status"
_LOG_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Engine:
    """A running model: an OpenAI-compatible server on loopback.

    `endpoint` is its base URL, ending in /v1; `key` must go with every request as a bearer token;
    `model` is the name that its responses carry.
    """

    endpoint: str
    key: str = field(repr=False)
    model: str


@contextlib.contextmanager
def running(model_path: Path, *, sequences: int = 1) -> Iterator[Engine]:
    """Load a GGUF model, serve it on a free loopback port for the length of the block, then end at once.

    `sequences` requests are computed together, in batches; what each is answered then depends on the others.
    Open connections and unfinished generations are cut off. Raises ConfigError when the extra is not
    installed, the file is missing or no GGUF, or llama.cpp cannot load it.
    """
    _check(model_path)
    key = secrets.token_urlsafe(32)
    with tempfile.TemporaryFile() as log, _child(log) as process:
        try:
            address = _load(process, model_path, key, sequences, log)
            yield Engine(f"{address}/v1", key, model_path.stem)
        finally:
            process.kill()


def version() -> str | None:
    """Return the version of the package that llama.cpp comes in; None when the extra is not installed."""
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return None


def require() -> None:
    """Raise ConfigError, naming the extra, when llama.cpp is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigError(
            "the embedded model needs the package xllamacpp (llama.cpp), which is not installed",
            hint=INSTALL,
        )


def _check(model_path: Path) -> None:
    require()
    if not model_path.is_file():
        raise ConfigError(f"there is no model file {model_path}", hint="Give --model-path a GGUF file.")
    try:
        with model_path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(
            f"the model {model_path} cannot be read: {error.strerror}", hint="Give --model-path a GGUF file."
        ) from error
    if start != _MAGIC:
        raise ConfigError(f"the model {model_path} is not a GGUF file", hint="Give --model-path a GGUF file.")


def _child(log: IO[bytes]) -> subprocess.Popen[bytes]:
    # By its path, and without the working folder in sys.path: only xllamacpp has to be importable there.
    script = Path(__file__).with_name("serve.py")
    return subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-P", str(script)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment.of_the_system(environment.current()),
    )


def _load(process: subprocess.Popen[bytes], model_path: Path, key: str, sequences: int, log: IO[bytes]) -> str:
    """Have the child load the model; give the address it listens on."""
    order = {"model": str(model_path.absolute()), "alias": model_path.stem, "key": key, "sequences": sequences}
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both are pipes")
    with contextlib.suppress(BrokenPipeError):  # it ended before it began; why is asked below
        process.stdin.write(json.dumps(order).encode() + b"\n")
    line = process.stdout.readline()
    reply = json.loads(line) if line else {"error": _end(process)}
    if "address" not in reply:
        log.seek(0)
        raise load_error(model_path, log.read(_LOG_TAIL_BYTES).decode("utf-8", "replace"), reply["error"])
    address: str = reply["address"]
    return address


def _end(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    return f"its process ended with {f'signal {-code}' if code < 0 else f'code {code}'}"


def load_error(model_path: Path, logged: str, otherwise: str) -> ConfigError:
    """Make the error for a model that did not load, of what llama.cpp logged, or else of how its process ended.

    The first error in the log is the most precise: those after it say where it was.
    """
    reasons = [*_LOGGED_ERROR.findall(logged), *_UNCAUGHT.findall(logged), otherwise]
    return ConfigError(
        f"llama.cpp cannot load the model {model_path}: {reasons[0].strip()}",
        hint=_MEMORY_HINT if any(map(_LACKS_MEMORY.search, reasons)) else _FILE_HINT,
    )
