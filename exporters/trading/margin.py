"""How near each account is to liquidation by its venue."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from exporters.series import gauge

WalletKey = tuple[str, str, str]
"""venue, account, currency."""

MARGIN_USAGE: Final = gauge(
    "trading_margin_usage_ratio",
    "venue account currency",
    "kill",
    "ratio (liquidation at 1); `+Inf` without any margin balance",
    "`margin` events, `equity` events with margin",
    "Maintenance margin over margin balance of each wallet of the account; a wallet is known by its currency.",
)
SERIES: Final = (MARGIN_USAGE,)


@dataclass(slots=True)
class Wallet:
    """The last margin said for a wallet, by a *strategy* or (empty) by the account itself, whose word goes first."""

    balance: Decimal
    maintenance: Decimal
    strategy: str

    def dump(self) -> list[Any]:
        """As plain JSON."""
        return [str(self.balance), str(self.maintenance), self.strategy]

    @classmethod
    def restored(cls, saved: Any) -> "Wallet":
        """What ``dump`` gave."""
        balance, maintenance, strategy = saved
        return cls(Decimal(balance), Decimal(maintenance), str(strategy))


def margin(wallets: Mapping[WalletKey, Wallet]) -> Iterator[Metric]:
    """Margin usage; without any balance to hold a margin it is infinite, and without both it is unknown."""
    rows = []
    for key, each in wallets.items():
        if each.balance > 0:
            rows.append((key, float(each.maintenance / each.balance)))
        elif each.maintenance > 0:
            rows.append((key, float("inf")))
    yield MARGIN_USAGE.family(rows)
