"""A strategy that buys high and sells low: each round it buys, the market falls, it sells, the market recovers.

The losses are real trades at the venue; the falls are flash moves that the venue is asked for, because BTC does not
fall fast enough by itself.  The position stays within what the default rule for gross exposure allows, so that what
trips is the drawdown.  In the end it holds a losing position and has orders resting: something to cancel and
to flatten.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from time import monotonic

from sandbox.engine.faults.fault import Fault
from sandbox.engine.faults.venue_admin import VenueAdmin, VenueAdminError
from sandbox.engine.market import Side
from sandbox.engine.trader import Trader

ROUNDS = 40
CLIPS = 3
"""A position is bought in so many orders."""
SETTLE_SECONDS = 3.0
"""How long to wait for the venue to show what was done; it goes on all the same."""
CLOSE_SECONDS = 30.0
MARGIN = Decimal("1.03")
"""All falls together are this much deeper than needed, for what the book gives back."""


class GateShutError(Exception):
    """The strategy was stopped: the fault ends."""


class Bleed:
    """Loses ``ratio`` of the account's equity, then holds on until its time is over or the gate shuts."""

    def __init__(self, fault: Fault, trader: Trader, admin: VenueAdmin) -> None:
        self._fault = fault
        self._trader = trader
        self._admin = admin
        self._start_equity = Decimal(0)

    async def run(self) -> None:
        """Bleed; the strategy itself does nothing meanwhile, and the market comes back at the end."""
        if self._trader.rules is None or self._trader.reading is None or self._trader.mid() is None:
            self._fault.progress = "failed: there is no market to trade on"
            return
        self._trader.occupied = True
        end = monotonic() + float(self._fault.request.knobs["seconds"])
        try:
            await self._trader.order_entry.cancel_all()  # it must not trade with its own quotes
            await self._lose()
            await self._leave_resting()
            while monotonic() < end:
                await self._want_open()
                await asyncio.sleep(0.1)
            self._fault.progress = "ended: its time was over"
        except GateShutError:
            self._fault.progress = "stopped: the gate was shut; the market stays down until the position is closed"
            await self._see_closed()
            self._fault.progress = "ended: the gate was shut"
        except VenueAdminError as error:
            self._fault.progress = f"failed: the venue does not move the market: {error}"
        finally:
            self._trader.parent = None
            self._trader.occupied = False
            await self._calm_at_last()

    async def _see_closed(self) -> None:
        """Keep the market down while whoever shut the gate closes the position: a loss that recovers is no loss."""
        deadline = monotonic() + CLOSE_SECONDS
        while self._trader.position and monotonic() < deadline:  # noqa: ASYNC110  # the account is polled anyway
            await asyncio.sleep(0.1)

    async def _calm_at_last(self) -> None:
        try:
            await self._admin.calm()
        except VenueAdminError as error:
            self._fault.progress += f"; the market was not brought back: {error}"

    @property
    def _equity(self) -> Decimal:
        reading = self._trader.reading
        return reading.margin_balance if reading is not None else self._start_equity

    async def _lose(self) -> None:
        knobs = self._fault.request.knobs
        self._start_equity = self._equity
        wanted = self._start_equity * knobs["ratio"]
        for number in range(1, ROUNDS + 1):
            await self._buy(knobs["exposure"])
            before = self._equity
            missing = (wanted - (self._start_equity - before)) * MARGIN
            whole_fall = missing / max(self._exposure(), Decimal(1))
            # The last fall takes all that is missing at once: were the loss to creep up to its limit, a limit below it
            # (the daily loss) would stop the strategy before.
            fall = whole_fall if whole_fall <= knobs["last_move_ratio"] else knobs["move_ratio"]
            if fall > 0:
                await self._admin.flash_move(-fall)
                deep = fall * self._exposure() * Decimal("0.8")
                await self._until(lambda before=before, deep=deep: self._equity <= before - deep)  # type: ignore[misc]
            lost = self._start_equity - self._equity
            self._fault.progress = f"round {number}: lost {lost:.2f} of {wanted:.2f}"
            self._fault.facts |= {"rounds": str(number), "lost": f"{lost:.2f}", "wanted": f"{wanted:.2f}"}
            if lost >= wanted:
                return
            await self._sell()
            await self._admin.calm()
            await self._fresh_price()

    async def _fresh_price(self) -> None:
        """Wait for a price that was read after now."""
        now = monotonic()
        await self._until(lambda: self._trader.priced_after(now))

    def _exposure(self) -> Decimal:
        return abs(self._trader.position) * (self._trader.mid() or Decimal(0))

    async def _buy(self, exposure: Decimal) -> None:
        """Hold *exposure* (quote units) long, by market orders of an honest parent: nothing but money is lost."""
        rules, mid = self._trader.rules, self._trader.mid()
        if rules is None or mid is None:
            await self._until(lambda: self._trader.mid() is not None)
            return
        missing = rules.quantity_down(exposure / mid - self._trader.position)
        if missing < rules.smallest(mid) * CLIPS:
            return
        parent = self._trader.open_parent(Side.BUY, missing, mid)
        clip = rules.quantity_down(missing / CLIPS)
        for quantity in (*[clip] * (CLIPS - 1), missing - clip * (CLIPS - 1)):
            await self._order(Side.BUY, quantity, None, parent_id=parent.parent_id)
        before = self._trader.position
        await self._until(lambda: self._trader.position > before)

    async def _sell(self) -> None:
        held = self._trader.position
        if held <= 0:
            return
        parent = self._trader.open_parent(Side.SELL, held, self._trader.mid())
        await self._order(Side.SELL, held, None, reduce_only=True, parent_id=parent.parent_id)
        await self._until(lambda: self._trader.position < held)

    async def _leave_resting(self) -> None:
        """Rest small orders on both sides, far enough away to stay: away from where the last fall has led."""
        await self._fresh_price()
        rules, mid = self._trader.rules, self._trader.mid()
        if rules is None or mid is None:
            return
        for number in range(int(self._fault.request.knobs["resting"])):
            away = mid * (1 + number // 2) / 100
            side = Side.BUY if number % 2 == 0 else Side.SELL
            price = rules.price_down(mid - away) if side is Side.BUY else rules.price_up(mid + away)
            await self._order(side, rules.smallest(price), price)

    async def _order(
        self,
        side: Side,
        quantity: Decimal,
        price: Decimal | None,
        *,
        reduce_only: bool = False,
        parent_id: str | None = None,
    ) -> None:
        order = await self._trader.order_entry.send(
            side, quantity, price, reduce_only=reduce_only, parent_id=parent_id, mid=self._trader.mid()
        )
        if order is None:
            raise GateShutError

    async def _want_open(self) -> None:
        with self._trader.gate.permit(reduces=False) as allowed:
            if not allowed:
                raise GateShutError

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for what the venue should show, and go on all the same when it does not."""
        deadline = monotonic() + SETTLE_SECONDS
        while not done() and monotonic() < deadline:
            await self._want_open()
            await asyncio.sleep(0.02)
