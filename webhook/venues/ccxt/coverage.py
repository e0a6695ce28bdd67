"""What an account may hold, and whether reads can cover all of it: said by check-config, and by every verdict."""

from collections.abc import Collection
from typing import Any

from webhook.errors import PermanentError
from webhook.venues.ccxt.exchanges import CATALOGUE
from webhook.venues.ccxt.exchanges.model import Exchange, Product
from webhook.venues.ccxt.markets import Markets
from webhook.venues.ccxt.options import Options


def chosen(exchange: Exchange, options: Options) -> tuple[Product, ...]:
    """The products that the account can trade: those configured, else all; raises `PermanentError` for another name."""
    names = [product.name for product in exchange.products]
    for name in options.products:
        if name not in names:
            raise PermanentError(
                f"products: {exchange.name} has no {name!r}; it has {', '.join(names)}", reason="unknown_product"
            )
    return tuple(product for product in exchange.products if not options.products or product.name in options.products)


def gap(exchange: Exchange, options: Options, products: Collection[Product], *, account_wide: bool) -> str | None:
    """Why reads of *products* can never cover every order in them; None when they can.

    *account_wide*: of every symbol; what is only listed symbol by symbol can then not be covered.
    """
    if not exchange.known:
        return f"which order books {exchange.name} has is not established: it has no file in venues/ccxt/exchanges"
    if ignored := exchange.refuses & set(options.options):
        return f"with ccxt's option {', '.join(sorted(ignored))} the order books of {exchange.name} are not established"
    for product in products:
        listed = [book for book in exchange.books if product.name in book.products]
        if product.unread:
            return f"{product.name}: {product.unread}"
        if product.spans and not account_wide:
            return f"{product.name}: an order of it is in several markets"
        if not all(book.account or (book.symbol and not account_wide) for book in listed):
            return f"{product.name}: the exchange lists its orders symbol by symbol only"
    return None


def unlisted(
    exchange: Exchange, options: Options, products: Collection[Product], markets: Markets, client: Any
) -> str | None:
    """Why what is found out at run time is more than is read; None when it is not.

    *client*: ccxt's object, in whose options the kind of account stands.
    """
    if exchange.mode is not None and client.options.get(exchange.mode[0]) is not exchange.mode[1]:
        return f"the account is not known to be one of those whose order books are established ({exchange.mode[0]})"
    if not options.products and len(products) == len(exchange.products) and markets.strangers:
        return f"{markets.strangers[0]} belongs to no product that is known"
    return markets.gap(products)


def coverage_fault(options: Options) -> str | None:
    """What makes "no open order in this account" unprovable, and what to do about it; None: nothing does."""
    exchange = CATALOGUE.get(options.exchange)
    if exchange is None:
        return (
            f"{options.exchange}: which order books it has is not established; orders are cancelled and never verified "
            f"(established are {', '.join(CATALOGUE)})"
        )
    try:
        products = chosen(exchange, options)
    except PermanentError as error:
        return str(error)
    reason = gap(exchange, options, products, account_wide=True)
    if reason is None:
        return None
    names = [one.name for one in products if gap(exchange, options, (one,), account_wide=True) is None]
    remedy = f"; when the account can hold no other orders, say so: products: [{', '.join(names)}]" if names else ""
    return f"{options.exchange}: {reason}{remedy}"


def position_fault(options: Options) -> str | None:
    """What makes "no position in this account" unprovable; None: nothing does."""
    exchange = CATALOGUE.get(options.exchange)
    if exchange is None:
        return f"{options.exchange}: how its positions are read is not established"
    try:
        products = chosen(exchange, options)
    except PermanentError as error:
        return str(error)
    for product in products:
        if product.holdings == "balances":
            return f"{options.exchange}: what {product.name} holds are balances, so that it is never called flat"
        if product.holdings == "positions" and not any(book.product == product.name for book in exchange.positions):
            return f"{options.exchange}: how positions of {product.name} are read is not established"
    return None
