"""Lists that come in pages: read to their end, or said to be incomplete."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from webhook.venues.ccxt.exchanges.model import Cursor, Listing, Numbered, Params, rows_at

_MOST_PAGES = 100
_PASSES = 3
"""How often a list whose pages are counted is read to see it twice the same."""

Row = Mapping[str, Any]
Ask = Callable[[Params], Awaitable[Any]]


class IncompleteError(Exception):
    """What was listed is not all there is; the text says why."""


async def pages(listing: Listing, params: Params, ask: Ask) -> AsyncIterator[list[dict[str, Any]]]:
    """The rows of each page; *ask* sends one request and gives the decoded answer.

    Ends when the list was read to its end, else raises `IncompleteError` after the last page that could be read.  Where
    pages are counted, a row that vanishes moves the others, perhaps past the reader: the list is then read again (and
    its rows given again) until it was twice the same.
    """
    before: list[Row] | None = None
    for _ in range(_PASSES):
        seen: list[Row] = []
        number, query = 0, params
        while True:
            payload = await ask(query)
            rows = rows_at(payload, listing.rows)
            if rows is None:
                raise IncompleteError("the answer holds no such list")
            number += 1
            seen += [_identity(row) for row in rows]
            yield rows
            if not rows or not listing.page or (len(rows) < listing.page and not isinstance(listing.next, Cursor)):
                break
            if listing.next is None:
                raise IncompleteError(f"{len(rows)} rows may be only the first page")
            if (following := listing.next.after(payload, rows, len(seen), number)) is None:
                break
            if any(value is None for value in following.values()):
                raise IncompleteError("the next page has no name")
            if number >= _MOST_PAGES:
                raise IncompleteError(f"more than {_MOST_PAGES} pages")
            query = {**params, **following}
        if number == 1 or not isinstance(listing.next, Numbered) or seen == before:
            return
        before = seen
    raise IncompleteError("the list changed while its pages were read")


def _identity(row: Row) -> Row:
    return {key: value for key, value in row.items() if "id" in key.casefold()}
