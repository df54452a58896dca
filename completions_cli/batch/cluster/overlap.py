"""INPUT and OUTPUT must not contain each other: parts would be read as rows, or rows overwritten."""

import os
import re

from completions_cli.batch.cluster.inputs import InputFile
from completions_cli.batch.cluster.storage import filesystem
from completions_cli.errors import UsageError


def check(place: str, found: list[InputFile], output: str) -> None:
    """Compare INPUT, and the files found there, with OUTPUT. Raises UsageError if they overlap."""
    files, path = filesystem(place)
    root = _url(output)
    inside = root + "/part-000000000000.jsonl"
    if any(_is_in(_url(file.url), root) for file in found):
        raise _refused(place, output, "lies in OUTPUT")
    if any(sign in path for sign in "*?["):
        from fsspec.utils import glob_translate

        pattern = _url(str(files.unstrip_protocol(path)))
        if re.fullmatch(glob_translate(pattern), inside):
            raise _refused(place, output, "would match the parts in OUTPUT")
    elif files.isdir(path) and _is_in(inside, _url(str(files.unstrip_protocol(path)))):
        raise _refused(place, output, "is or holds OUTPUT")


def _url(place: str) -> str:
    """Return a path or URL in a form that can be compared."""
    files, path = filesystem(place)
    url = str(files.unstrip_protocol(path))
    if url.startswith("file://"):
        return "file://" + os.path.normcase(os.path.realpath(url.removeprefix("file://")))  # links are followed
    return url.rstrip("/")


def _is_in(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder + "/")


def _refused(place: str, output: str, words: str) -> UsageError:
    return UsageError(f"INPUT {words}: {place}, {output}", hint="Choose an OUTPUT apart from INPUT.")
