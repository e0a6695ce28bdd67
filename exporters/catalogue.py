"""The exporters there are: one line each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from exporters.anomaly import exporter as anomaly
from exporters.market_data import exporter as market_data
from exporters.scrape import GUARD_SERIES
from exporters.series import Series
from exporters.serve import Exporter
from exporters.settings import Listen, Settings
from exporters.system import exporter as system
from exporters.trading import exporter as trading


@dataclass(frozen=True, slots=True)
class Entry:
    """How to build one exporter, where it listens, and every series it may serve, besides prometheus-client's own."""

    build: Callable[[Settings], Exporter]
    listen: Callable[[Settings], Listen]
    series: Sequence[Series]


EXPORTERS: Final[dict[str, Entry]] = {
    "system": Entry(lambda s: system.build(s.system), lambda s: s.system.listen, (*system.SERIES, *GUARD_SERIES)),
    "market-data": Entry(
        lambda s: market_data.build(s.market_data), lambda s: s.market_data.listen, (*market_data.SERIES, *GUARD_SERIES)
    ),
    "trading": Entry(lambda s: trading.build(s.trading), lambda s: s.trading.listen, (*trading.SERIES, *GUARD_SERIES)),
    "anomaly": Entry(lambda s: anomaly.build(s.anomaly), lambda s: s.anomaly.listen, (*anomaly.SERIES, *GUARD_SERIES)),
}
