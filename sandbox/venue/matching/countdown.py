"""The dead man's timer of `countdownCancelAll`: it cancels a symbol's normal book unless it is set again in time."""

import asyncio

from sandbox.venue.accounts.account import Account
from sandbox.venue.instruments import Market
from sandbox.venue.matching.exchange import Exchange


class Countdowns:
    """One timer for each account and symbol that set one."""

    def __init__(self, exchange: Exchange) -> None:
        self.fired = 0
        self._exchange = exchange
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def set(self, account: Account, symbol: str, milliseconds: int) -> None:
        """Start the timer anew, or with 0 stop it."""
        key = account.name, symbol
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()
        if milliseconds:
            run = asyncio.get_running_loop().call_later
            self._timers[key] = run(milliseconds / 1000, self._fire, account, symbol)

    def _fire(self, account: Account, symbol: str) -> None:
        self._timers.pop((account.name, symbol), None)
        self.fired += 1
        for order in account.open_orders(Market.USDM, symbol):
            self._exchange.cancel(order)

    def left(self, account: Account) -> dict[str, float]:
        """Seconds left on each of an account's timers, by symbol."""
        now = asyncio.get_running_loop().time()
        found = {symbol: timer for (name, symbol), timer in self._timers.items() if name == account.name}
        return {symbol: round(timer.when() - now, 3) for symbol, timer in found.items()}

    def clear(self) -> None:
        """Stop all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
