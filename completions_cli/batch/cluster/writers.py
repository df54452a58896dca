"""Which writers a place of OUTPUT takes: those for folders, or those for object stores."""

from completions_cli.batch.cluster.fencing import Salvage, Writer, Writers
from completions_cli.batch.cluster.folder_writers import LocalWriter, LocalWriters
from completions_cli.batch.cluster.storage import RemoteFolder, is_remote, local_path
from completions_cli.batch.cluster.store_writers import RemoteWriter, RemoteWriters


def writer(place: str, epoch: str, worker: str) -> Writer:
    """Return the writer of a worker that was admitted."""
    if is_remote(place):
        return RemoteWriter(RemoteFolder(place), epoch, worker)
    return LocalWriter(local_path(place), epoch, worker)


def writers(place: str, epoch: str, salvage: Salvage) -> Writers:
    """Return the writers of a run; `salvage` adds what dismissed workers left to the parts."""
    if is_remote(place):
        return RemoteWriters(RemoteFolder(place), epoch)
    return LocalWriters(local_path(place), epoch, salvage)
