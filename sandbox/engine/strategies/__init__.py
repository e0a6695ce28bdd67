"""The strategies: each one file of pure decisions, and one line in this catalogue.

They exist to make honest order flow of three kinds, not to earn money; they lose about their fees.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.engine.strategies.mean_reversion import MeanReversion
from sandbox.engine.strategies.quoting import Quoting
from sandbox.engine.strategies.strategy import Strategy
from sandbox.engine.strategies.trend_following import TrendFollowing


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which strategy trades where: its name, the account it has for itself, and how it is made."""

    strategy: str
    account: str
    symbol: str
    build: Callable[[], Strategy]


ASSIGNMENTS: tuple[Assignment, ...] = (
    Assignment("mm-btc", "mm", "BTC/USDT:USDT", Quoting),
    Assignment("trend-btc", "trend", "BTC/USDT:USDT", TrendFollowing),
    Assignment("meanrev-btc", "meanrev", "BTC/USDT:USDT", MeanReversion),
)
