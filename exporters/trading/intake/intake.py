"""Lines in, counts out: the one way into the state, shared by HTTP, tailed files and Kafka."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.logs import LogBudget
from exporters.series import counter
from exporters.trading.apply import apply
from exporters.trading.events import Event, EventError, parse
from exporters.trading.state import State

TRANSPORTS: Final = ("http", "file", "kafka")
_SLICE: Final = 256  # lines parsed without the lock, then applied under it: a scrape waits for one such slice at most
_MAX_ERRORS: Final = 10

MALFORMED: Final = counter(
    "trading_events_malformed_total",
    "transport",
    "rest",
    "lines",
    "the intake",
    "Lines that were not an event; transport is http, file or kafka.",
)
DUPLICATE: Final = counter(
    "trading_events_duplicate_total",
    "transport",
    "rest",
    "events",
    "the intake",
    "Events whose seq had been seen; they changed nothing.",
)
SERIES: Final = (MALFORMED, DUPLICATE)


@dataclass(frozen=True, slots=True)
class TailMark:
    """How far a tailed file was read: to *offset*, after a whole line; *fingerprint* is of its first *head* bytes."""

    device: int
    inode: int
    offset: int
    head: int
    fingerprint: str


@dataclass(slots=True)
class Receipt:
    """What became of some lines; *errors* are the first ten, as (line number from 1, message)."""

    accepted: int = 0
    duplicates: int = 0
    malformed: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)


class Intake:
    """Holds the state and its lock; every thread that feeds or reads goes through here."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self.state = state
        self.lock = threading.Lock()
        self.marks: dict[str, TailMark] = {}
        self.offsets: dict[tuple[str, int], int] = {}
        self.malformed = dict.fromkeys(TRANSPORTS, 0)
        self.duplicates = dict.fromkeys(TRANSPORTS, 0)
        self.version = 0
        self._clock = clock
        self._budget = LogBudget()
        self._log = structlog.get_logger(exporter="trading")

    def feed(
        self,
        lines: Sequence[bytes],
        transport: str,
        mark: tuple[str, TailMark] | None = None,
        offsets: Mapping[tuple[str, int], int] | None = None,
    ) -> Receipt:
        """Take *lines* in, empty ones aside; *mark* (path, how far) is remembered together with the last of them.

        So are *offsets*, by topic and partition: the next one to read.
        """
        receipt = Receipt()
        for start in range(0, len(lines), _SLICE):
            self._slice(lines[start : start + _SLICE], start, transport, receipt)
        if mark is not None or offsets is not None:
            with self.lock:
                if mark is not None:
                    self.marks[mark[0]] = mark[1]
                if offsets is not None:
                    self.offsets.update(offsets)
                self.version += 1
        return receipt

    def refuse(self, transport: str, line: int, fault: str, receipt: Receipt) -> None:
        """Count and log a line that is no event."""
        receipt.malformed += 1
        self.malformed[transport] += 1
        if len(receipt.errors) < _MAX_ERRORS:
            receipt.errors.append((line, fault))
        held_back = self._budget.take()
        if held_back is not None:
            self._log.warning("malformed event", transport=transport, line=line, fault=fault, held_back=held_back)

    def _slice(self, lines: Sequence[bytes], start: int, transport: str, receipt: Receipt) -> None:
        now = self._clock()
        latest = now + self.state.limits.max_ahead
        events: list[tuple[int, Event]] = []
        for number, line in enumerate(lines, start + 1):
            if not line or line.isspace():
                continue
            try:
                event = parse(line)
                if event.time > latest:
                    raise EventError("time: too far ahead of the exporter's clock")  # noqa: TRY301
            except EventError as fault:
                self.refuse(transport, number, str(fault), receipt)
            else:
                events.append((number, event))
        accepted = duplicates = 0
        with self.lock:
            for number, event in events:
                try:
                    if apply(self.state, event, now):
                        accepted += 1
                    else:
                        duplicates += 1
                except Exception as fault:  # noqa: BLE001  # the border: no line may cost the lines around it
                    self.refuse(transport, number, f"cannot be applied ({type(fault).__name__})", receipt)
            self.version += 1
        receipt.accepted += accepted
        receipt.duplicates += duplicates
        self.duplicates[transport] += duplicates

    def families(self) -> Iterator[Metric]:
        """What was no event, and what was one that was seen before."""
        yield MALFORMED.family(((transport,), n) for transport, n in self.malformed.items())
        yield DUPLICATE.family(((transport,), n) for transport, n in self.duplicates.items())
