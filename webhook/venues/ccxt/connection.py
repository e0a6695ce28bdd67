"""One exchange over one event loop: how a request goes out, and how what came back is told apart.

This file knows ccxt's methods but imports nothing of it: the exchange is handed in.
"""

import asyncio
import contextlib
import contextvars
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from webhook.errors import AndonError, TemporaryError, UnknownOutcomeError
from webhook.net.attempt import retry_after
from webhook.venues.ccxt.faults import translate

PREPARE_TIMEOUT_MS = 60_000
"""What ccxt itself is told: every deadline is kept here, because ccxt has one timeout for markets and cancels alike."""


@dataclass(slots=True)
class Exchanged:
    """What is known of one HTTP request while it runs and after; ccxt itself does not tell."""

    on_sent: Callable[[], None] | None = None
    sent: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: Any = None

    @property
    def retry_after(self) -> float | None:
        """Seconds the other side asked us to wait, or None."""
        for name, value in self.headers.items():
            if name.lower() == "retry-after":
                return retry_after(value)
        return None


exchanged: contextvars.ContextVar[Exchanged | None] = contextvars.ContextVar("exchanged", default=None)
"""The request of this task; set in `Connection.ask`, filled by the trace of the connection and by `note_answer`."""


def note_answer(status: int, headers: Mapping[str, str], payload: Any) -> None:
    """Called by the exchange class with each answer, before it looks for errors in it."""
    if (request := exchanged.get()) is not None:
        request.status, request.headers, request.payload = status, headers, payload


class Connection:
    """Sends one request at a time per task, and gives every failure one of our names."""

    def __init__(
        self,
        name: str,
        exchange: Any,
        *,
        request_timeout: float,
        secrets: Iterable[str],
        tls: bool | ssl.SSLContext,
    ) -> None:
        self.name = name
        self.exchange = exchange
        self._request_timeout = request_timeout
        self._secrets = tuple(secrets)
        self._tls = tls
        self._learning: asyncio.Task[Any] | None = None

    def open(self) -> None:
        """Make the session, inside the running loop; a second call changes nothing."""
        if self.exchange.session is not None:
            return
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_sent)
        trace.on_request_redirect.append(_refuse_redirect)
        # No limit and a long memory for names and connections: a kill must not queue, look up or shake hands.
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0, keepalive_timeout=120.0, ttl_dns_cache=3600)
        self.exchange.asyncio_loop = asyncio.get_running_loop()
        self.exchange.own_session = False
        self.exchange.session = aiohttp.ClientSession(connector=connector, trace_configs=[trace])

    async def close(self) -> None:
        """Close the session and its connections."""
        session, self.exchange.session = self.exchange.session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)

    async def ask(
        self,
        what: str,
        request: Callable[[], Awaitable[Any]],
        *,
        deadline: float,
        write: bool,
        on_sent: Callable[[], None] | None = None,
        patient: bool = False,
    ) -> tuple[Any, Any]:
        """Run one ccxt call until *deadline* (loop time); returns its result and the decoded body it was read from.

        When the venue says that our clock is off, the offset is learnt and the request sent once more.  *patient*: the
        whole time to the deadline may go into one request.
        """
        try:
            return await self._ask_once(what, request, deadline, write, on_sent, patient)
        except TemporaryError as error:
            if error.reason != "clock_skew":
                raise
            await self.learn_clock(deadline)
            return await self._ask_once(what, request, deadline, write, on_sent, patient)

    async def learn_clock(self, deadline: float) -> None:
        """Ask for the venue's time, once for all tasks that wait for it; an exchange without one is left alone."""
        if self.exchange.has.get("fetchTime") is not True:
            return
        if self._learning is None or self._learning.done():
            self._learning = asyncio.ensure_future(
                self._ask_once("time", self.exchange.load_time_difference, deadline, False, None, False)
            )
        with contextlib.suppress(TemporaryError):
            await asyncio.shield(self._learning)

    async def _ask_once(
        self,
        what: str,
        request: Callable[[], Awaitable[Any]],
        deadline: float,
        write: bool,
        on_sent: Callable[[], None] | None,
        patient: bool,
    ) -> tuple[Any, Any]:
        left = deadline - asyncio.get_running_loop().time()
        what = f"{self.name} {what}"
        if left <= 0:
            raise TemporaryError(f"{what}: no time left", reason="timeout")
        this = Exchanged(on_sent)
        token = exchanged.set(this)
        try:
            async with asyncio.timeout(left if patient else min(left, self._request_timeout)):
                result = await request()
        except AndonError:
            raise
        except Exception as fault:  # noqa: BLE001 - see below
            # The named border to ccxt: besides its own classes it raises whatever an unexpected body makes it raise.
            # The cause is left out, because its text holds the address with the signature in it.
            raise translate(
                fault,
                what,
                write=write,
                sent=this.sent,
                status=this.status,
                retry_after=this.retry_after,
                secrets=self._secrets,
            ) from None
        finally:
            exchanged.reset(token)
        if this.sent and this.payload is None:
            raise UnknownOutcomeError(f"{what}: HTTP {this.status} without JSON", reason="not_json")
        return result, this.payload


async def _note_sent(session: aiohttp.ClientSession, context: Any, params: Any) -> None:  # noqa: ARG001
    if (request := exchanged.get()) is not None:
        request.sent = True
        if request.on_sent is not None:
            request.on_sent()


async def _refuse_redirect(session: aiohttp.ClientSession, context: Any, params: Any) -> None:  # noqa: ARG001
    # A redirect would carry our key to another host, and turn a DELETE into a GET.
    raise aiohttp.ClientError("redirected")
