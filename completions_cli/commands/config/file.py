"""The profile file that a `config` command works on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from completions_cli.commands import resolution
from completions_cli.commands.common_options import CommonOptions
from completions_cli.errors import ConfigError
from completions_cli.settings import profile_edit
from completions_cli.settings.profile_check import BUILT_IN, nearest
from completions_cli.settings.profile_edit import Edit
from completions_cli.settings.profile_file import NoHomeError, ProfileFile, config_folder
from completions_cli.streams import Streams


@contextmanager
def edited(common: CommonOptions, streams: Streams) -> Iterator[Edit]:
    """Open the file for changes; it is made where there is none."""
    path = resolution.profile_path(common, streams)
    with profile_edit.edit(path, lock_folder(path, streams)) as edit:
        yield edit


def lock_folder(path: Path, streams: Streams) -> Path:
    """Name the folder for locks: our own, where nobody else can put a link in their place, if there is one."""
    try:
        return config_folder(streams.environ)
    except NoHomeError:
        return path.parent


def chosen(common: CommonOptions, streams: Streams, file: ProfileFile) -> str | None:
    """Name the profile that -p, COMPLETIONS_PROFILE or the file chooses."""
    return common.profile or streams.environ.get("COMPLETIONS_PROFILE") or file.chosen[0]


def must_have(file: ProfileFile, name: str) -> None:
    """Raise ConfigError when the file has no such profile, and none is built in."""
    if name not in file.profiles and name != BUILT_IN:
        raise ConfigError(
            f"there is no profile {name!r} in {file.path}", hint=nearest(name, [*file.profiles, BUILT_IN])
        )
