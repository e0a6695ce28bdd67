"""A loop that has lost count: child orders of one parent go out again and again, whatever was sent before.

It is the fault of Knight Capital, small: the parent is filled many times over, and nothing in the loop notices.
"""

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from time import monotonic

from sandbox.engine.faults.fault import Fault
from sandbox.engine.market import Side
from sandbox.engine.trader import Trader

PARENT_CHILDREN = 5
"""The parent is worth this many children; all the others are too many."""
AWAY_RATIO = Decimal("0.01")
"""Children rest this far below the market: what runs away is the number of orders, not the position."""
MAXIMUM_UNDER_WAY = 32


class Runaway:
    """Sends until its time is over or the gate shuts."""

    def __init__(self, fault: Fault, trader: Trader) -> None:
        self._fault = fault
        self._trader = trader
        self._under_way: set[asyncio.Task[None]] = set()
        self._shut = False

    async def run(self) -> None:
        """Run away; the strategy itself does nothing meanwhile."""
        trader, rules, mid = self._trader, self._trader.rules, self._trader.mid()
        if rules is None or mid is None:
            self._fault.progress = "failed: there is no market to trade on"
            return
        trader.occupied = True
        try:
            quantity = rules.smallest(mid * (1 - AWAY_RATIO))
            parent = trader.open_parent(Side.BUY, quantity * PARENT_CHILDREN, mid)
            gap = 1 / float(self._fault.request.knobs["rate"])
            end = monotonic() + float(self._fault.request.knobs["seconds"])
            due = monotonic()
            sent = 0
            while monotonic() < end and not self._shut:
                due = max(due + gap, monotonic() - 1)
                if len(self._under_way) < MAXIMUM_UNDER_WAY:
                    mid = trader.mid() or mid
                    price = rules.price_down(mid * (1 - AWAY_RATIO))
                    self._start(self._child(quantity, price, parent.parent_id, mid))
                    sent += 1
                    self._fault.facts["orders"] = str(sent)
                await asyncio.sleep(max(0.0, due - monotonic()))
            self._fault.progress = "ended: the gate was shut" if self._shut else "ended: its time was over"
        finally:
            await asyncio.gather(*self._under_way)
            trader.parent = None
            trader.occupied = False

    def _start(self, child: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(child)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _child(self, quantity: Decimal, price: Decimal, parent_id: str, mid: Decimal) -> None:
        order = await self._trader.order_entry.send(
            Side.BUY, quantity, price, reduce_only=False, parent_id=parent_id, mid=mid
        )
        if order is None:
            self._shut = True
