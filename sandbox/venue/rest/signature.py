"""Who sent a request: keys, signatures and timestamps."""

import hmac
from collections.abc import Iterable

from sandbox.venue import refusal
from sandbox.venue.accounts.account import Account, ApiKey
from sandbox.venue.clock import VenueClock
from sandbox.venue.refusal import Refused

DEFAULT_WINDOW_MS = 5000
LARGEST_WINDOW_MS = 60_000
AHEAD_MS = 1000
_SIGNATURE = "signature="


class Authenticator:
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
