"""Closing what an account's margin no longer carries."""

from sandbox.venue.accounts.account import Account
from sandbox.venue.instruments import Market
from sandbox.venue.matching.exchange import Exchange
from sandbox.venue.orders.order import NewOrder, Side, new_client_id


def liquidate(exchange: Exchange) -> int:
    """Liquidate every account whose maintenance margin has eaten its balance; how many that were."""
    doomed = [account for account in exchange.accounts.values() if _is_doomed(exchange, account)]
    for account in doomed:
        for order in account.open_orders(Market.USDM, None):
            exchange.cancel(order)
        for algo in account.open_algos(None):
            exchange.end_algo(algo)
        for position in list(account.positions.values()):
            if position.quantity:
                side = Side.SELL if position.quantity > 0 else Side.BUY
                client_id = f"autoclose-{new_client_id()}"
                quantity = abs(position.quantity)
                close = NewOrder(position.symbol, side, "MARKET", quantity, reduce_only=True, client_id=client_id)
                exchange.place(account, Market.USDM, close)
    return len(doomed)


def _is_doomed(exchange: Exchange, account: Account) -> bool:
    if not any(position.quantity for position in account.positions.values()):
        return False
    margin = exchange.margin(account)
    return margin.maintenance >= margin.balance
