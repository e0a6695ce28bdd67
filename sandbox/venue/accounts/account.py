"""Who owns what: accounts, their keys, their open orders, and what they did."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.venue.accounts.balances import DEFAULT_LEVERAGE, Holding, Margin, Position, maintenance_margin
from sandbox.venue.instruments import QUOTE, Market
from sandbox.venue.orders.order import ALGO, AlgoOrder, Order, Side, Trade

ZERO = Decimal(0)
# How many finished orders, and trades per symbol, an account can still be asked about.
HISTORY = 20_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of an account; the name is for logs."""

    name: str
    api_key: str
    secret: bytes


@dataclass(slots=True)
class Resting:
    """Notional of an account's resting orders on one symbol that would add exposure, by side."""

    bids: Decimal = ZERO
    asks: Decimal = ZERO


@dataclass(slots=True)
class Account:
    """One account: its keys, both wallets, its open orders in both books and what it did."""

    name: str
    keys: tuple[ApiKey, ...]
    deposits: Mapping[str, Decimal]
    wallet: Decimal = ZERO
    fees: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    resting: dict[str, Resting] = field(default_factory=dict)
    open: dict[Market, dict[int, Order]] = field(default_factory=dict)
    algo: dict[int, AlgoOrder] = field(default_factory=dict)
    # Client ids are unique among open orders of one book, whatever the symbol.
    open_ids: dict[tuple[str, str], Order | AlgoOrder] = field(default_factory=dict)
    known: dict[tuple[str, int], Order | AlgoOrder] = field(default_factory=dict)
    known_ids: dict[tuple[str, str], Order | AlgoOrder] = field(default_factory=dict)
    trades: dict[tuple[Market, str], deque[Trade]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with the deposits."""
        self.reset()

    def reset(self) -> None:
        """Back to the deposits: nothing open, nothing held, nothing remembered."""
        self.wallet = self.deposits.get(QUOTE, ZERO)
        self.fees = ZERO
        for book in (self.positions, self.resting, self.algo, self.open_ids, self.known, self.known_ids, self.trades):
            book.clear()
        self.holdings = {asset: Holding(free=amount) for asset, amount in self.deposits.items()}
        self.open = {market: {} for market in Market}

    def position(self, symbol: str) -> Position:
        """The position of a symbol, flat if there was none."""
        found = self.positions.get(symbol)
        if found is None:
            found = self.positions[symbol] = Position(symbol)
        return found

    def holding(self, asset: str) -> Holding:
        """The spot balance of an asset, empty if there was none."""
        found = self.holdings.get(asset)
        if found is None:
            found = self.holdings[asset] = Holding()
        return found

    def rest(self, order: Order, quantity: Decimal) -> None:
        """Count (or with a negative quantity, stop counting) a resting futures order for margin."""
        if order.reduce_only or order.market is not Market.USDM:
            return
        resting = self.resting.setdefault(order.symbol, Resting())
        if order.side is Side.BUY:
            resting.bids += quantity * order.price
        else:
            resting.asks += quantity * order.price

    def remember(self, book: str, number: int, client_id: str, order: Order | AlgoOrder) -> None:
        """Keep an order for later questions; the oldest are forgotten."""
        self.known[book, number] = order
        self.known_ids[book, client_id] = order
        while len(self.known) > HISTORY:
            oldest = next((key for key, one in self.known.items() if not one.is_open), None)
            if oldest is None:
                break
            gone = self.known.pop(oldest)
            name = gone.client_algo_id if isinstance(gone, AlgoOrder) else gone.client_order_id
            if self.known_ids.get((oldest[0], name)) is gone:
                del self.known_ids[oldest[0], name]

    def open_orders(self, market: Market, symbol: str | None) -> list[Order]:
        """Open orders of the normal book, oldest first; of all symbols for None."""
        return [one for one in self.open[market].values() if symbol is None or one.symbol == symbol]

    def open_algos(self, symbol: str | None) -> list[AlgoOrder]:
        """Open conditional orders, oldest first; of all symbols for None."""
        return [one for one in self.algo.values() if symbol is None or one.symbol == symbol]

    def find(self, market: Market, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """An order that is open or was, by the venue's id or else by the client's (the latest with that id)."""
        book = market.value
        found = self.known.get((book, order_id)) if order_id is not None else None
        if order_id is None and client_id is not None:
            found = self.known_ids.get((book, client_id))
        return found if isinstance(found, Order) and found.symbol == symbol else None

    def find_algo(self, algo_id: int | None, client_id: str | None) -> AlgoOrder | None:
        """A conditional order that is open or was."""
        found = self.known.get((ALGO, algo_id)) if algo_id is not None else None
        if algo_id is None and client_id is not None:
            found = self.known_ids.get((ALGO, client_id))
        return found if isinstance(found, AlgoOrder) else None

    def record(self, market: Market, trade: Trade) -> None:
        """Keep a trade for later questions."""
        self.trades.setdefault((market, trade.symbol), deque(maxlen=HISTORY)).append(trade)

    def margin(self, marks: Mapping[str, Decimal]) -> Margin:
        """The futures account at the given mark prices."""
        unrealised = position_initial = order_initial = maintenance = ZERO
        for position in self.positions.values():
            if position.quantity:
                mark = marks[position.symbol]
                notional = abs(position.quantity * mark)
                unrealised += position.unrealised(mark)
                position_initial += notional / position.leverage
                maintenance += maintenance_margin(notional)
        for symbol in self.resting:
            order_initial += self.order_margin(symbol, marks[symbol])
        return Margin(self.wallet, unrealised, position_initial, order_initial, maintenance)

    def order_margin(self, symbol: str, mark: Decimal, bids: Decimal = ZERO, asks: Decimal = ZERO) -> Decimal:
        """What the symbol's resting orders (and the extra notionals given) tie up beyond the position itself."""
        resting = self.resting.get(symbol)
        position = self.positions.get(symbol)
        held = position.quantity * mark if position else ZERO
        if resting:
            bids += resting.bids
            asks += resting.asks
        # Both sides cannot make the position larger at once: the worse one counts.
        worst = max(abs(held + bids), abs(held - asks))
        leverage = position.leverage if position else DEFAULT_LEVERAGE
        return max(ZERO, worst - abs(held)) / leverage
