"""One table from what ccxt raises to what the kill path understands; it knows the classes by name.

Binance's own codes come first: on a host whose name ccxt does not know (a sandbox, a proxy) the class is a bare
``ExchangeError``, and only the code in the body tells what happened.
"""

import asyncio
import re
from collections.abc import Iterable
from enum import StrEnum

from webhook.errors import AndonError, PermanentError, TemporaryError, UnknownOutcomeError


class Nature(StrEnum):
    """Which way a failure goes."""

    REFUSED = "refused"
    """The venue understood and said no."""
    OUTAGE = "outage"
    """Surely not applied; may work later."""
    UNKNOWN = "unknown"
    """A write may have been applied; for a read it is an outage."""


_BY_CODE: dict[int, tuple[Nature, str]] = {
    -1000: (Nature.UNKNOWN, "server_error"),
    -1001: (Nature.UNKNOWN, "server_error"),
    -1006: (Nature.UNKNOWN, "server_error"),
    -1007: (Nature.UNKNOWN, "timeout"),
    -1003: (Nature.OUTAGE, "rate_limited"),
    -1015: (Nature.OUTAGE, "rate_limited"),
    -1008: (Nature.OUTAGE, "overloaded"),
    -1016: (Nature.OUTAGE, "maintenance"),
    -1021: (Nature.OUTAGE, "clock_skew"),
    -1002: (Nature.REFUSED, "key_refused"),
    -2008: (Nature.REFUSED, "key_refused"),
    -2014: (Nature.REFUSED, "key_refused"),
    -2015: (Nature.REFUSED, "key_refused"),
    -1022: (Nature.REFUSED, "signature"),
    -1121: (Nature.REFUSED, "bad_symbol"),
    -2010: (Nature.REFUSED, "order_refused"),
    -2011: (Nature.REFUSED, "no_such_order"),
    -2013: (Nature.REFUSED, "no_such_order"),
    -2018: (Nature.REFUSED, "insufficient_funds"),
    -2019: (Nature.REFUSED, "insufficient_funds"),
    -2022: (Nature.REFUSED, "nothing_to_reduce"),
    -4111: (Nature.REFUSED, "duplicate"),
    -4116: (Nature.REFUSED, "duplicate"),
    -4118: (Nature.REFUSED, "nothing_to_reduce"),
    -4131: (Nature.REFUSED, "order_refused"),
    -4164: (Nature.REFUSED, "order_refused"),
}

_BY_CLASS: dict[str, tuple[Nature, str]] = {
    "OrderNotFound": (Nature.REFUSED, "no_such_order"),
    "DuplicateOrderId": (Nature.REFUSED, "duplicate"),
    "InsufficientFunds": (Nature.REFUSED, "insufficient_funds"),
    "InvalidOrder": (Nature.REFUSED, "order_refused"),
    "BadSymbol": (Nature.REFUSED, "bad_symbol"),
    "PermissionDenied": (Nature.REFUSED, "key_refused"),
    "AuthenticationError": (Nature.REFUSED, "key_refused"),
    "ArgumentsRequired": (Nature.REFUSED, "unsupported"),
    "NotSupported": (Nature.REFUSED, "unsupported"),
    "OperationRejected": (Nature.REFUSED, "order_refused"),
    "BadRequest": (Nature.REFUSED, "refused"),
    "RateLimitExceeded": (Nature.OUTAGE, "rate_limited"),
    "DDoSProtection": (Nature.OUTAGE, "rate_limited"),
    "OnMaintenance": (Nature.OUTAGE, "maintenance"),
    "InvalidNonce": (Nature.OUTAGE, "clock_skew"),
    "RequestTimeout": (Nature.UNKNOWN, "timeout"),
    "BadResponse": (Nature.UNKNOWN, "not_json"),
    "NullResponse": (Nature.UNKNOWN, "not_json"),
    "ExchangeNotAvailable": (Nature.UNKNOWN, "server_error"),
    "NetworkError": (Nature.UNKNOWN, "connection_lost"),
    "OperationFailed": (Nature.UNKNOWN, "server_error"),
    "ExchangeError": (Nature.REFUSED, "refused"),
}

