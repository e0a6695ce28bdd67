"""Client order ids: who sent an order is written into the order itself, for every restart of the engine.

The kill path finds the owner of an order by the prefix: every id is ``<strategy>_<base36>``, at most 36 characters.
"""

from sandbox.engine.clock import Clock

MAXIMUM_LENGTH = 36
"""Binance's limit for ``newClientOrderId``."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int) -> str:
    """Write a number that is not negative in base 36, in lower case."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if number == 0:
            return digits


class ClientOrderIds:
    """Ids of one strategy: each one new, also after a restart, as long as the clock is not set back over one.

    The number is the time in microseconds, or one more than the last where two fall together.
    """

    def __init__(self, strategy: str, clock: Clock) -> None:
        self.prefix = f"{strategy}_"
        self._clock = clock
        self._last = 0
        longest = len(self.prefix) + len(base36(10**16))
        if longest > MAXIMUM_LENGTH:
            raise ValueError(f"strategy name {strategy!r} is too long for a client order id ({longest} characters)")

    def next(self) -> str:
        """Give an id that was never given before."""
        return self.prefix + base36(self._number())

    def next_parent(self) -> str:
        """Give an id for a parent order; it never goes to a venue."""
        return f"{self.prefix}p{base36(self._number())}"

    def owns(self, client_order_id: str | None) -> bool:
        """Say whether an order of the venue is one of this strategy."""
        return client_order_id is not None and client_order_id.startswith(self.prefix)

    def _number(self) -> int:
        now = self._clock()
        self._last = max(self._last + 1, int(now.timestamp() * 1_000_000))
        return self._last
