"""What is traded: ten perpetuals and the same ten as spot, with the filters that orders are checked against."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

QUOTE = "USDT"


class Market(StrEnum):
    """The two sides of the venue; the value is what `?market=` and metrics say."""

    SPOT = "spot"
    USDM = "usdm"


@dataclass(frozen=True, slots=True)
class Bracket:
    """One step of the maintenance margin table: for notionals from `floor` up to `cap` (USDT)."""

    floor: Decimal
    cap: Decimal
    rate: Decimal
    cumulative: Decimal
    leverage: int


def _brackets() -> tuple[Bracket, ...]:
    steps = [(0, 50_000, "0.004", 125), (50_000, 600_000, "0.005", 100), (600_000, 3_000_000, "0.01", 50)]
    steps += [(3_000_000, 12_000_000, "0.02", 20), (12_000_000, 1_000_000_000, "0.05", 10)]
    made: list[Bracket] = []
    for floor, cap, rate, leverage in steps:
        # The maintenance amount must not jump at a step: cum(n) = cum(n-1) + floor(n) * (rate(n) - rate(n-1)).
        before = made[-1] if made else None
        cumulative = before.cumulative + floor * (Decimal(rate) - before.rate) if before else Decimal(0)
        made.append(Bracket(Decimal(floor), Decimal(cap), Decimal(rate), cumulative, leverage))
    return tuple(made)


BRACKETS = _brackets()


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol of one market: `tick` and `step` are the smallest price and quantity increments."""

    symbol: str
    base: str
    market: Market
    tick: Decimal
    step: Decimal
    min_notional: Decimal
    start_price: Decimal
    max_quantity: Decimal = Decimal(1_000_000)

    def floor_price(self, price: Decimal) -> Decimal:
        """The nearest price on the grid that is not above `price`."""
        return (price // self.tick) * self.tick

    def exchange_info(self) -> dict[str, Any]:
        """The symbol's entry of `exchangeInfo`, as far as clients use it."""
        tick, step = format(self.tick, "f"), format(self.step, "f")
        decimals = len(tick.partition(".")[2]), len(step.partition(".")[2])
        largest, notional = format(self.max_quantity, "f"), format(self.min_notional, "f")
        shared = {
            "symbol": self.symbol,
            "status": "TRADING",
            "baseAsset": self.base,
            "quoteAsset": QUOTE,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
        }
        price_filter = {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick}
        lot_filters = [
            {"filterType": kind, "minQty": step, "maxQty": largest, "stepSize": step}
            for kind in ("LOT_SIZE", "MARKET_LOT_SIZE")
        ]
        if self.market is Market.SPOT:
            return {
                **shared,
                "quoteAssetPrecision": 8,
                "orderTypes": SPOT_TYPES,
                "icebergAllowed": False,
                "ocoAllowed": False,
                "quoteOrderQtyMarketAllowed": True,
                "allowTrailingStop": False,
                "cancelReplaceAllowed": False,
                "isSpotTradingAllowed": True,
                "isMarginTradingAllowed": False,
                "filters": [
                    price_filter,
                    *lot_filters,
                    {"filterType": "NOTIONAL", "minNotional": notional, "applyMinToMarket": True, "avgPriceMins": 0},
                    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 10_000},
                ],
                "permissions": [],
                "permissionSets": [["SPOT"]],
                "defaultSelfTradePreventionMode": "NONE",
                "allowedSelfTradePreventionModes": ["NONE"],
            }
        return {
            **shared,
            "pair": self.symbol,
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000,
            "marginAsset": QUOTE,
            "pricePrecision": decimals[0],
            "quantityPrecision": decimals[1],
            "underlyingType": "COIN",
            "underlyingSubType": [],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012500",
            "marketTakeBound": "0.05",
            "orderTypes": USDM_TYPES,
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
            "filters": [
                price_filter,
                *lot_filters,
                {"filterType": "MAX_NUM_ORDERS", "limit": 10_000},
                {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10_000},
                {"filterType": "MIN_NOTIONAL", "notional": notional},
            ],
        }


SPOT_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
USDM_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]

# base, first price of the synthetic walk, tick, step, smallest notional of the perpetual
_PERPETUALS = [
    ("BTC", "61800.00", "0.10", "0.001", "100"),
    ("ETH", "2650.00", "0.01", "0.001", "20"),
    ("SOL", "155.00", "0.01", "0.01", "5"),
    ("BNB", "512.00", "0.01", "0.01", "5"),
    ("XRP", "0.6000", "0.0001", "0.1", "5"),
    ("ADA", "0.3400", "0.0001", "1", "5"),
    ("DOGE", "0.10400", "0.00001", "1", "5"),
    ("LINK", "10.500", "0.001", "0.01", "5"),
    ("LTC", "58.00", "0.01", "0.001", "5"),
    ("DOT", "4.600", "0.001", "0.1", "5"),
]


def catalogue() -> dict[Market, dict[str, Instrument]]:
    """All instruments by market and symbol.  Spot has the perpetual's grid or a finer one: one feed can drive both."""
    perpetuals = [
        Instrument(
            symbol=f"{base}{QUOTE}",
            base=base,
            market=Market.USDM,
            tick=Decimal(tick),
            step=Decimal(step),
            min_notional=Decimal(notional),
            start_price=Decimal(price),
        )
        for base, price, tick, step, notional in _PERPETUALS
    ]
    spot = [replace(one, market=Market.SPOT, min_notional=Decimal(5)) for one in perpetuals]
    spot[0] = replace(spot[0], tick=Decimal("0.01"), step=Decimal("0.00001"))
    return {
        Market.USDM: {one.symbol: one for one in perpetuals},
        Market.SPOT: {one.symbol: one for one in spot},
    }
