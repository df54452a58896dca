"""The variables that Ray reads when it is imported, and the address of its cluster."""

import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

from completions_cli.errors import ConfigError, NetworkError, UsageError
from completions_cli.installation import install
from completions_cli.streams import secret_variables

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no reports to its makers
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its core writes warnings past Python to stderr
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of a change to come
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
# Seconds after the loss of its head in which Ray ends this process, 60 by default: it ends before, and says why.
_PATIENCE = ("RAY_gcs_rpc_server_reconnect_timeout_s", "90")
_CONNECT_SECONDS = 10.0
_CONNECT_TRIES = "8"  # of Ray, a second or two each, once something like it is known to listen
_SETTINGS = b"\x04"
_FRAME_HEADER = 9  # bytes
_HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + b"\0" * 5
# Workers have their keys from the coordinator; they need not inherit them, nor these.
_ALSO_SECRET = ("COMPLETIONS_API_KEY_FILE", "AZURE_CLIENT_SECRET")
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # what `ray job submit` has been told
# What opens object stores, by the beginnings of names of variables.
_S3 = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
_AZURE = ("AZURE_STORAGE_", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
# Who has one of these opens stores in a way of its own.
_OWN = (
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_CLIENT_SECRET",
)
_STORES = {"s3": _S3, "s3a": _S3, "abfs": _AZURE, "abfss": _AZURE, "az": _AZURE}


def require() -> None:
    """Raise ConfigError, which names the extra, if Ray is not installed."""
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise ConfigError("--engine ray needs Ray, which is not installed", hint=f"Run: {install('ray')}")


def address(asked: str | None) -> str | None:
    """Return the address of the cluster to join; None to start one on this machine."""
    if asked is not None and not asked.strip():
        raise UsageError("--address is empty", hint="HOST:PORT of the head node, or auto.")
    found = asked or os.environ.get("RAY_ADDRESS") or None
    if found is not None and found.startswith("ray://"):
        raise UsageError(
            "Ray Client (ray://) cannot drive a batch",
            hint="Run the command on a machine of the cluster: ray job submit -- completions batch …",
        )
    if found is not None and found.startswith(("http://", "https://")):
        raise UsageError(
            f"{found} is the address of a dashboard",
            hint=f"Run it there: ray job submit --address {found} -- completions …",
        )
    return found


def reach(address: str | None) -> None:
    """Raise NetworkError if no Ray listens at an address: Ray itself would try for minutes, in silence."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS) as connection:
            is_ray = os.environ.get("RAY_USE_TLS", "0") != "0" or _speaks_http_2(connection)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _no_cluster(f"{address}: {reason}") from None
    if not is_ray:
        raise _no_cluster(f"{address}: what listens there is not Ray")


def _speaks_http_2(connection: socket.socket) -> bool:
    """Return whether the other side answers the preface of HTTP/2, as the head of a cluster does, with its settings."""
    connection.sendall(_HTTP_2)
    with connection.makefile("rb") as answer:
        return answer.read(_FRAME_HEADER)[3:4] == _SETTINGS


def _no_cluster(words: str) -> NetworkError:
    return NetworkError(
        f"no Ray cluster at {words}", hint="--address HOST:PORT of the head node, or auto on a machine of the cluster."
    )


def access(places: Iterable[str]) -> dict[str, str]:
    """Return the variables of this process that open the object stores of some places. They are secret."""
    names = tuple(name for place in places for name in _STORES.get(place.partition("://")[0], ()))
    return {name: value for name, value in os.environ.items() if names and name.startswith(names)}


def shown() -> list[str]:
    """Return the variables with keys that the job of this process was submitted with: Ray stores and shows them."""
    try:
        given = dict(json.loads(os.environ.get(_JOB, "{}"))["runtime_env"]["env_vars"])
        ours = secret_variables(given)
    except (ValueError, KeyError, TypeError):
        return []
    return [*ours, *(name for name in _OWN if name in given)]


def use(variables: Mapping[str, str]) -> None:
    """Have this worker open stores as the driver does, unless its machine has secrets of its own."""
    if not any(name in os.environ for name in _OWN):
        os.environ.update(variables)


@contextmanager
def environment(*, is_local: bool) -> Iterator[None]:
    """Keep Ray quiet, and keys out of the environment of a cluster that is started: all of its processes inherit it."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if not is_local:
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", _CONNECT_TRIES)
        os.environ.setdefault(*_PATIENCE)
        yield
        return
    os.environ.pop("RAY_ADDRESS", None)  # empty, or it would have been joined
    # Nobody else on this machine may call our coordinator.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    names = (*secret_variables(os.environ), *_ALSO_SECRET)
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
