"""What shadow mode would have touched, in words: for the page, the command line and notices alike."""

from collections.abc import Iterator, Mapping
from typing import Any


def touched(orders: int, positions: int, detail: Mapping[str, Any]) -> Iterator[str]:
    """One line for each order and position that *detail* lists, and one for those that it leaves out.

    *detail* is that of a `webhook.killswitch.trip.Progress` in shadow mode; *orders* and *positions* are how many there
    are in all.
    """
    for order in detail.get("orders", ()):
        quantity = order["quantity"] or "an unknown quantity of"
        at = f" at {order['price']}" if order["price"] else ""
        owner = f"of {order['owner']}" if order["owner"] else "of no configured strategy"
        yield (
            f"would cancel {order['client_order_id'] or order['order_id']} {owner}: "
            f"{order['side']} {quantity} {order['symbol']}{at}, worth {order['notional']}"
        )
    for held in detail.get("positions", ()):
        side = "" if held["side"] == "both" else f" ({held['side']})"
        yield f"would close {held['quantity']} {held['symbol']}{side}, worth {held['notional']} {held['currency']}"
    more = orders + positions - len(detail.get("orders", ())) - len(detail.get("positions", ()))
    if more > 0:
        yield f"and {more} more that are not listed"
