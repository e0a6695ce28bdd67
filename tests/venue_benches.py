"""Venues under test, each with what a test may do to its account: the contract suite speaks to all of them alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from tests.ports import free_port
from tests.sandbox_fixtures import RunningVenue, usdm_client
from webhook.actions.port import Side, Venue
from webhook.clock import SystemClock
from webhook.venues import VENUES
from webhook.venues.ccxt.exchanges import CATALOGUE
from webhook.venues.ccxt.exchanges.model import Exchange
from webhook.venues.paper import PaperOptions, PaperVenue

PERPS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT")
SPOTS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
STRANGER = "DOGE/USDT"
"""A symbol that no configuration names; ``:USDT`` is added for a perpetual."""
TIMEOUT = 5.0


class Bench(Protocol):
    """One account, from both sides."""

    venue: Venue
    known: tuple[str, ...]

    def books(self, symbol: str) -> tuple[str, ...]:
        """The order books that *symbol* has."""

    def rest(self, symbol: str, count: int = 1, *, book: str = "", prefix: str = "mm-btc_") -> None:
        """Let orders rest in the account; *book*: empty for the first one of the symbol."""

    def standing(self) -> int:
        """How many orders rest there, whatever the adapter says."""

    def hold(self, symbol: str, quantity: Decimal) -> None:
        """Open a position, signed."""

    def held(self, symbol: str) -> Decimal:
        """The position, whatever the adapter says."""

    def lie_about_cancels(self) -> None:
        """From now on cancels are answered with success and not applied."""

    def swallow_answers(self) -> None:
        """From now on cancels are applied and never answered."""

    def vanish(self) -> None:
        """From now on nobody answers."""


@dataclass
class PaperBench:
    venue: PaperVenue
    known: tuple[str, ...] = PERPS

    def books(self, symbol: str) -> tuple[str, ...]:
        return tuple(sorted(self.venue.order_books([symbol]) or ()))

    def rest(self, symbol: str, count: int = 1, *, book: str = "", prefix: str = "mm-btc_") -> None:
        chosen = book or self.books(symbol)[0]
        for number in range(count):
            client_order_id = f"{prefix}{number}"
            self.venue.place(symbol, Side.BUY, Decimal(1), Decimal(90), client_order_id=client_order_id, book=chosen)

    def standing(self) -> int:
        return len(self.venue.resting())

    def hold(self, symbol: str, quantity: Decimal) -> None:
        self.venue.hold(symbol, quantity)

    def held(self, symbol: str) -> Decimal:
        return self.venue.held(symbol)

    def lie_about_cancels(self) -> None:
        self.venue.faults.cancels_ignored = 1_000

    def swallow_answers(self) -> None:
        self.venue.faults.cancels_unanswered = 1_000

    def vanish(self) -> None:
        self.venue.faults.unreachable = True


@dataclass
class SandboxBench:
    """The ccxt adapter at a real venue process."""

    venue: Venue
    running: RunningVenue
    account: str
    known: tuple[str, ...]

    def books(self, symbol: str) -> tuple[str, ...]:
        return ("usdm", "usdm algo") if ":" in symbol else ("spot",)

    def rest(self, symbol: str, count: int = 1, *, book: str = "", prefix: str = "mm-btc_") -> None:
        kind = "algo" if book == "usdm algo" else "usdm" if ":" in symbol else "spot"
        self.running.seed(self.account, count, symbols=[market_id(symbol)], book=kind, prefix=prefix)

    def standing(self) -> int:
        return int(self.running.account(self.account)["open_orders_total"])

    def hold(self, symbol: str, quantity: Decimal) -> None:
        client = usdm_client(self.running, self.account)
        with client.session:
            client.load_markets()
            client.create_order(symbol, "market", "buy" if quantity > 0 else "sell", float(abs(quantity)))

    def held(self, symbol: str) -> Decimal:
        positions = self.running.account(self.account)["positions"]
        return Decimal(positions.get(market_id(symbol), {"quantity": "0"})["quantity"])

    def lie_about_cancels(self) -> None:
        self.running.fault("cancel_late", seconds=600, account=self.account)

    def swallow_answers(self) -> None:
        self.running.fault("accept_then_timeout", account=self.account, method="DELETE")

    def vanish(self) -> None:
        self.running.fault("reset", account=self.account)


def market_id(symbol: str) -> str:
    """Binance's own name of a unified symbol."""
    return symbol.partition(":")[0].replace("/", "")


