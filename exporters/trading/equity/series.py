"""The series about equity and profit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import Row, gauge
from exporters.trading.equity.book import Book, EquityOptions
from exporters.trading.keys import BOOK, IN_CURRENCY, MONEY, EquityKey, StrategyKey
from exporters.trading.positions import Held

_E: Final = "`equity` events"

EQUITY: Final = gauge("trading_equity", MONEY, "kill", IN_CURRENCY, _E, "Equity of the strategy, as last said.")
EQUITY_PEAK: Final = gauge(
    "trading_equity_peak",
    MONEY,
    "kill",
    IN_CURRENCY,
    _E,
    "Highest equity that held for `trading.equity.peak_seconds`, scaled by deposits and withdrawals since, so that "
    "drawdown is 1 - equity / peak. Survives a restart.",
)
DRAWDOWN: Final = gauge(
    "trading_drawdown_ratio",
    BOOK,
    "kill",
    "ratio 0-1 (above 1: equity below zero)",
    _E,
    "1 - equity / peak equity, trailing, marked to market, deposits and withdrawals left aside; not below 0.",
)
DAILY_LOSS: Final = gauge(
    "trading_daily_loss_ratio",
    BOOK,
    "kill",
    "ratio",
    _E,
    "Loss since the start of the day over the equity at its start, deposits and withdrawals left aside; 0 for a gain.",
)
DAILY_PNL: Final = gauge(
    "trading_daily_pnl",
    MONEY,
    "kill",
    IN_CURRENCY,
    _E,
    "Equity now less equity at the start of the day less net deposits since.",
)
ADJUSTED: Final = gauge(
    "trading_adjusted_equity",
    MONEY,
    "kill",
    IN_CURRENCY,
    _E,
    "Equity less what was paid in and out since it was first seen: its changes are profit, over deposits and over the "
    "start of a day.",
)
CURRENCIES: Final = gauge(
    "trading_equity_currencies",
    BOOK,
    "rest",
    "currencies",
    _E,
    "In how many currencies the equity is told, strategy being empty for the account's own. Above 1 it is that of "
    "single wallets: equity, drawdown and daily loss are then unknown and absent.",
)
ACCOUNT_EQUITY: Final = gauge(
    "trading_account_equity",
    "venue account currency",
    "kill",
    IN_CURRENCY,
    "`equity` events without `strategy`",
    "Equity of the whole account.",
)
ACCOUNT_EQUITY_PEAK: Final = gauge(
    "trading_account_equity_peak",
    "venue account currency",
    "kill",
    IN_CURRENCY,
    "`equity` events without `strategy`",
    "Highest equity of the whole account, as trading_equity_peak.",
)
ACCOUNT_DRAWDOWN: Final = gauge(
    "trading_account_drawdown_ratio",
    "venue account",
    "kill",
    "ratio 0-1 (above 1: equity below zero)",
    "`equity` events without `strategy`",
    "Drawdown of the whole account, as trading_drawdown_ratio.",
)
ACCOUNT_DAILY_LOSS: Final = gauge(
    "trading_account_daily_loss_ratio",
    "venue account",
    "kill",
    "ratio",
    "`equity` events without `strategy`",
    "Daily loss of the whole account, as trading_daily_loss_ratio.",
)
ACCOUNT_DAILY_PNL: Final = gauge(
    "trading_account_daily_pnl",
    "venue account currency",
    "kill",
    IN_CURRENCY,
    "`equity` events without `strategy`",
    "Daily profit of the whole account, as trading_daily_pnl.",
)
REALISED: Final = gauge(
    "trading_realised_pnl",
    MONEY,
    "rest",
    IN_CURRENCY,
    "`equity` events, else `position` events",
    "Realised profit, as last said; signed.",
)
UNREALISED: Final = gauge(
    "trading_unrealised_pnl",
    MONEY,
    "rest",
    IN_CURRENCY,
    "`equity` events, else `position` events",
    "Unrealised profit, as last said; signed.",
)
SERIES: Final = (
    EQUITY,
    EQUITY_PEAK,
    DRAWDOWN,
    DAILY_LOSS,
    DAILY_PNL,
    ADJUSTED,
    CURRENCIES,
    ACCOUNT_EQUITY,
    ACCOUNT_EQUITY_PEAK,
    ACCOUNT_DRAWDOWN,
    ACCOUNT_DAILY_LOSS,
    ACCOUNT_DAILY_PNL,
    REALISED,
    UNREALISED,
)


def equity(books: Mapping[EquityKey, Book], options: EquityOptions, now: float) -> Iterator[Metric]:
    """Equity, peak, drawdown and daily loss of strategies and of whole accounts.

    Told in several currencies it is that of wallets: what one of them loses another may have gained, so that nothing is
    known of the whole.
    """
    told = currencies_told(books)
    clear = [(key, book) for key, book in books.items() if told[key[:3]] == 1]
    own = [(key, book) for key, book in clear if key[2]]
    yield EQUITY.family((key, float(book.equity)) for key, book in own)
    yield EQUITY_PEAK.family((key, float(book.peak)) for key, book in own)
    yield DAILY_PNL.family((key, float(book.daily_pnl_at(now, options))) for key, book in own)
    yield ADJUSTED.family((key, float(book.adjusted_at(now, options))) for key, book in own)
    yield DRAWDOWN.family(_known((key[:3], book.drawdown_at(now, options)) for key, book in own))
    yield DAILY_LOSS.family(_known((key[:3], book.daily_loss_at(now, options)) for key, book in own))
    whole = [((key[0], key[1], key[3]), book) for key, book in clear if not key[2]]
    yield ACCOUNT_EQUITY.family((key, float(book.equity)) for key, book in whole)
    yield ACCOUNT_EQUITY_PEAK.family((key, float(book.peak)) for key, book in whole)
    yield ACCOUNT_DRAWDOWN.family(_known((key[:2], book.drawdown_at(now, options)) for key, book in whole))
    yield ACCOUNT_DAILY_LOSS.family(_known((key[:2], book.daily_loss_at(now, options)) for key, book in whole))
    yield ACCOUNT_DAILY_PNL.family((key, float(book.daily_pnl_at(now, options))) for key, book in whole)


def currencies_told(books: Iterable[EquityKey]) -> Counter[StrategyKey]:
    """In how many currencies the equity of each strategy and account is told."""
    return Counter(key[:3] for key in books)


def pnl(
    books: Iterable[EquityKey], said: Mapping[EquityKey, tuple[Decimal | None, Decimal | None]], held: Held
) -> Iterator[Metric]:
    """Realised and unrealised profit: what the equity events say, else the sum over the positions that say it."""
    yield CURRENCIES.family(currencies_told(books).items())
    realised: dict[EquityKey, Decimal] = {}
    unrealised: dict[EquityKey, Decimal] = {}
    for key, holding in held:
        position = holding.position
        book = (*key[:3], position.currency)
        for kept, value in ((realised, position.realised_pnl), (unrealised, position.unrealised_pnl)):
            if value is not None:
                kept[book] = kept.get(book, Decimal(0)) + value
    for book, (first, second) in said.items():
        if book[2] and first is not None:
            realised[book] = first
        if book[2] and second is not None:
            unrealised[book] = second
    yield REALISED.family((key, float(value)) for key, value in realised.items())
    yield UNREALISED.family((key, float(value)) for key, value in unrealised.items())


def _known(rows: Iterable[tuple[tuple[str, ...], Decimal | None]]) -> Iterator[Row]:
    for key, ratio in rows:
        if ratio is not None:
            yield key, float(ratio)
