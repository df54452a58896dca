"""Runs an emulator on a socket until a signal ends it."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from completions_cli import descriptors
from completions_cli.emulator.answering import Answering
from completions_cli.emulator.app import build_app
from completions_cli.emulator.behaviours.table import behaviour_of
from completions_cli.emulator.channel import TRANSPORT
from completions_cli.emulator.config import BehaviourName, EmulatorConfig
from completions_cli.emulator.engines import Engine
from completions_cli.emulator.faults.plan import FaultPlan
from completions_cli.emulator.log import open_log
from completions_cli.emulator.service import Service
from completions_cli.errors import NetworkError

_BACKLOG = 4096
_SIGNALLED = 128  # and the signal's number: the exit code
_OPEN_FILES = 65536
# Where a client on this machine finds what listens everywhere.
_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a name to translate, not to bind
# Thousands of exchanges take longer to end in order than the two seconds within which all is over.
_PATIENCE = 1.5
# The managed servers close an idle connection after 5 s; gateways keep it longer.
_KEEP_ALIVE = {BehaviourName.MANAGED: 5}
_KEEP_ALIVE_ELSEWHERE = 75


def serve(
    config: EmulatorConfig,
    engine: Engine,
    announce: Callable[[str], None],
    show: Callable[[str], None] | None = None,
) -> None:
    """Listen, announce the URL, and answer until SIGINT, SIGTERM or SIGHUP; `show` is told of each request, in a line.

    Open streams are cut within a second. Raises UsageError for faults that do not exist and where too few files may be
    open, NetworkError when the address cannot be used, OutputError when the log cannot be written; the signal is
    raised again once all is closed.
    """
    descriptors.require_files()
    descriptors.allow_files(_OPEN_FILES)  # many shells give 1024
    plan = FaultPlan(config.faults, config.seed)
    with open_log(config.log, show, config.key) as log, _listen(config.host, config.port) as listener:
        behaviour = behaviour_of(config, engine.model)
        answering = Answering(config, behaviour, engine, plan)
        service = Service(config.behaviour, behaviour, answering, log, watches=not engine.is_instant)
        app = build_app(service, behaviour)
        server = _Server(_uvicorn_config(config, app), lambda: announce(_url(listener)), service.stop, log.leave)
        log.when_failed = server.request_exit
        server.run(sockets=[listener])
        if log.failure:
            raise log.failure


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else starts: a port in use is told at once."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family)
        try:
            if os.name == "posix":  # elsewhere it would let two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message, hint = f"port {port} on {host} is in use", "Choose another --port, or 0 for any free one."
        else:
            message = f"cannot listen on {host} port {port}: {error.strerror}"
            hint = "Choose an address of this machine for --host, and a --port that you may use."
        raise NetworkError(message, hint=hint) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = _REACHED_AS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _uvicorn_config(config: EmulatorConfig, app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE.get(config.behaviour, _KEEP_ALIVE_ELSEWHERE),
        timeout_graceful_shutdown=1,
    )


class _Server(uvicorn.Server):
    """Announces itself once it answers; ends open exchanges when it is told to stop, instead of waiting for them."""

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        stop: Callable[[], None],
        leave: Callable[[int], None],
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._stop = stop
        self._leave = leave

    def request_exit(self) -> None:
        """End as a signal would end it."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a thread sees to it that the end is not far, however busy this one is."""
        super().handle_exit(sig, frame)
        last = threading.Timer(_PATIENCE, self._leave, [_SIGNALLED + sig])
        last.daemon = True
        with contextlib.suppress(RuntimeError):  # the system refuses another thread
            last.start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Treat SIGHUP as uvicorn treats SIGTERM, unless nohup wants it ignored."""
        with super().capture_signals():  # which raises them again at its end, for the handlers of before
            number = getattr(signal, "SIGHUP", None)
            before = None if number is None else signal.getsignal(number)
            if number is None or before is signal.SIG_IGN:
                yield
                return
            signal.signal(number, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(number, before)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so: a signal that follows at once finds uvicorn's handlers in place."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut what is open, then close down as uvicorn does, which need not tell whom it did not wait for."""
        self._stop()
        for connection in self.server_state.connections:
            if connection.transport.get_write_buffer_size():  # an answer that its client does not read
                connection.transport.abort()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Uvicorn's HTTP protocol, showing each exchange its socket: faults need it."""

    app: ASGIApp

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Put the connection's transport into the scope of its requests."""
        super().connection_made(transport)
        self.app = _showing(self.app, transport)


def _showing(app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT] = transport
        await app(scope, receive, send)

    return shown
