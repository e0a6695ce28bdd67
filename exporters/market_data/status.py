"""What a venue says of its symbols: whether they trade."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import gauge

STATUS: Final = gauge(
    "market_data_trading_status",
    "venue symbol status",
    "rest",
    "boolean",
    "the venue's list of symbols",
    "1 for what the venue says of the symbol, 0 for the others: trading, halt, break, auction, unknown (it does not "
    "list the symbol, says something else, or has not answered lately); absent where nobody asks.",
)
SERIES: Final = (STATUS,)

STATUSES: Final = ("trading", "halt", "break", "auction", "unknown")

WORDS: Final = {
    "TRADING": "trading",
    "ONLINE": "trading",
    "LIVE": "trading",
    "OPEN": "trading",
    "ACTIVE": "trading",
    "HALT": "halt",
    "HALTED": "halt",
    "SUSPEND": "halt",
    "SUSPENDED": "halt",
    "PAUSED": "halt",
    "BREAK": "break",
    "CLOSED": "break",
    "END_OF_DAY": "break",
    "SETTLING": "break",
    "PENDING_TRADING": "break",
    "PRE_TRADING": "auction",
    "POST_TRADING": "auction",
    "AUCTION": "auction",
    "AUCTION_MATCH": "auction",
}
"""The venues' words -> one of STATUSES."""


def families(rows: Iterable[tuple[tuple[str, str], str]]) -> Iterator[Metric]:
    """*rows* are venue and symbol, and the status."""
    yield STATUS.family(((*labels, each), float(each == said)) for labels, said in rows for each in STATUSES)
