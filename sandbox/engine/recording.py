"""Which symbol the venue replays: a recording is worth trading on, the random walk beside it is not."""

import asyncio
import logging

import aiohttp

from sandbox.engine.market import unified_symbol

RETRY_SECONDS = 0.25
TIMEOUT_SECONDS = 2.0

_log = logging.getLogger(__name__)


async def replayed_symbol(venue_url: str) -> str | None:
    """Ask the venue until it answers: ``ETH/USDT:USDT``, or None when it replays nothing (or is no sandbox venue)."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    waiting = False
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            try:
                async with session.get(venue_url.rstrip("/") + "/healthz") as answer:
                    said = await answer.json(content_type=None)
            except (aiohttp.ClientError, TimeoutError) as error:
                if not waiting:
                    _log.warning("waiting for the venue: it does not say what it replays (%s)", type(error).__name__)
                waiting = True
                await asyncio.sleep(RETRY_SECONDS)
            except ValueError:
                return None
            else:
                symbol = said.get("replays") if isinstance(said, dict) else None
                return unified_symbol(symbol) if isinstance(symbol, str) else None
