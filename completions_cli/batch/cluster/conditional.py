"""Writes to an object store that fail if somebody else has written in between.

S3 and Azure compare the ETag themselves, and all stores can refuse to overwrite. Where a store cannot compare, the
version is checked just before the write, which leaves a short gap between the two.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_CONFLICTS = ("PreconditionFailed", "ConditionNotMet", "ConditionalRequestConflict", "BlobAlreadyExists", "412", "409")


class ConflictError(Exception):
    """The object has changed."""


def version(files: "AbstractFileSystem", path: str) -> str:
    """Return the version of an object. Raises FileNotFoundError if there is none."""
    found = files.info(path)
    tag = found.get("ETag") or found.get("etag") or found.get("generation")
    return str(tag) if tag else str([str(found.get(key)) for key in ("size", "mtime", "created", "LastModified")])


def put(files: "AbstractFileSystem", path: str, content: bytes, expected: str | None) -> None:
    """Write an object over the `expected` version, None where there must be none. Raises ConflictError."""
    condition = _condition(files, expected)
    if condition is None:
        condition = {}
        if _current(files, path) != expected:
            raise ConflictError
    try:
        files.pipe_file(path, content, **condition)
    except Exception as error:
        if _is_conflict(files, path, expected, error):
            raise ConflictError from None
        raise


def _condition(files: "AbstractFileSystem", expected: str | None) -> dict[str, Any] | None:
    """Return the arguments with which a driver has its store compare versions; None if it cannot."""
    if expected is None:
        return {"mode": "create"}
    protocols = [files.protocol] if isinstance(files.protocol, str) else files.protocol
    if "s3" in protocols:
        return {"IfMatch": expected, "chunksize": 2**32}  # in one piece: only such a write can be conditional
    if "abfs" in protocols:
        from azure.core import MatchConditions

        return {"etag": expected, "match_condition": MatchConditions.IfNotModified}
    return None


def _current(files: "AbstractFileSystem", path: str) -> str | None:
    files.invalidate_cache()
    try:
        return version(files, path)
    except FileNotFoundError:
        return None


def _is_conflict(files: "AbstractFileSystem", path: str, expected: str | None, error: Exception) -> bool:
    """Return whether a store refused a write because of its condition, which each driver reports in its own way."""
    words = f"{type(error).__name__} {error} {getattr(error, 'error_code', '')} {error.__cause__}"
    is_said = isinstance(error, FileExistsError) or any(word in words for word in _CONFLICTS)
    return is_said or (isinstance(error, FileNotFoundError) and _current(files, path) != expected)