def ccxt_options(running: RunningVenue, account: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """The options of a ccxt venue at this process, with the killer's key."""
    key = running.keys[account]["killer"]
    files = {"api_key_file": key.api_key, "secret_file": key.secret}
    for name, content in files.items():
        (folder / name).write_text(f"{content}\n")
    return {
        "exchange": "binanceusdm",
        "base_url": running.url,
        "symbols": list(PERPS),
        "request_timeout_seconds": 0.5,
        **{name: str(folder / name) for name in files},
        **changes,
    }


@contextmanager
def ccxt_venue(
    options: dict[str, Any], *, mode: str = "live", name: str = "sandbox-mm", known: Exchange | None = None
) -> Iterator[Any]:
    """A venue made as the composition root makes it; its thread ends with the `with`.

    *known*: what it knows of its exchange, instead of what the catalogue says.
    """
    kind = VENUES["ccxt"]
    venue = kind.build(
        name=name,
        venue="sandbox",
        account="mm",
        mode=mode,
        options=kind.options.model_validate(options),
        clock=SystemClock(),
        **({} if known is None else {"exchange": known}),
    )
    try:
        yield venue
    finally:
        venue.close()


def only(**changes: Any) -> Exchange:
    """USD-M as it would be if its books could do less."""
    usdm = CATALOGUE["binanceusdm"]
    return replace(usdm, books=tuple(replace(book, **changes) for book in usdm.books))


SPOT = {"exchange": "binance", "products": ["spot"], "symbols": list(SPOTS)}
MIXED = {"exchange": "binance", "products": ["spot", "usdm"], "symbols": [PERPS[0], *SPOTS[:2]]}
NO_CANCEL_ALL = {"known": only(cancel_symbol=())}
ONE_BY_ONE = {"known": only(cancel_symbol=(), batch=None)}
NO_WIDE_READ = {"symbols": [*PERPS, f"{STRANGER}:USDT"], "known": only(account=())}
CCXT_VARIANTS: dict[str, dict[str, Any]] = {
    "ccxt-perpetuals": {},
    "ccxt-spot": SPOT,
    "ccxt-both-markets": MIXED,
    "ccxt-without-cancel-all": NO_CANCEL_ALL,
    "ccxt-one-by-one": ONE_BY_ONE,
    "ccxt-without-wide-read": NO_WIDE_READ,
}
PAPER_VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {},
    "paper-spot": {"has_positions": False, "books": ["normal"]},
}


@contextmanager
def paper_bench(**changes: Any) -> Iterator[PaperBench]:
    """A paper account."""
    options = PaperOptions.model_validate({"symbols": list(PERPS), **changes})
    yield PaperBench(PaperVenue("paper", "sandbox", "mm", options=options))


@contextmanager
def sandbox_bench(
    running: RunningVenue, folder: Path, *, known: Exchange | None = None, **changes: Any
) -> Iterator[SandboxBench]:
    """A ccxt account at a venue process that is reset first."""
    running.clear()
    options = ccxt_options(running, "mm", folder, **changes)
    with ccxt_venue(options, known=known) as venue:
        venue.prepare(10.0)
        yield SandboxBench(venue, running, "mm", tuple(options["symbols"]))
    running.clear()


def closed_port() -> int:
    """A port on which nobody listens."""
    return free_port()
