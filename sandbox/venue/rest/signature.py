"""Who may come in: keys, signatures, timestamps, and how often."""

import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sandbox.venue import refusal
from sandbox.venue.clock import VenueClock
from sandbox.venue.accounts.account import Account, ApiKey
from sandbox.venue.refusal import Refused

DEFAULT_WINDOW_MS = 5000
LARGEST_WINDOW_MS = 60_000
AHEAD_MS = 1000
_SIGNATURE = "signature="


class Door:
    """Checks signed requests as Binance does: the HMAC is over the text exactly as it was sent."""

    def __init__(self, accounts: Iterable[Account], clock: VenueClock) -> None:
        self._keys = {key.api_key: (account, key) for account in accounts for key in account.keys}
        self._clock = clock

    def owner(self, api_key: str | None) -> tuple[Account, ApiKey] | None:
        """Whose key this is; None for no key or an unknown one."""
        return self._keys.get(api_key or "")

    def check(self, api_key: str | None, query: str, body: str, params: dict[str, str]) -> tuple[Account, ApiKey]:
        """The account and key that signed; raises Refused."""
        if not api_key:
            raise Refused(-2014, "API-key format invalid.", status=401)
        found = self._keys.get(api_key)
        if found is None:
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        signature = params.get("signature")
        if not signature:
            raise refusal.missing("signature")
        self._check_time(params)
        payload = (_unsigned(query) + _unsigned(body)).encode()
        expected = hmac.digest(found[1].secret, payload, "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
            raise Refused(-1022, "Signature for this request is not valid.")
        return found

    def _check_time(self, params: dict[str, str]) -> None:
        timestamp, window = _milliseconds(params, "timestamp"), DEFAULT_WINDOW_MS
        if params.get("recvWindow"):
            window = _milliseconds(params, "recvWindow")
        if not 0 <= window <= LARGEST_WINDOW_MS:
            raise Refused(-1131, "recvWindow must be less than 60000.")
        now = self._clock.milliseconds()
        if timestamp > now + AHEAD_MS:
            raise Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now - timestamp > window:
            raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def _milliseconds(params: dict[str, str], name: str) -> int:
    try:
        return int(params.get(name, ""))
    except ValueError:
        raise refusal.missing(name) from None


def _unsigned(text: str) -> str:
    """The text without its signature, wherever it stands."""
    at = text.find(_SIGNATURE)
    if at < 0:
        return text
    if at == 0:
        return text.partition("&")[2]
    if text[at - 1] != "&":
        return text
    end = text.find("&", at)
    return text[: at - 1] + (text[end:] if end >= 0 else "")


def parameters(query: str, body: str) -> dict[str, str]:
    """All parameters of a request; the body's win."""
    found = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    if body:
        found.update(parse_qsl(body, keep_blank_values=True))
    return found


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


class Limiter:
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