_CODE = re.compile(r'"(?:code|retCode)"\s*:\s*"?(-?\d+)')
_MESSAGE = re.compile(r'"(?:msg|message|retMsg|error)"\s*:\s*"([^"]{1,200})')
_ADDRESS = re.compile(r"\w+://\S+")
_DUPLICATE = re.compile(r"duplicat", re.IGNORECASE)
_NOT_FILLED = re.compile(r"iocWouldNotExecute|could not immediately match", re.IGNORECASE)
"""Kraken Futures and Hyperliquid refuse an IOC order that finds nothing to trade with."""
_NOTHING_TO_REDUCE = re.compile(r"reduce.?only", re.IGNORECASE)


class RefusalError(PermanentError):
    """The venue understood and said no; ``code`` is its own code for why, empty where it gave none."""

    def __init__(self, message: str, *, reason: str, code: str = "") -> None:
        super().__init__(message, reason=reason)
        self.code = code


def translate(
    fault: BaseException,
    what: str,
    *,
    write: bool,
    sent: bool,
    status: int | None = None,
    retry_after: float | None = None,
    secrets: Iterable[str] = (),
) -> AndonError:
    """Say *fault* in our words.

    *what* names the request, for the message; *write*: it would have changed something; *sent*: it went out; *status*
    and *retry_after* are what the HTTP answer said, if one came.
    """
    nature, reason = _classify(fault, status)
    if not sent:
        nature, reason = (nature, reason) if nature is Nature.REFUSED else (Nature.OUTAGE, "unreachable")
        if isinstance(fault, TimeoutError | asyncio.CancelledError):
            reason = "timeout"
    message = f"{what}: {explain(fault, status, secrets)}"
    if nature is Nature.REFUSED:
        code = _CODE.search(str(fault))
        return RefusalError(message, reason=reason, code=code.group(1) if code else "")
    if nature is Nature.UNKNOWN and write:
        return UnknownOutcomeError(message, reason=reason)
    return TemporaryError(message, reason=reason, retry_after=retry_after)


def _classify(fault: BaseException, status: int | None) -> tuple[Nature, str]:
    text = str(fault)
    found = _CODE.search(text)
    if status in (418, 429):
        nature, reason = Nature.OUTAGE, "rate_limited"
    elif found and int(found.group(1)) in _BY_CODE:
        nature, reason = _BY_CODE[int(found.group(1))]
    elif isinstance(fault, TimeoutError | asyncio.CancelledError):
        nature, reason = Nature.UNKNOWN, "timeout"
    else:
        # What is no class of ccxt was raised while it read the answer: the answer is not what it should be.
        names = [cls.__name__ for cls in type(fault).__mro__ if cls.__name__ in _BY_CLASS]
        nature, reason = _BY_CLASS[names[0]] if names else (Nature.UNKNOWN, "unreadable")
        if nature is Nature.REFUSED and status is not None and status >= 500:
            # A server error that ccxt could not name: nobody knows what it did.
            nature, reason = Nature.UNKNOWN, "server_error"
    if nature is Nature.REFUSED and reason in ("order_refused", "refused"):
        reason = "duplicate" if _DUPLICATE.search(text) else reason
        reason = "nothing_to_reduce" if _NOTHING_TO_REDUCE.search(text) else reason
        reason = "not_filled" if _NOT_FILLED.search(text) else reason
    return nature, reason


def explain(fault: BaseException, status: int | None, secrets: Iterable[str]) -> str:
    """A short text without addresses (they hold the signature), keys or markup."""
    text = str(fault)
    code, message = _CODE.search(text), _MESSAGE.search(text)
    if code or message:
        said = " ".join(part.group(1) for part in (code, message) if part)
    elif isinstance(fault, TimeoutError | asyncio.CancelledError):
        said = "no answer in time"
    else:
        said = type(fault).__name__
        if not type(fault).__module__.startswith("ccxt"):
            said += " while reading the answer"
    if status is not None and not 200 <= status < 300:
        said = f"HTTP {status}, {said}"
    said = _ADDRESS.sub("(address)", said)
    for secret in secrets:
        said = said.replace(secret, "***")
    return said[:300]
