"""One reduce-only order, never sent twice: what may have been sent before is looked up first."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from webhook.actions.port import Fill, ReduceOrder, Side
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.venues.ccxt.parse import decimal, step, whole
from webhook.venues.ccxt.read import Reader


class Reducer:
    """Sends reduce-only limit IOC orders."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._reach = reader.reach
        self._exchange = reader.reach.exchange

    async def reduce(self, order: ReduceOrder, deadline: float) -> Fill:
        """Send *order*, unless one with its client order id is known to the venue; then that one's fill is returned.

        A venue refuses a client order id twice only while the first order is open, which an IOC order never is: so
        a resend after an unknown outcome, or after a restart, must look first.
        """
        if (known := await self._lookup(order, deadline)) is not None:
            return known
        market = await self._reader.market(order.symbol, deadline)
        mode = self._exchange.precisionMode
        # Rounded to what the exchange takes, towards less risk: a smaller quantity, a price inside the collar.
        quantity = whole(order.quantity, step(market["precision"].get("amount"), mode, order.quantity), up=False)
        tick = step(market["precision"].get("price"), mode, order.limit_price)
        price = whole(order.limit_price, tick, up=order.side is Side.SELL)
        if quantity <= 0:
            raise PermanentError(f"{self._reach.name}: {order.quantity} of {order.symbol} is less than one step")
        params: dict[str, Any] = {"timeInForce": "IOC", "reduceOnly": True, "clientOrderId": order.client_order_id}
        if order.position_side != "both":
            # In hedge mode ccxt turns these two into the side of the position, as each exchange wants it said.
            params["hedged"] = True
        what = f"reduce {order.symbol}"
        try:
            raw, _ = await self._reach.ask(
                what,
                lambda: self._exchange.create_order(
                    order.symbol, "limit", order.side.value, float(quantity), float(price), params
                ),
                deadline=deadline,
                write=True,
            )
        except (UnknownOutcomeError, PermanentError) as error:
            if error.permanent and error.reason != "duplicate":
                raise
            try:
                known = await self._lookup(order, deadline)
            except TemporaryError:
                # No time left, or no answer again: what is not known is still the order itself.
                raise error from None
            if known is None:
                raise
            return known
        if not raw.get("id"):
            raise UnknownOutcomeError(f"{self._reach.name} {what}: an answer without an order id", reason="no_id")
        if raw.get("filled") is None:
            raw, _ = await self._reach.ask(
                f"order {order.client_order_id}",
                lambda: self._exchange.fetch_order(raw["id"], order.symbol),
                deadline=deadline,
                write=True,
            )
        return _fill(raw)

    async def _lookup(self, order: ReduceOrder, deadline: float) -> Fill | None:
        """The fill of an order that was sent before, or None when the venue knows of none.

        An exchange that cannot look one up by our id says so by a refusal: then ``reduceOnly`` alone protects.
        """
        await self._reader.know(order.symbol, deadline)
        if self._exchange.has.get("fetchOrder") is not True:
            return None
        try:
            raw, _ = await self._reach.ask(
                f"order {order.client_order_id}",
                lambda: self._exchange.fetch_order(None, order.symbol, {"clientOrderId": order.client_order_id}),
                deadline=deadline,
                write=False,
            )
        except PermanentError:
            return None
        except TemporaryError as error:
            if error.reason in ("unreadable", "unsupported"):
                return None
            raise
        if raw.get("clientOrderId") != order.client_order_id:
            return None
        return _fill(raw)


def _fill(raw: Mapping[str, Any]) -> Fill:
    filled = decimal(raw.get("filled")) or Decimal(0)
    return Fill(str(raw.get("id")), filled, decimal(raw.get("average")) if filled else None)
