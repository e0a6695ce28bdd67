"""The engine: strategies, their switches and the faults, put together; the control API and the program sit on top."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.engine.clock import Clock
from sandbox.engine.events import STOPPED, EventQueue, Reporter
from sandbox.engine.exchange import Exchange
from sandbox.engine.faults import Bleed, Fault, FaultKind, FaultRequest, Runaway
from sandbox.engine.faults.venue_admin import VenueAdmin
from sandbox.engine.feed import Feed
from sandbox.engine.gate import Gate, TradingState
from sandbox.engine.ids import ClientOrderIds
from sandbox.engine.market import venue_symbol
from sandbox.engine.recording import replayed_symbol
from sandbox.engine.state_file import StateFile
from sandbox.engine.strategies import Assignment
from sandbox.engine.trader import Trader

HEARTBEAT_SECONDS = 0.5
CURRENCY = "USDT"
RESTART_SECONDS = 1.0
LAST_CANCELS_SECONDS = 3.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key that the engine uses for one account."""

    api_key: str
    secret: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which strategies a control request means; what is None constrains nothing.

    ``symbol`` in ccxt's unified form (``BTC/USDT:USDT``) or the venue's (``BTCUSDT``).
    """

    strategy: str | None = None
    account: str | None = None
    symbol: str | None = None
    venue: str | None = None

    def matches(self, trader: Trader) -> bool:
        """Say whether a strategy is meant."""
        return (
            self.strategy in {None, trader.name}
            and self.account in {None, trader.assignment.account}
            and self.symbol in {None, trader.assignment.symbol, venue_symbol(trader.assignment.symbol)}
            and self.venue in {None, trader.venue}
        )


class Engine:
    """Everything that runs, by strategy name.  Not thread-safe: it lives in one event loop."""

    def __init__(
        self,
        *,
        name: str,
        venue: str,
        venue_url: str,
        venue_admin_token: str | None,
        assignments: Sequence[Assignment],
        credentials: Mapping[str, Credentials],
        events: EventQueue,
        state_file: StateFile,
        clock: Clock,
    ) -> None:
        self.name = name
        self.started_at = clock()
        self.events = events
        self.faults: list[Fault] = []
        self.state_stored = True
        self._venue_url = venue_url
        self._venue_admin_token = venue_admin_token
        self._clock = clock
        self._state_file = state_file
        self._fault_tasks: dict[int, asyncio.Task[None]] = {}
        self._fault_count = 0
        states = state_file.read(assignment.strategy for assignment in assignments)
        # Assignments on one symbol look at one market; reading it needs no key.
        self._feeds = {
            symbol: Feed(Exchange(venue_url, "", "", symbol))
            for symbol in {assignment.symbol for assignment in assignments}
        }
        self.traders: dict[str, Trader] = {}
        for assignment in assignments:
            key = credentials[assignment.account]
            self.traders[assignment.strategy] = Trader(
                assignment,
                Exchange(venue_url, key.api_key, key.secret, assignment.symbol),
                self._feeds[assignment.symbol],
                Gate(states[assignment.strategy]),
                Reporter(events, assignment.strategy, venue, assignment.account, assignment.symbol, CURRENCY),
                ClientOrderIds(assignment.strategy, clock),
                self.started_at,
            )

    @property
    def session(self) -> str:
        """New for every start of the program."""
        return self.events.session

    @property
    def requests(self) -> int:
        """How many requests went to the venue."""
        return sum(exchange.requests for exchange in self._exchanges())

    def _exchanges(self) -> list[Exchange]:
        public = [feed.exchange for feed in self._feeds.values()]
        return public + [trader.exchange for trader in self.traders.values()]

    @property
    def hanging(self) -> bool:
        """Whether the control API must not answer."""
        return any(fault.request.kind is FaultKind.HANG for fault in self.faults)

    async def run(self) -> None:
        """Trade until cancelled; then take the resting orders back and release the connections."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forever("heartbeat", self._beat))
                await self._follow_recording()
                for feed in self._feeds.values():
                    group.create_task(self._forever("market", feed.run))
                for trader in self.traders.values():
                    group.create_task(self._forever(trader.name, trader.watch))
                    group.create_task(self._forever(trader.name, trader.trade))
        finally:
            await self.leave()

    async def _follow_recording(self) -> None:
        """Before anything is traded: move every strategy to the symbol that the venue replays, if it replays one."""
        symbol = await replayed_symbol(self._venue_url)
        if symbol is None or symbol in self._feeds:
            return
        _log.warning("the venue replays %s: all strategies trade it instead of %s", symbol, ", ".join(self._feeds))
        feed = Feed(Exchange(self._venue_url, "", "", symbol))
        await asyncio.gather(*(old.exchange.close() for old in self._feeds.values()))
        self._feeds = {symbol: feed}
        for trader in self.traders.values():
            trader.move(symbol, feed)

    async def _forever(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start *work* again when it breaks: a fault of ours must not leave a strategy unwatched."""
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001  # the border of a job: start it again
                _log.exception("%s: broke, starting it again", name)
            await asyncio.sleep(RESTART_SECONDS)

    async def _beat(self) -> None:
        while True:
            self._end_faults()
            silent = any(
                fault.request.kind is FaultKind.SILENT and fault.request.strategy is None for fault in self.faults
            )
            if not silent:
                for trader in self.traders.values():
                    if not self._has_fault(FaultKind.SILENT, trader.name):
                        trader.heartbeat()
                self._tell(self.state.value)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _tell(self, state: str) -> None:
        """Say of the engine as a whole that it is alive, and in which state."""
        self.events.emit(
            "heartbeat",
            state=state,
            started_at=self.started_at,
            open_orders=sum(len(trader.working()) for trader in self.traders.values()),
        )

    @property
    def state(self) -> TradingState:
        """The state of the least restricted strategy: as long as one runs, the engine runs."""
        states = {trader.gate.state for trader in self.traders.values()}
        order = (TradingState.RUNNING, TradingState.REDUCE_ONLY, TradingState.PAUSED)
        return next(state for state in order if state in states)

    async def leave(self) -> None:
        """Stop the strategies, take their resting orders back, say so, and release the connections."""
        self.clear_faults(lambda _: True)
        for trader in self.traders.values():
            trader.gate.state = TradingState.PAUSED  # not stored: this is an end, not a halt
        cancels = [trader.order_entry.cancel_all() for trader in self.traders.values()]
        try:
            async with asyncio.timeout(LAST_CANCELS_SECONDS):
                await asyncio.gather(*cancels, *self._fault_tasks.values(), return_exceptions=True)
        except TimeoutError:
            _log.warning("some orders may be left at the venue; the next start takes them back")
        for trader in self.traders.values():
            trader.stopped()
        self._tell(STOPPED)
        await asyncio.gather(*(exchange.close() for exchange in self._exchanges()), return_exceptions=True)

    async def set_state(self, wanted: Filter, state: TradingState, *, cancel: bool) -> list[Trader]:
        """Put the strategies that are meant into *state*; returns when that is true, and gives them."""
        meant = [trader for trader in self.traders.values() if wanted.matches(trader)]
        for trader in meant:
            trader.gate.state = state
        if meant:
            states = {trader.name: trader.gate.state for trader in self.traders.values()}
            self.state_stored = self._state_file.write(states)
        # An order that was let out before may be under way still: paused is only said when it has landed.
        await asyncio.gather(*(trader.gate.settled() for trader in meant))
        obedient = [trader for trader in meant if not trader.gate.ignore]
        if cancel:
            await asyncio.gather(*(trader.order_entry.cancel_all() for trader in obedient))
        elif state is TradingState.REDUCE_ONLY:
            await asyncio.gather(*(trader.order_entry.cancel_all(keep_reducing=True) for trader in obedient))
        return meant

    def start_fault(self, request: FaultRequest) -> Fault:
        """Put a fault in; one of the same kind and strategy that is on already is replaced."""
        self.clear_faults(
            lambda fault: fault.request.kind is request.kind and fault.request.strategy == request.strategy
        )
        if request.kind in {FaultKind.RUNAWAY, FaultKind.BLEED}:
            # Two loops that trade in place of one strategy would only fight each other.
            busy = {FaultKind.RUNAWAY, FaultKind.BLEED}
            self.clear_faults(lambda fault: fault.request.kind in busy and fault.request.strategy == request.strategy)
        self._fault_count += 1
        fault = Fault(self._fault_count, request, self._clock())
        self.faults.append(fault)
        _log.warning("fault %s put in for %s", request.kind, request.strategy or "all")
        if request.kind is FaultKind.DIE:
            asyncio.get_running_loop().call_later(0.05, os._exit, 70)  # after the answer has gone out
        elif request.kind is FaultKind.RUNAWAY:
            self._start_task(fault, Runaway(fault, self.traders[str(request.strategy)]).run())
        elif request.kind is FaultKind.BLEED:
            trader = self.traders[str(request.strategy)]
            admin = VenueAdmin(self._venue_url, venue_symbol(trader.assignment.symbol), self._venue_admin_token)
            self._start_task(fault, Bleed(fault, trader, admin).run())
        self._apply_faults()
        return fault

    def clear_faults(self, which: Callable[[Fault], bool]) -> list[Fault]:
        """Take out the faults for which *which* says True, and give them."""
        cleared = [fault for fault in self.faults if which(fault)]
        self.faults = [fault for fault in self.faults if fault not in cleared]
        for fault in cleared:
            task = self._fault_tasks.pop(fault.number, None)
            if task is not None:
                task.cancel()
        self._apply_faults()
        return cleared

    def _start_task(self, fault: Fault, work: Coroutine[Any, Any, None]) -> None:
        self._fault_tasks[fault.number] = asyncio.create_task(self._guarded(fault, work))

    async def _guarded(self, fault: Fault, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  # the border of a fault
            _log.exception("the fault %s broke itself", fault.request.kind)
            fault.progress = f"failed: {type(error).__name__}"
        _log.info("fault %s: %s", fault.request.kind, fault.progress)

    def _has_fault(self, kind: FaultKind, strategy: str) -> bool:
        return any(fault.request.kind is kind and fault.concerns(strategy) for fault in self.faults)

    def _apply_faults(self) -> None:
        for trader in self.traders.values():
            trader.gate.ignore = self._has_fault(FaultKind.IGNORE_PAUSE, trader.name)

    def _end_faults(self) -> None:
        now = self._clock()
        # A fault with a task ends by itself, and is kept to be looked at a while longer.
        self.clear_faults(
            lambda fault: (
                fault.ends_at < now
                and (fault.number not in self._fault_tasks or self._fault_tasks[fault.number].done())
            )
        )
