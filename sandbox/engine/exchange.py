"""The venue as the engine sees it, over an unmodified ccxt; the only file here that knows ccxt.

Numbers are taken from the venue's own strings, never from ccxt's floats.  Every failure comes out as a `VenueError`
whose kind says what is known: above all whether an order may stand at the venue all the same.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import Any

import ccxt.async_support as ccxt

from sandbox.engine.market import Rules, Side, Tick
from sandbox.engine.venue_error import Failure, VenueError


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue reports it; ``open`` while it can still trade; quantities in base units."""

    order_id: str
    client_order_id: str
    side: Side
    price: Decimal | None
    quantity: Decimal
    filled: Decimal
    open: bool
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """One execution; ``fee`` and ``realised_pnl`` in ``fee_currency`` (USDT on USD-M)."""

    trade_id: int
    order_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    realised_pnl: Decimal
    maker: bool
    time: datetime


@dataclass(frozen=True, slots=True)
class AccountReading:
    """The account and its position in one symbol, read in one request; money in the account's currency."""

    wallet: Decimal
    margin_balance: Decimal
    unrealised_pnl: Decimal
    maintenance_margin: Decimal
    initial_margin: Decimal
    position: Decimal
    position_pnl: Decimal
    mark_price: Decimal | None


_CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')
_QUERY = re.compile(r"\?\S*")
_STATUS = re.compile(r"\s([45]\d\d)\s")
_UNKNOWN_CODES = {"-1000", "-1001", "-1006", "-1007", "-1016"}
_NOT_FOUND_CODES = {"-2011", "-2013"}
_REFUSALS = (ccxt.InvalidOrder, ccxt.InsufficientFunds, ccxt.AuthenticationError, ccxt.BadSymbol)
_LIMITED_CODES = {"-1003", "-1008", "-1015"}


def classify(error: Exception) -> VenueError:
    """Translate what ccxt raised; on a loopback URL many codes come as bare `ExchangeError`, so its code is read."""
    text = str(error)
    found = _CODE.search(text)
    code = found.group(1) if found else ""
    status = _STATUS.search(text)
    if code in _LIMITED_CODES or isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
        failure, token = Failure.LIMITED, status.group(1) if status else "limited"
    elif code == "-1021" or isinstance(error, ccxt.InvalidNonce):
        failure, token = Failure.CLOCK, "clock"
    elif code in _NOT_FOUND_CODES or isinstance(error, ccxt.OrderNotFound):
        failure, token = Failure.NOT_FOUND, "not_found"
    elif not code and status is not None and status.group(1) == "404":
        failure, token = Failure.REFUSED, "404"  # no such path: asking again would not help
    elif code in _UNKNOWN_CODES or isinstance(error, ccxt.OperationFailed):
        failure, token = Failure.UNKNOWN, type(error).__name__
    elif code or isinstance(error, _REFUSALS):
        failure, token = Failure.REFUSED, type(error).__name__
    else:
        # A bare error without a code of the venue: an HTML page, a shape nobody expected.  Nothing is known.
        failure, token = Failure.UNKNOWN, type(error).__name__
    # The query of a signed request has its signature in it: not for logs, and not for events.
    return VenueError(failure, code or token, _QUERY.sub("", text)[:300])


def _client(venue_url: str, api_key: str, secret: str, timeout: float) -> Any:
    root = venue_url.rstrip("/")
    versions = {"": "v1", "V2": "v2", "V3": "v3"}
    api = {
        f"fapi{access}{suffix}": f"{root}/fapi/{version}"
        for access in ("Public", "Private")
        for suffix, version in versions.items()
    }
    return ccxt.binanceusdm(
        {
            "apiKey": api_key,
            "secret": secret,
            "timeout": int(timeout * 1000),
            # ccxt's own limiter waits in steps of a millisecond; the pace is kept by the trader instead.
            "enableRateLimit": False,
            "urls": {"api": api},
            "options": {"fetchCurrencies": False, "fetchOpenOrders": {"warnWithoutSymbol": False}},
        }
    )


