"""What the adapter has to know of an exchange, as data: one instance of `Exchange` in each file of this folder.

A request is written as the exchange's own documentation writes it, under the name that ccxt gives to the call.  Values
that begin with ``$`` are filled in: ``$symbol`` (the exchange's own name of a market; ``$unified``: ccxt's), ``$id``
and ``$ids`` (of orders), ``$client`` (a client order id), ``$wallet`` (the address of the account), and whatever
`Exchange.lists` names.

What is not established is left out.  An account is only called empty when every book of its products was read to the
end; so a missing book costs a verdict, and a wrong one costs money.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Params = Mapping[str, Any]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LastRow:
    """The next page begins after a field of the last row."""

    param: str
    key: str

    def after(self, payload: Any, rows: Sequence[Any], seen: int, page: int) -> Params | None:  # noqa: ARG002
        """What to ask for after this page; None: there is no more."""
        return {self.param: rows[-1].get(self.key)}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The answer names the next page itself; ``more``: and whether there is one."""

    param: str
    path: Path
    more: Path = ()

    def after(self, payload: Any, rows: Sequence[Any], seen: int, page: int) -> Params | None:  # noqa: ARG002
        """What to ask for after this page; None: there is no more."""
        value = None if self.more and not dig(payload, self.more) else dig(payload, self.path)
        return {self.param: value} if value not in (None, "", 0, "0", "-1") else None


@dataclass(frozen=True, slots=True)
class Numbered:
    """Pages are counted: an order that vanishes meanwhile moves the others, so that all is read twice."""

    param: str
    first: int = 1
    by_row: bool = False
    """The number is that of the first row, and not of the page."""

    def after(self, payload: Any, rows: Sequence[Any], seen: int, page: int) -> Params | None:  # noqa: ARG002
        """What to ask for after this page."""
        return {self.param: self.first + (seen if self.by_row else page)}


