"""What series are kept by: their labels, and the values of these."""

from typing import Final, NamedTuple

StrategyKey = tuple[str, str, str]
"""venue, account, strategy (empty: the whole account)."""
EquityKey = tuple[str, str, str, str]
"""venue, account, strategy (empty: the whole account), currency."""
InstrumentKey = tuple[str, str, str, str]
"""venue, account, strategy, symbol."""

BOOK: Final = "venue account strategy"
MONEY: Final = "venue account strategy currency"
INSTRUMENT: Final = "venue account strategy symbol"
IN_CURRENCY: Final = "money in `currency`"


class Currencies(NamedTuple):
    """What a symbol says: ``BTC/USDT:USDT`` is of the base BTC, quoted and settled in USDT; empty where it does not."""

    base: str
    quote: str
    settle: str

    @property
    def inverse(self) -> bool:
        """It is settled in its own base, as a coin-margined contract is."""
        return self.settle == self.base != ""

    @classmethod
    def of(cls, symbol: str) -> "Currencies":
        """Read a unified symbol; spot is settled in its quote."""
        pair, _, settle = symbol.partition(":")
        base, slash, quote = pair.partition("/")
        return cls(base if slash else "", quote, settle.partition("-")[0] or quote)
