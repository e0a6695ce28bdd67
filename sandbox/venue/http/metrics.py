"""The venue's own counters in Prometheus' text format, by hand: ten lines need no client library."""

from collections.abc import Iterable

from sandbox.venue.instruments import Market
from sandbox.venue.venue import Venue

Sample = tuple[dict[str, str], float]


def exposition(venue: Venue) -> bytes:
    """Everything worth counting, now."""
    exchange = venue.exchange
    open_orders: list[Sample] = []
    for account in exchange.accounts.values():
        for book, orders in (
            ("usdm", len(account.open[Market.USDM])),
            ("algo", len(account.algo)),
            ("spot", len(account.open[Market.SPOT])),
        ):
            open_orders.append(({"account": account.name, "book": book}, orders))
    families: list[tuple[str, str, str, Iterable[Sample]]] = [
        ("sandbox_venue_requests_total", "counter", "Requests answered.", _requests(venue)),
        ("sandbox_venue_open_orders", "gauge", "Open orders by account and book.", open_orders),
        ("sandbox_venue_faults_applied_total", "counter", "Times a fault changed something.", _faults(venue)),
        ("sandbox_venue_faults_active", "gauge", "Faults at work.", [({}, len(venue.faults.active()))]),
        (
            "sandbox_venue_stream_clients",
            "gauge",
            "Listeners of the market stream.",
            [({}, venue.market_stream.listeners)],
        ),
        (
            "sandbox_venue_stream_messages_total",
            "counter",
            "Messages handed to listeners.",
            [({}, venue.market_stream.sent)],
        ),
        (
            "sandbox_venue_stream_cut_off_total",
            "counter",
            "Listeners too slow to keep.",
            [({}, venue.market_stream.cut_off)],
        ),
        ("sandbox_venue_liquidations_total", "counter", "Accounts liquidated.", [({}, venue.liquidations)]),
        (
            "sandbox_venue_countdowns_fired_total",
            "counter",
            "Dead man's timers run out.",
            [({}, venue.countdowns.fired)],
        ),
    ]
    lines: list[str] = []
    for name, kind, text, samples in families:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{_labels(labels)} {value}" for labels, value in samples]
    return ("\n".join(lines) + "\n").encode()


def _requests(venue: Venue) -> list[Sample]:
    return [
        ({"path": path, "method": method, "account": account, "code": str(status or "none")}, number)
        for (path, method, account, status), number in venue.request_log.counts.items()
    ]


def _faults(venue: Venue) -> list[Sample]:
    return [({"kind": kind}, number) for kind, number in venue.faults.applied.items()]


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
