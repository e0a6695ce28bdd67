"""gunicorn round the app: one process, many threads, and nothing a slow or dead client can hold on to.

One worker, because one kill path needs one authority and plain metrics; more processes or hosts on one store are safe
too, each with its own ``andon serve``.  The service starts after the fork: threads do not survive one.
"""

import contextlib
import errno
import logging
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.config import KNOWN_SETTINGS
from gunicorn.errors import AppImportError
from gunicorn.workers.gthread import TConn, ThreadWorker

from webhook.settings import ConfigError, Settings
from webhook.telemetry import logs

if TYPE_CHECKING:
    from flask import Flask

    from webhook.bootstrap import Assembly

log = structlog.get_logger(__name__)

FIRST_BYTE_SECONDS = 10.0
"""A connection that says nothing is closed after so long."""
READ_SECONDS = 5.0
"""A request must have arrived in full after so long; then its connection is not read any more."""
GRACEFUL_SECONDS = 60
"""A stopping process finishes what it is doing for so long; stop grace periods must be longer."""


class Server(BaseApplication):  # type: ignore[misc]
    """Serves until it is told to stop; ``SIGHUP`` reads the configuration again and refuses a faulty one."""

    def __init__(self, read: Callable[[], Settings]) -> None:
        """*read* loads the settings; raises `ConfigError` at once when they are faulty."""
        self._read = read
        self.settings = read()
        self.assembly: Assembly | None = None
        self._running = False
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn; called by it."""
        listen = self.settings.listen
        chosen: dict[str, Any] = {
            "bind": f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}",
            "workers": 1,
            "worker_class": PatientWorker,
            "threads": listen.threads,
            "worker_connections": 512,
            "backlog": 2048,
            "preload_app": False,
            # A worker that is replaced starts its counters at 0, and there is no leak to hide.
            "max_requests": 0,
            "timeout": 60,
            "graceful_timeout": GRACEFUL_SECONDS,
            # Longer than Alertmanager and Prometheus pause between requests, so that they need no new connection.
            "keepalive": 75,
            "accesslog": None,
            "logger_class": Quiet,
            "post_fork": self._forked,
            "post_worker_init": self._started,
            "worker_exit": self._stopped,
            "when_ready": _listening,
            # A socket in $HOME that would accept commands; the container's file system is read-only anyway.
            "control_socket_disable": True,
        }
        if os.path.isdir("/dev/shm"):  # noqa: PTH112, S108 - the heartbeat file must not wait for a disk
            chosen["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
        known = {setting.name for setting in KNOWN_SETTINGS}
        for name, value in chosen.items():
            if name in known:
                self.cfg.set(name, value)

    def load(self) -> "Flask":
        """Build the service; called by gunicorn in the worker, after the fork."""
        # In the worker only: the adapters' libraries take 90 MB, which the parent would hold, too.
        from webhook.bootstrap import build  # noqa: PLC0415
        from webhook.web.app import create_app  # noqa: PLC0415

        settings = self._newest()
        try:
            self.assembly = build(settings)
        except ConfigError as error:
            if settings == self.settings:
                raise AppImportError(str(error)) from error
            settings = self._before(error)
            self.assembly = build(settings)
        made = self.assembly
        return create_app(made.service, made.resumes, made.queries, settings, made.telemetry)

    def _newest(self) -> Settings:
        try:
            return self._read()
        except ConfigError as error:
            return self._before(error)

    def _before(self, error: ConfigError) -> Settings:
        log.error("configuration.refused", then="the one before stays", faults=[str(fault) for fault in error.faults])
        return self.settings

    def _forked(self, _server: Any, _worker: Any) -> None:
        logs.configure(self.settings.logs.level, self.settings.logs.format)

    def _started(self, _worker: Any) -> None:
        if self.assembly is not None:
            self._running = True
            self.assembly.start()

    def _stopped(self, _server: Any, _worker: Any) -> None:
        if self.assembly is not None and self._running:
            self.assembly.close()
        logs.flush()


def _listening(server: Any) -> None:
    addresses = [f"{one.getsockname()[0]}:{one.getsockname()[1]}" for one in (lis.sock for lis in server.LISTENERS)]
    log.info("listening", addresses=addresses)


class Quiet(glogging.Logger):  # type: ignore[misc]
    """gunicorn's messages through our own logging: JSON, redacted, never blocking."""

    def setup(self, cfg: Any) -> None:
        """Keep no handler of its own; called by gunicorn."""
        self.cfg = cfg
        self.loglevel = logging.INFO
        self._access_log_enabled = False
        self.error_log.setLevel(logging.INFO)
        self.error_log.propagate = True
        self.access_log.setLevel(logging.CRITICAL)
        self.access_log.propagate = False


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, with no thread spent on a client that is not sending.

    As it comes, a new connection takes a thread at once and holds it for 5 s while nothing arrives, and a request that
    stalls half-way holds it for ever: as many of them as there are threads, and no alert gets in.  Here a connection
    waits in the poller until it can be read, and a request that takes too long is not read any more.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading: dict[TConn, float] = {}

    def accept(self, listener: socket.socket) -> None:
        """Take a connection; it waits in the poller for its first byte."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                log.warning("connection.not_accepted", error=str(error))
                time.sleep(0.05)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        connection = TConn(self.cfg, client, address, listener.getsockname())
        connection.timeout = time.monotonic() + FIRST_BYTE_SECONDS
        self.pending_conns.append(connection)
        self.poller.register(
            connection.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, connection)
        )

    def handle(self, conn: TConn) -> Any:
        """Serve one request in a thread of the pool, watched by the main loop."""
        self._reading[conn] = time.monotonic() + READ_SECONDS
        try:
            return super().handle(conn)
        finally:
            self._reading.pop(conn, None)

    def murder_pending(self) -> None:
        """Close what never spoke; stop reading what takes too long.  Answers under way are not touched."""
        super().murder_pending()
        now = time.monotonic()
        for connection, deadline in list(self._reading.items()):
            if now > deadline:
                self._reading.pop(connection, None)
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RD)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)


def serve(read: Callable[[], Settings]) -> int:
    """Run until told to stop; returns the exit code. Raises `ConfigError` when the settings are faulty."""
    server = Server(read)
    logs.configure(server.settings.logs.level, server.settings.logs.format)
    try:
        server.run()
    except SystemExit as stop:
        logs.flush()
        return stop.code if isinstance(stop.code, int) else 1
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
