"""What the market data exporter shows of markets that a test has filled."""

from exporters.market_data.exporter import collectors
from exporters.market_data.markets import Markets
from tests.exporters.lines import values


def shown(markets: Markets) -> dict[str, float]:
    """Every sample, of both sets."""
    return values(family for each in collectors(markets) for family in each.read())
