"""Closing positions beside the loop that reads: one slice at a time for each position, each symbol by itself.

A book that cannot be read, an exchange that hangs over one symbol, a pause between slices: none of them delays another
symbol, another scope's first cancel, or the next read.
"""

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import structlog

from webhook.actions.flatten import FlattenLimits, next_slice, order_id
from webhook.actions.port import Position, Venue
from webhook.clock import Clock
from webhook.errors import AndonError

log = structlog.get_logger(__name__)


class Closer:
    """Sends the slices of one venue account; thread-safe."""

    def __init__(
        self,
        venue: Venue,
        limits: FlattenLimits,
        clock: Clock,
        *,
        timeout: float,
        pause: float,
        may_close: Callable[[], bool],
        done: Callable[[], None],
        fault: Callable[[], None],
    ) -> None:
        """*timeout* is for one request and *pause* between two slices of a position, in seconds.  *may_close* is asked
        just before each slice is sent.  *done* is called when a slice has ended, however it did; *fault* when an
        adapter raised what no adapter may raise.
        """
        self._venue, self._limits, self._clock = venue, limits, clock
        self._timeout, self._pause = timeout, pause
        self._may_close, self._done, self._fault = may_close, done, fault
        self._lock = threading.Lock()
        self._under_way: set[tuple[str, str]] = set()
        self._next_at: dict[tuple[str, str], float] = {}
        self._first_sizes: dict[tuple[str, str, str], Decimal] = {}
        self._slices = 0
        self._boot = secrets.token_hex(2)
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"close-{venue.name}")

    def close(self, trip_id: str, positions: tuple[Position, ...], epoch: int) -> None:
        """Send the next slice of each position for which none is under way or too recent; returns at once."""
        now = self._clock.monotonic()
        for position in positions:
            key = (position.symbol, position.side)
            with self._lock:
                if key in self._under_way or self._next_at.get(key, 0.0) > now:
                    continue
                self._under_way.add(key)
                self._slices += 1
                # Epochs never repeat, so neither do ids; without a store there is none, and the boot stands for it.
                number = f"{epoch or self._boot}.{self._slices}"
                first = self._first_sizes.setdefault((trip_id, *key), abs(position.quantity))
            self._pool.submit(self._slice, trip_id, position, first, number)

    def next_at(self) -> float:
        """The monotonic moment at which the next slice may go out."""
        with self._lock:
            return min((at for key, at in self._next_at.items() if key not in self._under_way), default=0.0)

    def stop(self) -> None:
        """Start no more; a request under way may still finish."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _slice(self, trip_id: str, position: Position, first: Decimal, number: str) -> None:
        key = (position.symbol, position.side)
        try:
            self._send(trip_id, position, first, number)
        except AndonError as error:
            # Whatever it was, the next read shows the position again, and closing goes on from what is true.
            log.warning(
                "flatten.slice_failed",
                venue_account=self._venue.name,
                symbol=position.symbol,
                reason=error.reason,
                error=str(error),
            )
        except Exception:  # one of the named borders: an adapter's fault must not end the closing
            log.exception("flatten.fault", venue_account=self._venue.name)
            self._fault()
        finally:
            with self._lock:
                self._under_way.discard(key)
                self._next_at[key] = self._clock.monotonic() + self._pause
            self._done()

    def _send(self, trip_id: str, position: Position, first: Decimal, number: str) -> None:
        quote = self._venue.quote(position.symbol, self._limits.depth_band_ratio, self._timeout)
        order = next_slice(
            position,
            quote,
            self._limits,
            first_size=first,
            client_order_id=order_id(trip_id, position.symbol, position.side, number),
        )
        if order is None:
            log.warning("flatten.no_depth", venue_account=self._venue.name, symbol=position.symbol)
            return
        if not self._may_close():
            log.warning("flatten.lease_lost", venue_account=self._venue.name, symbol=position.symbol)
            return
        fill = self._venue.reduce(order, self._timeout)
        log.info(
            "flatten.slice",
            venue_account=self._venue.name,
            symbol=order.symbol,
            side=order.side.value,
            quantity=str(order.quantity),
            limit_price=str(order.limit_price),
            filled=str(fill.filled),
            average_price=None if fill.average_price is None else str(fill.average_price),
        )
