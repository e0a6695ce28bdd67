"""How often a key may ask: request weight, orders, and bans."""

import time
from dataclasses import dataclass

from sandbox.venue.refusal import Refused


@dataclass(slots=True)
class Limits:
    """How much one key (or, unsigned, one address) may do.  Generous: only a test that wants limits meets them."""

    weight_per_minute: int = 6_000_000
    orders_per_ten_seconds: int = 1_000_000
    # So many refused requests within a minute turn 429 into a ban.
    refusals_before_ban: int = 100
    ban_seconds: int = 120


@dataclass(slots=True)
class _Use:
    minute: int = 0
    weight: int = 0
    refusals: int = 0
    ten_seconds: int = 0
    orders: int = 0
    banned_until: float = 0.0


class RateLimiter:
    """Request weight by the minute, orders by ten seconds, and bans."""

    def __init__(self) -> None:
        self.limits = Limits()
        self._uses: dict[str, _Use] = {}

    def charge(self, who: str, weight: int, orders: int) -> tuple[int, int]:
        """Count a request; returns used weight and orders.  Raises Refused with 429, 418 or -1015."""
        now = time.time()
        use = self._uses.setdefault(who, _Use())
        if now < use.banned_until:
            until = int(use.banned_until * 1000)
            raise Refused(
                -1003,
                f"Way too many requests; IP banned until {until}. "
                "Please use the websocket for live updates to avoid bans.",
                status=418,
                retry_after=int(use.banned_until - now) + 1,
            )
        minute, ten_seconds = int(now // 60), int(now // 10)
        if minute != use.minute:
            use.minute, use.weight, use.refusals = minute, 0, 0
        if ten_seconds != use.ten_seconds:
            use.ten_seconds, use.orders = ten_seconds, 0
        use.weight += weight
        if use.weight > self.limits.weight_per_minute:
            use.refusals += 1
            if use.refusals > self.limits.refusals_before_ban:
                use.banned_until = now + self.limits.ban_seconds
            raise Refused(
                -1003,
                f"Too many requests; current limit is {self.limits.weight_per_minute} request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API.",
                status=429,
                retry_after=int(60 - now % 60) + 1,
            )
        if orders and use.orders + orders > self.limits.orders_per_ten_seconds:
            limit = self.limits.orders_per_ten_seconds
            raise Refused(-1015, f"Too many new orders; current limit is {limit} orders per 10 SECOND.")
        use.orders += orders
        return use.weight, use.orders

    def reset(self) -> None:
        """Forget all use and bans; the limits stay."""
        self._uses.clear()
