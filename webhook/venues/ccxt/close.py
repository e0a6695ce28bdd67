"""One reduce-only order, never sent twice: what may have been sent before is looked up first."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from webhook.actions.port import Fill, ReduceOrder, Side
from webhook.errors import PermanentError, TemporaryError, UnknownOutcomeError
from webhook.venues.ccxt.exchanges.model import dig
from webhook.venues.ccxt.parse import decimal, step, whole
from webhook.venues.ccxt.quote import Quotes
from webhook.venues.ccxt.read import Reader


class Reducer:
    """Sends reduce-only limit IOC orders."""

    def __init__(self, reader: Reader, quotes: Quotes) -> None:
        self._reader = reader
        self._quotes = quotes
        self._lists = reader.lists
        self._connection = reader.lists.connection
        self._exchange = reader.lists.exchange
        self._client = reader.lists.connection.exchange

    async def reduce(self, order: ReduceOrder, deadline: float) -> Fill:
        """Send *order*, unless one with its client order id is known to the venue; then that one's fill is returned.

        A venue refuses a client order id twice only while the first order is open, which an IOC order never is: so
        a resend after an unknown outcome, or after a restart, must look first.
        """
        market = await self._quotes.market(order.symbol, deadline)
        client_order_id = self._exchange.client_ids.of(order.client_order_id)
        if (known := await self._lookup(order, client_order_id, deadline)) is not None:
            return known
        quantity, price = self._sized(order, market)
        what = f"reduce {order.symbol}"
        try:
            raw, _ = await self._connection.ask(
                what,
                lambda: self._client.create_order(
                    order.symbol,
                    "limit",
                    order.side.value,
                    float(quantity),
                    float(price),
                    self._params(order, client_order_id),
                ),
                deadline=deadline,
                write=True,
            )
        except (UnknownOutcomeError, PermanentError) as error:
            if error.reason == "not_filled":
                return Fill("", Decimal(0), None)
            if error.permanent and error.reason != "duplicate":
                raise
            try:
                known = await self._lookup(order, client_order_id, deadline)
            except TemporaryError:
                # No time left, or no answer again: what is not known is still the order itself.
                raise error from None
            if known is None:
                raise
            return known
        if not raw.get("id"):
            raise UnknownOutcomeError(f"{self._connection.name} {what}: an answer without an order id", reason="no_id")
        if not raw.get("filled") and raw.get("status") in (None, "open"):
            # Many exchanges only acknowledge: what an IOC order came to stands in the order itself.
            found = await self._lookup(order, client_order_id, deadline)
            if found is None and raw.get("filled") is None:
                found = await self._by_id(order, str(raw["id"]), deadline)
            return found or self._fill(order, raw)
        return self._fill(order, raw)

    def _sized(self, order: ReduceOrder, market: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
        """Quantity (in the exchange's amounts) and price, rounded to what it takes and towards less risk."""
        digits = self._client.precisionMode
        unit = self._lists.markets.unit(order.symbol, order.limit_price) or Decimal(1)
        amount = order.quantity / unit
        quantity = whole(amount, step(market["precision"].get("amount"), digits, amount), up=False)
        tick = step(market["precision"].get("price"), digits, order.limit_price)
        price = whole(order.limit_price, tick, up=order.side is Side.SELL)
        if quantity <= 0:
            raise PermanentError(f"{self._connection.name}: {order.quantity} of {order.symbol} is less than one step")
        return quantity, price

    def _params(self, order: ReduceOrder, client_order_id: str) -> dict[str, Any]:
        mode = self._reader.margin_modes.get((order.symbol, order.position_side))
        return {
            "timeInForce": self._exchange.time_in_force,
            "reduceOnly": True,
            self._exchange.client_param: client_order_id,
            **self._exchange.order,
            **self._exchange.hedged.get(order.position_side, {}),
            **({"marginMode": mode} if self._exchange.margin_mode and mode is not None else {}),
        }

    async def _by_id(self, order: ReduceOrder, order_id: str, deadline: float) -> Fill:
        raw, _ = await self._connection.ask(
            f"order {order_id}",
            lambda: self._client.fetch_order(order_id, order.symbol),
            deadline=deadline,
            write=True,
        )
        return self._fill(order, raw)

    async def _lookup(self, order: ReduceOrder, client_order_id: str, deadline: float) -> Fill | None:
        """The fill of an order that was sent before, or None when the venue knows of none.

        An exchange that cannot look one up by our id says so by a refusal: then ``reduceOnly`` alone protects.
        """
        market = self._lists.markets.market(order.symbol)
        for product in self._lists.markets.products_of(order.symbol) or ():
            listing = self._exchange.lookup.get(product.name)
            if listing is None:
                continue
            values = {**self._lists.values(order.symbol), "$client": client_order_id}
            try:
                row = await self._lists.one(f"order {client_order_id}", listing, values, deadline)
            except PermanentError:
                continue
            except TemporaryError as error:
                if error.reason in ("unreadable", "unsupported"):
                    continue
                raise
            raw = self._client.parse_order(dict(row), market) if row else {}
            said = next((dig(row, path) for path in self._exchange.client_id if dig(row, path)), None)
            if client_order_id in (said, raw.get("clientOrderId")):
                return self._fill(order, raw)
        return None

    def _fill(self, order: ReduceOrder, raw: Mapping[str, Any]) -> Fill:
        unit = self._lists.markets.unit(order.symbol, order.limit_price) or Decimal(1)
        filled = (decimal(raw.get("filled")) or Decimal(0)) * unit
        return Fill(str(raw.get("id")), filled, decimal(raw.get("average")) if filled else None)
