"""What a venue says of its symbols: whether they trade."""

from typing import Any, Final

import orjson

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


def statuses(body: bytes) -> dict[str, str] | None:
    """Symbol as the venue writes it -> one of STATUSES, by Binance's ``exchangeInfo``; ``None`` for anything else."""
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    listed = said.get("symbols") if type(said) is dict else None
    if type(listed) is not list:
        return None
    found = {}
    for each in listed:
        name = each.get("symbol") if type(each) is dict else None
        if type(name) is str:
            word = each.get("status", each.get("contractStatus"))
            found[name.upper()] = WORDS.get(word.upper(), "unknown") if type(word) is str else "unknown"
    return found
