"""Who owns what: accounts, their keys, positions, balances, and the arithmetic of margin."""

import json
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from sandbox.venue.instruments import BRACKETS, QUOTE, Market
from sandbox.venue.orders.order import AlgoOrder, Order, Side, Trade

ZERO = Decimal(0)
DEFAULT_LEVERAGE = 20
# How many finished orders, and trades per symbol, an account can still be asked about.
HISTORY = 20_000


class AccountsFileError(Exception):
    """The accounts file cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of an account; the name is for logs."""

    name: str
    api_key: str
    secret: bytes


@dataclass(slots=True)
class Position:
    """A one-way position: signed quantity, mean entry price, realised profit since the start (before fees)."""

    symbol: str
    quantity: Decimal = ZERO
    entry: Decimal = ZERO
    realised: Decimal = ZERO
    leverage: int = DEFAULT_LEVERAGE
    update_time: int = 0

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit if it were closed at the mark."""
        return (mark - self.entry) * self.quantity

    def fill(self, signed: Decimal, price: Decimal) -> Decimal:
        """Add a signed quantity at a price; returns the profit this realised."""
        before = self.quantity
        after = before + signed
        realised = ZERO
        if before == 0 or (before > 0) == (signed > 0):
            self.entry = (self.entry * abs(before) + price * abs(signed)) / abs(after)
        else:
            closed = min(abs(before), abs(signed))
            realised = (price - self.entry) * (closed if before > 0 else -closed)
            if after == 0:
                self.entry = ZERO
            elif (after > 0) != (before > 0):
                self.entry = price
        self.quantity = after
        self.realised += realised
        return realised


@dataclass(slots=True)
class Holding:
    """A spot balance."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Margin:
    """A futures account at one moment, in USDT."""

    wallet: Decimal
    unrealised: Decimal
    position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal

    @property
    def balance(self) -> Decimal:
        """Wallet and unrealised profit: the account's equity."""
        return self.wallet + self.unrealised

    @property
    def initial(self) -> Decimal:
        """What positions and resting orders tie up."""
        return self.position_initial + self.order_initial

    @property
    def available(self) -> Decimal:
        """What new orders may use; never negative."""
        return max(ZERO, self.balance - self.initial)


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


def maintenance_margin(notional: Decimal) -> Decimal:
    """What a position of this notional must be backed by, in USDT."""
    bracket = next((one for one in BRACKETS if notional < one.cap), BRACKETS[-1])
    return max(ZERO, notional * bracket.rate - bracket.cumulative)


def load_accounts(path: Path) -> tuple[Account, ...]:
    """Read the accounts file (docs/sandbox.md says its shape); raises AccountsFileError."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise AccountsFileError(f"{path}: no such file (`make secrets` writes one)") from None
    except (OSError, ValueError) as error:
        raise AccountsFileError(f"{path}: {error}") from error
    try:
        accounts = tuple(_account(entry) for entry in content["accounts"])
    except KeyError as error:
        raise AccountsFileError(f"{path}: the field {error} is missing") from error
    except (TypeError, InvalidOperation) as error:
        raise AccountsFileError(f"{path}: not of the shape that docs/sandbox.md gives: {error}") from error
    names = [account.name for account in accounts]
    keys = [key.api_key for account in accounts for key in account.keys]
    for what, values in (("account name", names), ("api_key", keys)):
        if len(set(values)) != len(values):
            raise AccountsFileError(f"{path}: the same {what} appears twice")
    if not accounts:
        raise AccountsFileError(f"{path}: no accounts")
    return accounts


def _account(entry: Mapping[str, Any]) -> Account:
    return Account(
        name=str(entry["name"]),
        keys=tuple(
            ApiKey(name=str(key["name"]), api_key=str(key["api_key"]), secret=str(key["secret"]).encode())
            for key in entry["keys"]
        ),
        deposits={str(asset): Decimal(str(amount)) for asset, amount in entry["balances"].items()},
    )


def new_client_id() -> str:
    """An id for an order whose owner did not give one."""
    return secrets.token_hex(11)