class Exchange:
    """One account of the venue, and one symbol.  All methods raise `VenueError`, and nothing else, when they fail."""

    def __init__(self, venue_url: str, api_key: str, secret: str, symbol: str, timeout: float = 1.5) -> None:
        self.symbol = symbol
        self.requests = 0
        self._client = _client(venue_url, api_key, secret, timeout)
        self.market_id = ""
        self._settle = "USDT"

    async def load(self, markets_of: "Exchange | None" = None) -> Rules:
        """Load the markets, or take them over from *markets_of*, and give the rules of the symbol."""
        if markets_of is not None and markets_of.markets:
            self._client.set_markets(markets_of.markets)
        elif not self.markets:
            await self._ask(self._client.load_markets())
        try:
            market = self._client.market(self.symbol)
        except ccxt.BaseError as error:
            raise classify(error) from error
        self.market_id = market["id"]
        self._settle = market.get("settle") or "USDT"
        filters = {one.get("filterType"): one for one in market["info"].get("filters", [])}
        price, lot, notional = (filters.get(kind, {}) for kind in ("PRICE_FILTER", "LOT_SIZE", "MIN_NOTIONAL"))
        return Rules(
            price_tick=Decimal(str(price.get("tickSize") or market["precision"]["price"])),
            quantity_step=Decimal(str(lot.get("stepSize") or market["precision"]["amount"])),
            minimum_quantity=Decimal(str(lot.get("minQty") or market["precision"]["amount"])),
            minimum_notional=Decimal(str(notional.get("notional") or "0")),
        )

    @property
    def markets(self) -> dict[str, Any] | None:
        """What was loaded, in ccxt's form."""
        loaded: dict[str, Any] | None = self._client.markets
        return loaded

    async def learn_clock(self) -> None:
        """Measure how far the venue's clock is from ours; following requests are stamped with its time."""
        await self._ask(self._client.load_time_difference())

    async def tick(self) -> Tick:
        """Read the top of the book."""
        book = await self._ask(self._client.fapiPublicGetDepth({"symbol": self.market_id, "limit": 5}))
        try:
            return Tick(bid=Decimal(book["bids"][0][0]), ask=Decimal(book["asks"][0][0]), at=monotonic())
        except (KeyError, IndexError, TypeError, ArithmeticError) as error:
            raise VenueError(Failure.UNKNOWN, "empty_book", "the book has no two sides") from error

    async def account(self) -> AccountReading:
        """Read balances, margins and the position at once, so that they fit each other."""
        raw = await self._ask(self._client.fapiPrivateV3GetAccount())
        try:
            held = [one for one in raw["positions"] if one["symbol"] == self.market_id]
            quantity = sum((Decimal(one["positionAmt"]) for one in held), Decimal(0))
            notional = sum((Decimal(one.get("notional") or "0") for one in held), Decimal(0))
            return AccountReading(
                wallet=Decimal(raw["totalWalletBalance"]),
                margin_balance=Decimal(raw["totalMarginBalance"]),
                unrealised_pnl=Decimal(raw["totalUnrealizedProfit"]),
                maintenance_margin=Decimal(raw["totalMaintMargin"]),
                initial_margin=Decimal(raw["totalInitialMargin"]),
                position=quantity,
                position_pnl=sum((Decimal(one["unrealizedProfit"]) for one in held), Decimal(0)),
                mark_price=abs(notional / quantity) if quantity and notional else None,
            )
        except (KeyError, TypeError, ArithmeticError) as error:
            raise VenueError(Failure.UNKNOWN, "bad_account", f"the account has an odd shape: {error!r}") from error

    async def open_orders(self) -> tuple[VenueOrder, ...]:
        """Read the orders of the symbol that rest at the venue."""
        raw = await self._ask(self._client.fapiPrivateGetOpenOrders({"symbol": self.market_id}))
        if not isinstance(raw, list):
            raise VenueError(Failure.UNKNOWN, "bad_orders", "open orders are not a list")
        return tuple(self._order(one) for one in raw)

    async def order(self, *, client_order_id: str | None = None, order_id: str | None = None) -> VenueOrder:
        """Read one order, by whichever id is known."""
        query = {"symbol": self.market_id}
        if client_order_id is not None:
            query["origClientOrderId"] = client_order_id
        elif order_id is not None:
            query["orderId"] = order_id
        return self._order(await self._ask(self._client.fapiPrivateGetOrder(query)))

    async def place(
        self, client_order_id: str, side: Side, quantity: Decimal, price: Decimal | None, *, reduce_only: bool
    ) -> VenueOrder:
        """Send one order: limit with *price*, market without."""
        extra: dict[str, Any] = {"newClientOrderId": client_order_id}
        if reduce_only:
            extra["reduceOnly"] = True
        kind = "market" if price is None else "limit"
        # ccxt takes floats here, but writes them with the precision of the market: nothing is lost.
        answer = await self._ask(
            self._client.create_order(
                self.symbol, kind, side.value, float(quantity), None if price is None else float(price), extra
            )
        )
        return self._order(answer.get("info"))

    async def cancel(self, client_order_id: str) -> VenueOrder:
        """Cancel one order by its client order id."""
        answer = await self._ask(self._client.cancel_order(None, self.symbol, {"origClientOrderId": client_order_id}))
        return self._order(answer.get("info"))

    async def trades(self, after: int | None) -> tuple[VenueTrade, ...]:
        """Read the executions with an id above *after* (oldest first), or the newest ones for None."""
        query: dict[str, Any] = {"symbol": self.market_id, "limit": 200}
        if after is not None:
            query["fromId"] = after + 1
        raw = await self._ask(self._client.fapiPrivateGetUserTrades(query))
        if not isinstance(raw, list):
            raise VenueError(Failure.UNKNOWN, "bad_trades", "trades are not a list")
        # Not every venue knows fromId: what is too old is left out here as well.
        found = [trade for trade in (_trade(one) for one in raw) if after is None or trade.trade_id > after]
        return tuple(sorted(found, key=lambda trade: trade.trade_id))

    async def net_deposits(self) -> Decimal:
        """Sum what was moved into (and, negative, out of) the account."""
        raw = await self._ask(self._client.fapiPrivateGetIncome({"incomeType": "TRANSFER", "limit": 1000}))
        try:
            return sum((Decimal(one["income"]) for one in raw), Decimal(0))
        except (KeyError, TypeError, ArithmeticError) as error:
            raise VenueError(Failure.UNKNOWN, "bad_income", "transfers have an odd shape") from error

    async def close(self) -> None:
        """Release the connections."""
        await self._client.close()

    async def _ask(self, request: Any) -> Any:
        self.requests += 1
        try:
            return await request
        except ccxt.BaseError as error:
            failure = classify(error)
            if failure.failure is Failure.LIMITED:
                failure.retry_after = self._retry_after()
            raise failure from error
        except (OSError, TimeoutError, ValueError, TypeError, AttributeError, KeyError) as error:
            # ccxt trips over bodies it does not expect: an HTML page with status 200, a list for a dict.
            raise VenueError(Failure.UNKNOWN, type(error).__name__, _QUERY.sub("", str(error))[:300]) from error

    def _retry_after(self) -> float | None:
        headers = self._client.last_response_headers or {}
        said = headers.get("Retry-After")
        return float(said) if isinstance(said, str) and said.isdigit() else None

    def _order(self, raw: Any) -> VenueOrder:
        """Read one order; an answer without an order id is no proof of anything."""
        try:
            if not raw["orderId"]:
                raise KeyError("orderId")  # noqa: TRY301
            price = Decimal(raw.get("price") or "0")
            return VenueOrder(
                order_id=str(raw["orderId"]),
                client_order_id=str(raw["clientOrderId"]),
                side=Side(str(raw["side"]).lower()),
                price=price or None,
                quantity=Decimal(raw["origQty"]),
                filled=Decimal(raw["executedQty"]),
                open=raw["status"] in {"NEW", "PARTIALLY_FILLED"},
                reduce_only=bool(raw.get("reduceOnly")),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise VenueError(Failure.UNKNOWN, "bad_order", f"the answer is not an order: {error!r}") from error


def _trade(raw: Any) -> VenueTrade:
    try:
        return VenueTrade(
            trade_id=int(raw["id"]),
            order_id=str(raw["orderId"]),
            side=Side(str(raw["side"]).lower()),
            quantity=Decimal(raw["qty"]),
            price=Decimal(raw["price"]),
            fee=Decimal(raw.get("commission") or "0"),
            fee_currency=str(raw.get("commissionAsset") or "USDT"),
            realised_pnl=Decimal(raw.get("realizedPnl") or "0"),
            maker=bool(raw.get("maker")),
            time=datetime.fromtimestamp(int(raw["time"]) / 1000, UTC),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise VenueError(Failure.UNKNOWN, "bad_trade", f"the answer is not a trade: {error!r}") from error
