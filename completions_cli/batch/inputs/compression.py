"""Compressed input, known by its first bytes whatever its name."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal, cast

from completions_cli.errors import UsageError
from completions_cli.installation import install

Compression = Literal["gzip", "zstd"]

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
HEAD_BYTES = 4  # what `of` looks at


def of(head: bytes) -> Compression | None:
    """Return how content that begins with `head` is compressed. Zstandard may begin with a frame to be skipped."""
    if head[1:4] == b"\x2a\x4d\x18" and head[:1] and head[0] & 0xF0 == 0x50:  # noqa: PLR2004 - the format's own numbers
        return "zstd"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def opened(raw: BinaryIO, compression: Compression | None, name: str) -> BinaryIO:
    """Return a stream of what is in `raw`, all members and frames of it. Raises UsageError where a library lacks."""
    if compression is None:
        return raw
    if compression == "gzip":
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    return _zstd(raw, name)


@contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Turn whatever a damaged or unreadable file raises into a UsageError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(name, error) from error
    except OSError as error:
        if error.errno is None:  # a library's, about what it read
            raise _damaged(name, error) from error
        raise UsageError(f"{name} cannot be read: {error.strerror or error}", hint="Check the file.") from error
    except Exception as error:
        if type(error).__name__ != "ZstdError":
            raise
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> UsageError:
    if isinstance(error, EOFError):
        reason = "it ends too early"
    else:
        reason = f"it cannot be decompressed ({str(error).strip().rstrip('.') or type(error).__name__})"
    return UsageError(f"{name} is damaged: {reason}", hint="It may be incomplete. Download or write it again.")


def _zstd(raw: BinaryIO, name: str) -> BinaryIO:
    opener = _zstd_library()
    if opener is None:
        raise UsageError(
            f"{name} is compressed with Zstandard, which needs a library",
            hint=f"Run: {install('zstd')}; or pipe it in: zstdcat FILE | completions batch -",
        )
    return opener(raw)


def _zstd_library() -> Callable[[BinaryIO], BinaryIO] | None:
    """Find what reads Zstandard: Python's own from 3.14 on, its backport, or pyarrow where that is installed."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return lambda raw: cast("BinaryIO", zstd.ZstdFile(raw))
    try:
        from backports import zstd
    except ImportError:
        return _zstd_of_pyarrow()
    return lambda raw: cast("BinaryIO", zstd.ZstdFile(raw))


def _zstd_of_pyarrow() -> Callable[[BinaryIO], BinaryIO] | None:
    try:
        import pyarrow as pa
    except ImportError:
        return None
    return lambda raw: cast("BinaryIO", io.BufferedReader(pa.CompressedInputStream(_Lent(raw), "zstd")))


class _Lent(io.RawIOBase):
    """A stream that stays open when its borrower is closed."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        return self._raw.read(size)
