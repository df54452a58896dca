"""The desks that suit where OUTPUT is: folders on a file system, objects in a store."""

from completions_cli.batch.cluster.desk import Desk, Desks, Salvage
from completions_cli.batch.cluster.desks_in_folders import LocalDesk, LocalDesks
from completions_cli.batch.cluster.desks_in_stores import RemoteDesk, RemoteDesks
from completions_cli.batch.cluster.storage import RemoteFolder, is_remote, local_path


def desk(place: str, epoch: str, worker: str) -> Desk:
    """Sit down at the desk that a worker was given."""
    if is_remote(place):
        return RemoteDesk(RemoteFolder(place), epoch, worker)
    return LocalDesk(local_path(place), epoch, worker)


def desks(place: str, epoch: str, salvage: Salvage) -> Desks:
    """Return the desks of a run; `salvage` is called with what workers that are dismissed have left."""
    if is_remote(place):
        return RemoteDesks(RemoteFolder(place), epoch)
    return LocalDesks(local_path(place), epoch, salvage)
