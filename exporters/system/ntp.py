"""How far time servers are from our clock: one SNTP question (RFC 4330) by UDP, and what of the answer is believed."""

import secrets
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics_core import Metric

from exporters.series import gauge

PORT: Final = 123
_PACKET: Final = struct.Struct("!BBBb3I4Q")
_QUESTION: Final = 0b00_100_011  # no warning, version 4, client
_SERVER: Final = 4
_UNSYNCHRONISED: Final = 3
_MOST_STRATUM: Final = 15
_TO_UNIX: Final = 2_208_988_800
_ERA: Final = 1 << 32
_REMEMBERED: Final = 8
_LONGEST_SILENCE: Final = 3600.0

_SOURCE: Final = "a question over UDP (RFC 4330), off by default"
NTP_UP: Final = gauge(
    "system_ntp_up",
    "server",
    "rest",
    "boolean",
    _SOURCE,
    "1 when the time server's last answer could be believed, 0 when there was none (or it asks to be left alone).",
)
NTP_OFFSET: Final = gauge(
    "system_ntp_offset_seconds",
    "server",
    "rest",
    "seconds, signed",
    _SOURCE,
    "Server's clock minus ours by the fastest of the last 8 answers, ((T2-T1)+(T3-T4))/2; absent without an answer.",
)
SERIES: Final = (
    NTP_UP,
    NTP_OFFSET,
)


class NtpError(Exception):
    """An answer that must not be believed; the message says why."""


class KissOfDeathError(NtpError):
    """The server asks us to leave it alone."""


@dataclass(frozen=True, slots=True)
class NtpSight:
    """*offset* is the server's clock minus ours in seconds."""

    up: bool
    offset: float | None


DOWN: Final = NtpSight(up=False, offset=None)


class NtpServer:
    """Asks one server; of the last answers the fastest tells most."""

    def __init__(self, server: str, timeout: float, every: float) -> None:
        """*server* is a host, or ``host:port``."""
        self.server = server
        host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
        self._address = (host, int(port) if port else PORT)
        self._timeout = timeout
        self._every = every
        self._answers: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._silence = 0.0
        self._silent_until = 0.0

    def look(self) -> NtpSight:
        """Ask once; never raises for what the server or the way to it does."""
        if time.monotonic() < self._silent_until:
            return DOWN
        try:
            took, offset = self._ask()
        except KissOfDeathError:
            self._silence = min(_LONGEST_SILENCE, max(4 * self._every, 2 * self._silence))
            self._silent_until = time.monotonic() + self._silence
            self._answers.clear()
            return DOWN
        except (OSError, NtpError):
            self._answers.clear()
            return DOWN
        self._silence = 0.0
        # Answers that cannot both be true: a clock was set in between, and the older ones are about another clock.
        if any(abs(old - offset) > (old_took + took) / 2 + 0.001 for old_took, old in self._answers):
            self._answers.clear()
        self._answers.append((took, offset))
        return NtpSight(up=True, offset=min(self._answers)[1])

    def _ask(self) -> tuple[float, float]:
        family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as question:
            question.settimeout(self._timeout)
            question.connect(address)  # so that nobody else's answer is read
            cookie = secrets.randbits(64) or 1  # instead of our time: the answer must repeat it, and it tells nothing
            sent = time.time()
            began = time.perf_counter()
            question.send(_PACKET.pack(_QUESTION, 0, 0, 0, 0, 0, 0, 0, 0, 0, cookie))
            deadline = time.monotonic() + self._timeout
            while True:
                answer = question.recv(512)
                took = time.perf_counter() - began
                try:
                    received, replied = read(answer, cookie, sent)
                except KissOfDeathError:
                    raise
                except NtpError:
                    if time.monotonic() >= deadline:
                        raise
                    question.settimeout(max(0.001, deadline - time.monotonic()))
                    continue  # it may be an old or a forged one: ours may still come
                break
        delay = max(0.0, took - (replied - received))
        return delay, ((received - sent) + (replied - (sent + took))) / 2


def read(answer: bytes, cookie: int, now: float) -> tuple[float, float]:
    """When the server received the question and when it replied, seconds since the epoch; raises NtpError.

    *cookie* is what we sent as transmit timestamp; *now* tells which of the eras of 136 years is meant.
    """
    if len(answer) < _PACKET.size:
        raise NtpError("too short")
    flags, stratum, _, _, _, _, _, _, originate, received, replied = _PACKET.unpack_from(answer)
    if originate != cookie:
        raise NtpError("not an answer to our question")
    if flags & 0b111 != _SERVER:
        raise NtpError("not a server's answer")
    if stratum == 0:
        raise KissOfDeathError("kiss of death")
    if flags >> 6 == _UNSYNCHRONISED or stratum > _MOST_STRATUM:
        raise NtpError("the server does not know the time")
    if received == 0 or replied == 0:
        raise NtpError("no time in it")
    return _unix(received, now), _unix(replied, now)


def _unix(stamp: int, now: float) -> float:
    seconds = stamp / _ERA - _TO_UNIX
    return seconds + round((now - seconds) / _ERA) * _ERA


def families(seen: Iterable[tuple[str, NtpSight | None]]) -> Iterator[Metric]:
    """The servers' series; none for one that was not asked lately."""
    seen = [(name, sight) for name, sight in seen if sight is not None]
    known = [(name, sight) for name, sight in seen if sight is not None]
    yield NTP_UP.family(((name,), float(sight.up)) for name, sight in known)
    yield NTP_OFFSET.family(((name,), sight.offset) for name, sight in known if sight.offset is not None)
