"""The markets of one account: their names, the products they belong to, and what one unit of an amount is worth."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from webhook.venues.ccxt.exchanges.model import Exchange, Product, dig
from webhook.venues.names import MarketNames

_SIGNIFICANT = 12


class Markets:
    """Knows the exchange's names before its markets are loaded, where it can guess them, and all of them after.

    *products*: what the account can trade; *ids*: the exchange's own names by unified symbol, from the configuration.
    """

    def __init__(
        self, exchange: Exchange, products: Sequence[Product], ids: Mapping[str, str], configured: Iterable[str]
    ) -> None:
        self._exchange = exchange
        self._products = tuple(products)
        self._ids = dict(ids)
        self._configured = tuple(configured)
        self._by_symbol: dict[str, Mapping[str, Any]] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._names: MarketNames | None = None
        self._missing: dict[str, str] = {}
        self._strangers: tuple[str, ...] = ()
        self._units: dict[str, Decimal] = {}
        for symbol in self._configured:
            own = self.own_name(symbol)
            for product in self.products_of(symbol) or () if own else ():
                self._by_name[product.name, (own or "").casefold()] = symbol

    @property
    def loaded(self) -> bool:
        """Whether the exchange's own markets are known; before that, names are guessed."""
        return self._names is not None

    def load(self, markets: Mapping[str, Mapping[str, Any]]) -> None:
        """Take the markets that ccxt has loaded."""
        by_name: dict[tuple[str, str], str] = {}
        missing: dict[str, str] = {}
        names: list[tuple[str, Collection[str]]] = []
        strangers: list[str] = []
        for symbol, market in markets.items():
            own = self._own_names(market)
            names.append((symbol, own))
            for product in self._exchange.products:
                if product.holds(market):
                    by_name |= dict.fromkeys(((product.name, name.casefold()) for name in own), symbol)
            # A product without holdings (an algorithm, a spread) works in markets that belong to others.
            proper = [product for product in self._exchange.products if product.holdings != "none"]
            holders = [product for product in proper if product.holds(market)]
            alike = [product for product in proper if product.resembles(market)]
            if not alike:
                strangers.append(symbol)
            for product in alike if not holders else ():
                missing.setdefault(product.name, f"{symbol} is settled in {market.get('settle')}")
        self._by_symbol, self._by_name, self._missing = dict(markets), by_name, missing
        self._strangers = tuple(strangers)
        self._names = MarketNames(names)

    def unknown(self, symbols: Iterable[str]) -> list[str]:
        """Those of *symbols* that the exchange does not list."""
        return [symbol for symbol in symbols if symbol not in self._by_symbol]

    def resolve(self, text: str) -> frozenset[str] | None:
        """See `webhook.actions.port.Venue.resolve`."""
        return None if self._names is None else self._names.resolve(text)

    def unified(self, symbols: Collection[str]) -> tuple[str, ...]:
        """*symbols* as the markets they name: what is only another name of one that is there falls away.

        An own name that stands alone means every market that has it; one that no market has stays as it is.
        """
        chosen = [symbol for symbol in symbols if "/" in symbol or symbol in self._by_symbol]
        told = {name for symbol in chosen for name in self._own_names(self._by_symbol.get(symbol, {}))}
        told |= {own for symbol in chosen if (own := self.own_name(symbol))}
        for name in symbols:
            if name not in chosen and name not in told:
                meant = self._names.markets(name) if self._names else frozenset()
                chosen += sorted(meant) or [name]
        return tuple(dict.fromkeys(chosen))

    def market(self, symbol: str) -> Mapping[str, Any] | None:
        """The exchange's own market, as ccxt has it; never a guess."""
        return self._by_symbol.get(symbol)

    def own_name(self, symbol: str) -> str | None:
        """The exchange's own name of *symbol*: loaded, configured, guessed, or None."""
        if market := self._by_symbol.get(symbol):
            return str(market["id"])
        if symbol in self._ids:
            return self._ids[symbol]
        if "/" not in symbol:
            return symbol
        pair, _, settle = symbol.partition(":")
        base, _, quote = pair.partition("/")
        form = self._exchange.contract_id if settle else self._exchange.spot_id
        if settle == base:
            form = self._exchange.inverse_id or form
        if form is None or "-" in symbol:
            return None
        return form.format(base=base, quote=quote, settle=settle)

    def symbol(self, products: Iterable[str], own_name: str) -> str | None:
        """The unified symbol of a market of one of *products* by one of its own names."""
        key = own_name.casefold()
        return next((found for name in products if (found := self._by_name.get((name, key)))), None)

    def products_of(self, symbol: str) -> tuple[Product, ...] | None:
        """The products of the account that can hold an order of *symbol*; None when that is not known."""
        market = self._by_symbol.get(symbol) or _kind_of(symbol)
        if market is None:
            return None
        return tuple(product for product in self._products if product.holds(market))

    def gap(self, products: Iterable[Product]) -> str | None:
        """Why reads of *products* cannot be said to cover everything in them; None when they do."""
        for product in products:
            if product.settles is None:
                continue
            if not self.loaded:
                return "its markets are not loaded yet"
            if missing := self._missing.get(product.name):
                return f"{product.name}: {missing}, which is not read"
        return None

    @property
    def strangers(self) -> tuple[str, ...]:
        """Markets that belong to no product of the exchange's file."""
        return self._strangers if self.loaded else ()

    def unit(self, symbol: str, price: Decimal | None = None) -> Decimal | None:
        """How many base units one unit of the exchange's amounts is; None when that cannot be known.

        A contract of an inverse market is worth a fixed sum of the quote currency.  It is turned into base units at the
        first price that is seen, and so from then on: numbers of contracts stay comparable, and turn back without loss.
        """
        market = self._by_symbol.get(symbol)
        if market is None:
            return None
        size = Decimal(1)
        if market.get("contract"):
            if self._exchange.contracts:
                size = Decimal(str(market.get("contractSize") or 1))
            if self._by_face(market):
                if symbol not in self._units and price:
                    digits = Decimal(1).scaleb((size / price).adjusted() - _SIGNIFICANT + 1)
                    self._units[symbol] = (size / price).quantize(digits)
                return self._units.get(symbol)
        return size

    def value(self, symbol: str, amount: Decimal) -> Decimal | None:
        """What *amount* (in the exchange's units) of an inverse market is worth in quote units; None for others."""
        market = self._by_symbol.get(symbol)
        if market is None or not self._by_face(market):
            return None
        return amount * Decimal(str(market.get("contractSize") or 1) if self._exchange.contracts else "1")

    def _by_face(self, market: Mapping[str, Any]) -> bool:
        """Whether amounts of *market* are a fixed sum of the quote currency each."""
        return bool(market.get("inverse")) and market.get("type") != "option" and not self._exchange.inverse_in_base

    def _own_names(self, market: Mapping[str, Any]) -> frozenset[str]:
        names = (market.get("id"), *(dig(market.get("info"), (field,)) for field in self._exchange.names))
        return frozenset(str(name) for name in names if name)


def _kind_of(symbol: str) -> Mapping[str, Any] | None:
    """What a unified symbol says of its market; None when it is none."""
    pair, colon, rest = symbol.partition(":")
    base, slash, _ = pair.partition("/")
    if not slash:
        return None
    if not colon:
        return {"type": "spot"}
    settle, dash, term = rest.partition("-")
    kind = "swap" if not dash else "option" if term.endswith(("-C", "-P")) else "future"
    return {"type": kind, "linear": settle != base, "settle": settle}
