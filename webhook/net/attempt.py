"""Connections that tell how far a request got, so that its caller can give up at any moment and know what that means.

``requests`` bounds each wait and not their sum, and cannot say whether anything was sent.  Here a thread does the
blocking work and reports to an `Attempt`; when the caller's time is up, the attempt is abandoned: from then on nothing
is sent any more, and the thread's socket is shut so that it ends.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: ``headers`` have lower-case names; ``seconds`` is the round trip."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The decoded body; raises ValueError when it is not JSON."""
        return json.loads(self.body)

    @property
    def retry_after(self) -> float | None:
        """Seconds from the header ``Retry-After`` (a number or a date), or None."""
        return retry_after(self.headers.get("retry-after"))


def retry_after(value: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds, never negative; None when absent or unreadable."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.now(UTC)).total_seconds(), 0.0)


@dataclass(slots=True)
class Attempt:
    """How far one request got; shared by the caller, who watches the clock, and the thread that does the work."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: threading.Event = field(default_factory=threading.Event)
    abandoned: bool = False
    sent: bool = False
    reused: bool = False
    sock: socket.socket | None = None
    answer: Answer | None = None
    fault: Exception | None = None

    def connected(self, sock: socket.socket) -> None:
        """Called with the socket in use, so that `abandon` can shut it."""
        with self.lock:
            if self.abandoned:
                raise OSError("abandoned")
            self.sock = sock

    def going_out(self) -> None:
        """Called just before bytes are written: after the deadline nothing may be sent any more."""
        with self.lock:
            if self.abandoned:
                raise OSError("abandoned")
            self.sent = True

    def abandon(self) -> None:
        """Give up: nothing more is sent, and a thread that waits on the socket wakes up."""
        with self.lock:
            self.abandoned = True
            sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


working_on = threading.local()


class _Watched:
    """Tells the attempt of this thread how far its connection is; mixed into both kinds of connection."""

    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        if attempt := getattr(working_on, "attempt", None):
            try:
                attempt.connected(sock)
            except OSError:
                sock.close()
                raise
        return sock

    def send(self, data: Any) -> None:
        if attempt := getattr(working_on, "attempt", None):
            if self.sock is None:
                self.connect()  # type: ignore[attr-defined]
            elif attempt.sock is None:
                attempt.reused = True
            if self.sock is not None:
                attempt.connected(self.sock)
            attempt.going_out()
        super().send(data)  # type: ignore[misc]


class _HTTP(_Watched, HTTPConnection):
    pass


class _HTTPS(_Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPS


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class WatchedAdapter(HTTPAdapter):
    """Makes ``requests`` use connections that report to the attempt of their thread."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:
        """Make the pools of connections through a proxy."""
        made: PoolManager = super().proxy_manager_for(*args, **kwargs)
        made.pool_classes_by_scheme = _POOLS
        return made
