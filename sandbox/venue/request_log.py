"""What was asked of the venue: the last requests one by one, and counts of all."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

REMEMBERED = 200_000


@dataclass(slots=True)
class LoggedRequest:
    """One request as it came in.  `monotonic` is the machine's CLOCK_MONOTONIC, the same in every process."""

    number: int
    monotonic: float
    wall: float
    method: str
    path: str
    account: str | None = None
    key: str | None = None
    symbol: str | None = None
    status: int | None = None
    code: int | None = None


class RequestLog:
    """The last requests, and for ever how often each path was answered how."""

    def __init__(self) -> None:
        # (path, method, account, status) -> how many; status 0: cut off without an answer.
        self.counts: dict[tuple[str, str, str, int], int] = {}
        self._requests: deque[LoggedRequest] = deque(maxlen=REMEMBERED)
        self._numbers = count(1)

    def begin(self, method: str, path: str) -> LoggedRequest:
        """Note a request at its arrival; whoever serves it fills in the rest."""
        request = LoggedRequest(next(self._numbers), time.monotonic(), time.time(), method, path)
        self._requests.append(request)
        return request

    def answered(self, request: LoggedRequest, status: int) -> None:
        """Note how a request ended; 0 for a connection that was cut."""
        request.status = status
        self.count(request.path, request.method, request.account or "", status)

    def count(self, path: str, method: str, account: str, status: int) -> None:
        """Count an answer."""
        key = path, method, account, status
        self.counts[key] = self.counts.get(key, 0) + 1

    @property
    def last(self) -> int:
        """The number of the newest request; 0 when there is none."""
        return self._requests[-1].number if self._requests else 0

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(self._requests)

    def clear(self) -> None:
        """Forget all; numbers go on."""
        self._requests.clear()
        self.counts.clear()
