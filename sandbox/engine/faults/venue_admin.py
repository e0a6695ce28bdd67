"""Asks the sandbox venue to move its market, over its admin API (docs/sandbox.md); nothing else here may do that."""

from decimal import Decimal
from typing import Any

import aiohttp

TIMEOUT_SECONDS = 2.0
SECONDS = 60
"""The venue brings the market back after so long even if nobody asks it to."""


class VenueAdminError(Exception):
    """The venue did not do what it was asked."""


class VenueAdmin:
    """Flash moves of one market (``BTCUSDT``); remembers the one it asked for."""

    def __init__(self, venue_url: str, market_id: str, token: str | None) -> None:
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._faults = venue_url.rstrip("/") + "/admin/faults"
        self._market_id = market_id
        self._moved: str | None = None

    async def flash_move(self, ratio: Decimal) -> None:
        """Drop (or lift) the market by a ratio of its price, until `calm`."""
        await self.calm()
        body = {"kind": "flash_move", "symbol": self._market_id, "ratio": float(ratio), "seconds": SECONDS}
        answer = await self._ask("POST", self._faults, body)
        try:
            self._moved = str(answer["id"])
        except (KeyError, TypeError):
            raise VenueAdminError("the answer names no fault") from None

    async def calm(self) -> None:
        """Let the market come back to where it would be."""
        if self._moved is not None:
            moved, self._moved = self._moved, None
            await self._ask("DELETE", f"{self._faults}/{moved}", None)

    async def _ask(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
                session.request(method, url, json=body) as answer,
            ):
                if answer.status == 404 and method == "DELETE":
                    return None  # it has ended by itself
                if answer.status >= 300:
                    raise VenueAdminError(f"{method} was answered {answer.status}")
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise VenueAdminError(f"{method} failed: {type(error).__name__}") from error