@dataclass(frozen=True, slots=True)
class Request:
    """One call: ``method`` is ccxt's name of it, ``params`` as documented.

    ``each``: the body is a list with one such entry for every order.  ``wrap``: the name that the list has in the body;
    ``first`` when ``params`` stand before it in one list (as ccxt wants it of what goes into the path).
    """

    method: str
    params: Params = field(default_factory=dict)
    each: Params | str | None = None
    wrap: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A read of a list: ``rows`` is the path to it in the answer (``*``: in every entry).

    ``page``: how many rows an answer holds at most (0: all there are), ``next`` how to get at those behind them.
    ``absent``: codes of refusals that mean that the exchange has no such list, so that nothing can be in it.
    """

    method: str
    params: Params = field(default_factory=dict)
    rows: Path = ()
    page: int = 0
    next: LastRow | Cursor | Numbered | None = None
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Values:
    """What stands for a placeholder, once for each entry of a list that the exchange gives.

    ``path``: to the value in an entry (empty: the entry itself).  ``fallback``: what is read when the list was never
    seen: enough for cancelling, not for a verdict.
    """

    listing: Listing
    path: Path = ()
    fallback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """A kind of market that an account can trade, with books of its own.

    ``types``: ccxt's market types; ``linear``: only contracts that are (True) or are not (False) settled in the quote
    currency; ``settles``: the currencies that its reads name: a market settled in another one is not covered.
    ``unread``: why nothing that this can hold is ever called empty.  ``spans``: an order of it is in several markets:
    it is seen in a read of the account and never in one of a symbol.  ``holdings``: ``positions``, ``balances`` (nobody
    can then say that there is no position), or ``none``.
    """

    name: str
    types: frozenset[str]
    linear: bool | None = None
    settles: frozenset[str] | None = None
    unread: str = ""
    spans: bool = False
    holdings: str = "positions"

    def resembles(self, market: Mapping[str, Any]) -> bool:
        """Whether this market (of ccxt) would belong to the product, whatever it is settled in."""
        if market.get("type") not in self.types:
            return False
        return self.linear is None or market.get("linear") is None or market.get("linear") is self.linear

    def holds(self, market: Mapping[str, Any]) -> bool:
        """Whether this market (of ccxt) belongs to the product."""
        return self.resembles(market) and (self.settles is None or market.get("settle") in self.settles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One list of open orders, of one or several products.

    ``account``: what reads all of it (empty: it can only be read symbol by symbol); ``symbol``: what reads one market
    (empty: ``account`` is read and the rest left out).  ``cancel`` cancels one order, ``batch`` up to ``batch_size``.
    ``cancel_symbol`` cancels one market and nothing else; ``cancel_account`` everything of the book.

    ``market`` is the path to the market's name in a row.  ``parse`` is ccxt's name of the method that reads a row
    (empty: the rows are ccxt's orders already).
    ``trigger``: its orders wait for a price.  ``remember``: placeholders that a cancel needs, each with the path to its
    value in the row of the order.  ``sideless``: its rows have neither side nor quantity (an OCO pair).  ``closed``: a
    field, and its values in the rows that are not open orders.
    """

    name: str
    products: tuple[str, ...]
    account: tuple[Listing, ...] = ()
    symbol: tuple[Listing, ...] = ()
    cancel: Request | None = None
    batch: Request | None = None
    batch_size: int = 10
    cancel_symbol: tuple[Request, ...] = ()
    cancel_account: tuple[Request, ...] = ()
    market: Path = ("symbol",)
    parse: str = "parse_order"
    trigger: bool = False
    remember: Mapping[str, Path] = field(default_factory=dict)
    sideless: bool = False
    closed: tuple[str, frozenset[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBook:
    """One list of positions: ``size`` is the path to the size in a row, which is not zero for a position."""

    name: str
    product: str
    account: tuple[Listing, ...]
    market: Path = ("symbol",)
    size: Path = ()
    parse: str = "parse_position"


@dataclass(frozen=True, slots=True)
class ClientIds:
    """What an exchange takes for a client order id, and how ours becomes one.

    Ours has at most 36 letters, digits and ``-._``.  One that fits is sent as it is (behind ``prefix``); else the start
    of its SHA-256 takes its place: always the same for one id, and (short of a collision) no two the same.
    """

    longest: int = 36
    others: str = "-._"
    prefix: str = ""
    form: str = "text"
    """``text``, ``hex`` (always 32 digits, behind the prefix), ``uuid`` or ``integer`` (63 bits)."""

    def of(self, client_order_id: str) -> str:
        """What stands for *client_order_id* at this exchange."""
        digest = hashlib.sha256(client_order_id.encode()).hexdigest()[:32]
        if self.form == "integer":
            return str(int(digest[:16], 16) >> 1 or 1)
        if self.form == "uuid":
            return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
        fits = len(client_order_id) <= self.longest and all(
            one.isascii() and (one.isalnum() or one in self.others) for one in client_order_id
        )
        return self.prefix + (client_order_id if fits and self.form == "text" else digest[: self.longest])


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Everything that the adapter knows of one exchange.

    ``options``: ccxt's options that a killer wants: no request, and no signature, that nobody asked for.  ``refuses``:
    options of ccxt under which nothing here is true.  ``prepare``: ccxt's methods (without arguments) that are called
    before the first kill, because they would else be called in it.

    ``mode``: one of ccxt's options that `prepare` learns, and the value under which alone all this is true.
    ``silenced``: methods of ccxt's that are made to do nothing, because they sign what nobody asked for.

    ``client_id``: paths to the client order id in a row where ccxt does not show it.  ``names``: fields of a market, in
    ccxt's ``info``, that hold further names of it.  ``contracts``: amounts are numbers of contracts (else of
    units); ``inverse_in_base``: those of inverse contracts are in the base currency.
    ``spot_id``, ``contract_id`` and, where they differ, ``inverse_id``: how the exchange makes its names, for a kill
    before its markets are loaded.

    ``time_in_force``: how IOC is spelt; ``client_param``: how the client order id.  ``order``: further parameters of a
    reduce-only order; ``hedged``: those of the side of a position in hedge mode; ``margin_mode``: the order has to name
    that of the position.  ``lookup``: finds an order by ``$client``.  ``largest``: paths in a market's ``info`` to the
    largest limit order.  ``depth``: how many price levels to ask for.  ``gone``: its codes for "no such order".
    ``lists``: placeholders whose values the exchange itself lists.
    """

    name: str
    products: tuple[Product, ...]
    books: tuple[Book, ...]
    positions: tuple[PositionBook, ...] = ()
    options: Params = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()
    prepare: tuple[str, ...] = ()
    mode: tuple[str, Any] | None = None
    silenced: tuple[str, ...] = ()
    client_ids: ClientIds = ClientIds()
    client_id: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    contracts: bool = True
    inverse_in_base: bool = False
    spot_id: str | None = None
    contract_id: str | None = None
    inverse_id: str | None = None
    time_in_force: str = "IOC"
    client_param: str = "clientOrderId"
    order: Params = field(default_factory=dict)
    margin_mode: bool = False
    hedged: Mapping[str, Params] = field(
        default_factory=lambda: {"long": {"hedged": True}, "short": {"hedged": True}},
    )
    lookup: Mapping[str, Listing] = field(default_factory=dict)
    largest: tuple[Path, ...] = ()
    depth: int | None = None
    gone: frozenset[str] = frozenset()
    lists: Mapping[str, Values] = field(default_factory=dict)
    known: bool = True
    """False for an exchange without a file: cancelled as well as ccxt can, never verified."""

    def product(self, name: str) -> Product:
        """The product of this name; raises KeyError."""
        for product in self.products:
            if product.name == name:
                return product
        raise KeyError(name)


def dig(value: Any, path: Path) -> Any:
    """What is at *path* in decoded JSON; None when it is not there."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def rows_at(payload: Any, path: Path) -> list[dict[str, Any]] | None:
    """The rows at *path*; None when there is no list there.

    ``*`` goes into every entry of a list; ``{}`` takes the values of a mapping, with their keys as ``id``.  A mapping
    at the end of the path is one row.
    """
    value = payload
    for number, key in enumerate(path):
        if key == "*":
            if not isinstance(value, list):
                return None
            parts = [rows_at(entry, path[number + 1 :]) for entry in value]
            return None if any(part is None for part in parts) else [row for part in parts for row in part or ()]
        if not isinstance(value, Mapping):
            return None
        if number == len(path) - 1 and key in value and value[key] is None:
            # A list that is there and null is an empty one; one that is not there may be anything.
            return []
        if key == "{}":
            value = [{"id": name, **entry} if isinstance(entry, Mapping) else entry for name, entry in value.items()]
        else:
            value = value.get(key)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or not all(row is None or isinstance(row, Mapping) for row in value):
        return None
    return [dict(row or {}) for row in value]


def entries_at(payload: Any, path: Path) -> list[Any] | None:
    """The entries of the list at *path*, whatever they are; None when there is no list there."""
    value = dig(payload, path)
    return value if isinstance(value, list) else None


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """*template* with its placeholders replaced; raises KeyError for one that has no value."""
    if isinstance(template, str) and template.startswith("$"):
        return values[template]
    if isinstance(template, Mapping):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, values) for value in template]
    return template


def placeholders(template: Any) -> frozenset[str]:
    """The placeholders in *template*."""
    if isinstance(template, str):
        return frozenset({template} if template.startswith("$") else ())
    inner = template.values() if isinstance(template, Mapping) else template if isinstance(template, list) else ()
    return frozenset(name for value in inner for name in placeholders(value))
