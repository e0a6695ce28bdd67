"""The whole venue in one object: the exchange, its market, the faults, and what was asked of it."""

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

from sandbox.venue.accounts.account import Account
from sandbox.venue.clock import VenueClock
from sandbox.venue.faults.active import ActiveFaults
from sandbox.venue.instruments import Market, catalogue
from sandbox.venue.market.random_walk import Walk, walk
from sandbox.venue.market.replay import Replay
from sandbox.venue.market.stream import BACKLOG_BYTES, MarketStream
from sandbox.venue.matching.countdown import Countdowns
from sandbox.venue.matching.exchange import Exchange
from sandbox.venue.matching.liquidation import liquidate
from sandbox.venue.request_log import RequestLog
from sandbox.venue.rest.limits import RateLimiter
from sandbox.venue.rest.signature import Authenticator

LIQUIDATION_SECONDS = 0.5


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
        self.market_stream = MarketStream(self.clock)
        self.exchange = Exchange(catalogue(), accounts, self.clock, self.market_stream)
        self.authenticator = Authenticator(self.exchange.accounts.values(), self.clock)
        self.rate_limiter = RateLimiter()
        self.faults = ActiveFaults(
            self, accounts=self.exchange.accounts.keys(), symbols=self.exchange.pairs[Market.USDM].keys()
        )
        self.latency = latency
        self.stream_backlog = stream_backlog
        self.seed = seed
        self._speed = speed
        self.request_log = RequestLog()
        self.countdowns = Countdowns(self.exchange)
        self.liquidations = 0
        # Numbers the orders that the admin API places, so that their ids never repeat.
        self.seeded = 0
        # How often everything was set back: requests from before a reset are dropped.
        self.resets = 0
        self.replay = Replay(replay, self.exchange.pairs, self.clock, speed=speed, loop=loop) if replay else None
        driven = self.replay.head.symbol if self.replay else None
        perpetuals = self.exchange.pairs[Market.USDM]
        self._walks = [
            Walk([pair, self.exchange.pairs[Market.SPOT][symbol]], seed=seed)
            for symbol, pair in perpetuals.items()
            if symbol != driven
        ]
        self._delayed: set[asyncio.TimerHandle] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the market move."""
        jobs = [walk(self._walks, self.clock, speed=self._speed), self.market_stream.ping(), self._liquidate()]
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

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while (a cancel that is applied late)."""

        def run() -> None:
            self._delayed.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._delayed.add(timer)

    def _forget_timers(self) -> None:
        self.countdowns.clear()
        for timer in self._delayed:
            timer.cancel()
        self._delayed.clear()

    def reset(self) -> None:
        """Accounts back to their deposits, no order, no fault, no ban, no log; the market goes on."""
        self.resets += 1
        self.faults.clear()
        self._forget_timers()
        self.exchange.reset()
        self.rate_limiter.reset()
        self.request_log.clear()

    # What faults act on.

    def stall(self, market: Market, symbol: str, *, stalled: bool) -> None:
        """Hold back (or let flow) a symbol's messages."""
        if stalled:
            self.market_stream.stall((market, symbol))
        else:
            self.market_stream.flow((market, symbol))

    def lose(self, market: Market, symbol: str, updates: int) -> None:
        """Lose the next depth updates."""
        self.market_stream.drop_depth((market, symbol), updates)

    def skew(self, seconds: float) -> None:
        """Set the clock's error."""
        self.clock.skew = seconds

    def move(self, symbol: str, ratio: Decimal) -> None:
        """Move both markets of a symbol; 0 brings them back."""
        for by_symbol in self.exchange.pairs.values():
            by_symbol[symbol].move(ratio)
