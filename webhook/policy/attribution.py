"""Whose order it is, and whose position.

Orders carry the client order id of the engine that sent them; a strategy owns the ids that begin with its prefixes.
Positions carry nothing: they can be attributed only where one strategy has an account, or a symbol of it, for itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

KNOWN_ORDERS = 50_000
"""Of so many orders the owner is remembered."""


class OrderLike(Protocol):
    """What attribution needs to know of an order."""

    @property
    def client_order_id(self) -> str | None:
        """As the venue shows it."""

    @property
    def symbol(self) -> str:
        """In the form that labels use."""


@dataclass(frozen=True, slots=True)
class StrategyOwnership:
    """What one strategy owns in one venue account.

    ``prefixes`` begin its client order ids.  ``exclusive``: nobody else trades in this account, or, with ``symbols``,
    in these symbols of it.
    """

    strategy: str
    venue: str
    account: str
    prefixes: tuple[str, ...] = ()
    exclusive: bool = False
    symbols: tuple[str, ...] | None = None

    def has_to_itself(self, symbol: str) -> bool:
        """Whether everything in *symbol* of this account is this strategy's."""
        return self.exclusive and (self.symbols is None or symbol in self.symbols)


class Attribution:
    """The owners of all accounts; immutable after it was made."""

    def __init__(self, owners: tuple[StrategyOwnership, ...]) -> None:
        self.owners = owners
        self._of: dict[tuple[str, str], tuple[StrategyOwnership, ...]] = {}
        for owner in owners:
            key = (owner.venue, owner.account)
            self._of[key] = (*self._of.get(key, ()), owner)
        # Every goal of an account asks for the owner of every order at every read.
        self._prefix_owner = lru_cache(KNOWN_ORDERS)(self._find_prefix_owner)
        self._exclusive_owner = lru_cache(KNOWN_ORDERS)(self._find_exclusive_owner)

    def owner_of(self, venue: str, account: str, client_order_id: str | None, symbol: str) -> str | None:
        """The strategy that owns an order; None when nobody does."""
        return self._exclusive_owner(venue, account, symbol) or self._prefix_owner(venue, account, client_order_id)

    def may_own(self, strategy: str, venue: str, account: str, order: OrderLike) -> bool:
        """Whether *order*, resting in this account, is to be cancelled when *strategy* is stopped.

        Where two could claim one (the prefix of one strategy in the symbol of another) it is of either: too much is
        cancelled rather than too little.  An order that nobody owns is in every scope that names no strategy.
        """
        return strategy in (
            self._exclusive_owner(venue, account, order.symbol),
            self._prefix_owner(venue, account, order.client_order_id),
        )

    def owns_position(self, strategy: str, venue: str, account: str, symbol: str) -> bool:
        """Whether the position in *symbol* is certainly this strategy's; never True for one of several owners."""
        return strategy == self._exclusive_owner(venue, account, symbol)

    def positions_attributable(
        self, strategy: str | None, symbols: Collection[str] | None, venue: str, account: str
    ) -> bool:
        """Whether positions of *strategy* in this account can be told from others, and so may be closed.

        True where no strategy is named; else only where it is exclusive in the account, or in symbols of it (and in one
        of *symbols*, if those are named).
        """
        if strategy is None:
            return True
        return any(
            any(owner.has_to_itself(symbol) for symbol in symbols) if symbols is not None else owner.exclusive
            for owner in self._of.get((venue, account), ())
            if owner.strategy == strategy
        )

    def has_whole_account(self, strategy: str, venue: str, account: str) -> bool:
        """Whether everything in this account is this strategy's."""
        return any(
            owner.strategy == strategy and owner.exclusive and owner.symbols is None
            for owner in self._of.get((venue, account), ())
        )

    def _find_exclusive_owner(self, venue: str, account: str, symbol: str) -> str | None:
        owners = self._of.get((venue, account), ())
        by_symbol = [owner for owner in owners if owner.symbols is not None and owner.has_to_itself(symbol)]
        whole = [owner for owner in owners if owner.symbols is None and owner.exclusive]
        return next((owner.strategy for owner in (*by_symbol, *whole)), None)

    def _find_prefix_owner(self, venue: str, account: str, client_order_id: str | None) -> str | None:
        if not client_order_id:
            return None
        claims = [
            (len(prefix), owner.strategy)
            for owner in self._of.get((venue, account), ())
            for prefix in owner.prefixes
            if prefix and client_order_id.startswith(prefix)
        ]
        return max(claims)[1] if claims else None
