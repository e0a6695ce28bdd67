"""The whole venue in one object: exchange, door, limits, faults, feeds, timers and what was asked of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path

from sandbox.venue.rest.spot import orders as spot
from sandbox.venue.rest.usdm import routes as usdm
from sandbox.venue.rest.request import Routes
from sandbox.venue.clock import VenueClock
from sandbox.venue.rest.signature import Door, Limiter
from sandbox.venue.matching.exchange import Exchange
from sandbox.venue.faults.faults import Faults
from sandbox.venue.instruments import Market, catalogue
from sandbox.venue.accounts.account import Account
from sandbox.venue.matching.liquidation import liquidate
from sandbox.venue.market.replay import Replay
from sandbox.venue.market.stream import BACKLOG_BYTES, Hub
from sandbox.venue.market.random_walk import Walk, walk

ROUTES: Routes = {**spot.ROUTES, **usdm.ROUTES}
REQUEST_LOG = 200_000
LIQUIDATION_SECONDS = 0.5


@dataclass(slots=True)
class Asked:
    """One request as it came in.  `monotonic` is the machine's CLOCK_MONOTONIC, the same in every process."""

    number: int
    monotonic: float
    wall: float
    method: str
    path: str
    account: str | None = None
    key: str | None = None
    symbol: str | None = None
    status: int | None = None
    code: int | None = None


class Venue:
    """Everything that runs; `start` needs the event loop that will own it."""

    def __init__(
        self,
        accounts: Iterable[Account],
        *,
        seed: int = 1,
        replay: Path | None = None,
        speed: float = 1.0,
        loop: bool = False,
        latency: float = 0.0,
        stream_backlog: int = BACKLOG_BYTES,
    ) -> None:
        self.clock = VenueClock()
        self.hub = Hub(self.clock)
        self.exchange = Exchange(catalogue(), accounts, self.clock, self.hub)
        self.door = Door(self.exchange.accounts.values(), self.clock)
        self.limiter = Limiter()
        self.faults = Faults(self, set(self.exchange.accounts))
        self.latency = latency
        self.stream_backlog = stream_backlog
        self.seed = seed
        self.asked: deque[Asked] = deque(maxlen=REQUEST_LOG)
        self.numbers = count(1)
        self.requests: dict[tuple[str, str, str, int], int] = {}
        self.countdowns_fired = 0
        self.liquidations = 0
        # Numbers the orders that the admin API places, so that their ids never repeat.
        self.seeded = 0
        self.replay = Replay(replay, self.exchange.listings, self.clock, speed=speed, loop=loop) if replay else None
        driven = self.replay.head.symbol if self.replay else None
        perpetuals = self.exchange.listings[Market.USDM]
        self._walks = [
            Walk([listing, self.exchange.listings[Market.SPOT][symbol]], seed=seed)
            for symbol, listing in perpetuals.items()
            if symbol != driven
        ]
        self._countdowns: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._delayed: set[asyncio.TimerHandle] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the market move."""
        jobs = [walk(self._walks, self.clock), self.hub.ping(), self._liquidate()]
        if self.replay:
            jobs.append(self.replay.run())
        self._tasks = [asyncio.ensure_future(job) for job in jobs]

    async def stop(self) -> None:
        """Hold everything still."""
        self.faults.clear()
        self._forget_timers()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def failed(self) -> BaseException | None:
        """Why the market stopped, if a feed died; None while all is well."""
        dead = [task for task in self._tasks if task.done() and not task.cancelled()]
        return next((error for error in (task.exception() for task in dead) if error), None)

    async def _liquidate(self) -> None:
        while True:
            await asyncio.sleep(LIQUIDATION_SECONDS)
            self.liquidations += liquidate(self.exchange)

    def count_down(self, account: Account, symbol: str, milliseconds: int) -> None:
        """Set (or with 0 stop) the timer that cancels the normal book of a symbol."""
        key = account.name, symbol
        timer = self._countdowns.pop(key, None)
        if timer:
            timer.cancel()
        if milliseconds:
            run = asyncio.get_running_loop().call_later
            self._countdowns[key] = run(milliseconds / 1000, self._fire, account, symbol)

    def _fire(self, account: Account, symbol: str) -> None:
        self._countdowns.pop((account.name, symbol), None)
        self.countdowns_fired += 1
        for order in self.exchange.open_orders(account, Market.USDM, symbol):
            self.exchange.cancel(order)

    def countdowns(self, account: Account) -> dict[str, float]:
        """Seconds left on each of an account's timers."""
        now = asyncio.get_running_loop().time()
        found = {symbol: timer for (name, symbol), timer in self._countdowns.items() if name == account.name}
        return {symbol: round(timer.when() - now, 3) for symbol, timer in found.items()}

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while (a cancel that is applied late)."""

        def run() -> None:
            self._delayed.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._delayed.add(timer)

    def _forget_timers(self) -> None:
        for timer in (*self._countdowns.values(), *self._delayed):
            timer.cancel()
        self._countdowns.clear()
        self._delayed.clear()

    def reset(self) -> None:
        """Accounts back to their deposits, no order, no fault, no ban, no log; the market goes on."""
        self.faults.clear()
        self._forget_timers()
        self.exchange.reset()
        self.limiter.reset()
        self.asked.clear()
        self.requests.clear()

    # What faults act on.

    def stall(self, market: Market, symbol: str, *, stalled: bool) -> None:
        """Hold back (or let flow) a symbol's messages."""
        if stalled:
            self.hub.stall((market, symbol))
        else:
            self.hub.flow((market, symbol))

    def lose(self, market: Market, symbol: str, updates: int) -> None:
        """Lose the next depth updates."""
        self.hub.drop_depth((market, symbol), updates)

    def skew(self, seconds: float) -> None:
        """Set the clock's error."""
        self.clock.skew = seconds

    def move(self, symbol: str, ratio: Decimal) -> None:
        """Move both markets of a symbol; 0 brings them back."""
        for by_symbol in self.exchange.listings.values():
            by_symbol[symbol].move(ratio)

    def knows(self, symbol: str) -> bool:
        """Whether the symbol is traded."""
        return symbol in self.exchange.listings[Market.USDM]
