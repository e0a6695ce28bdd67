"""The faults at work: which request meets which, and when each ends."""

import asyncio
import time
from collections.abc import Collection, Mapping
from itertools import count
from typing import Any

from sandbox.venue.faults.kinds import KINDS, Fault, Faultable
from sandbox.venue.faults.spec import read


class ActiveFaults:
    """The faults at work."""

    def __init__(self, venue: Faultable, *, accounts: Collection[str], symbols: Collection[str]) -> None:
        self.applied: dict[str, int] = {}
        self._venue = venue
        self._accounts = accounts
        self._symbols = symbols
        self._active: dict[int, Fault] = {}
        self._numbers = count(1)

    def __bool__(self) -> bool:
        return bool(self._active)

    def active(self) -> list[Fault]:
        """Those at work, oldest first."""
        return list(self._active.values())

    def add(self, spec: Mapping[str, Any]) -> Fault:
        """Start a fault; raises FaultError."""
        fault = read(spec, next(self._numbers), accounts=self._accounts, symbols=self._symbols)
        kind = KINDS[fault.kind]
        if kind.begin:
            kind.begin(self._venue, fault)
            fault.applied = 1
            self._count(fault.kind)
        if fault.kind == "sequence_gap":
            return fault  # it is done: the updates are marked to be lost
        self._active[fault.number] = fault
        if fault.until is not None:
            delay = fault.until - time.monotonic()
            fault.timer = asyncio.get_running_loop().call_later(delay, self.remove, fault.number)
        return fault

    def remove(self, number: int) -> bool:
        """End a fault; False when there is no such one (any more)."""
        fault = self._active.pop(number, None)
        if fault is None:
            return False
        if fault.timer:
            fault.timer.cancel()
        kind = KINDS[fault.kind]
        if kind.end:
            kind.end(self._venue, fault)
        if kind.replace and kind.begin:
            symbol = fault.params.get("symbol")
            same = [one for one in self.active() if one.kind == fault.kind and one.params.get("symbol") == symbol]
            if same:
                kind.begin(self._venue, same[-1])
        return True

    def clear(self) -> None:
        """End all."""
        for number in list(self._active):
            self.remove(number)

    def meet(self, method: str, path: str, account: str | None) -> dict[str, Fault]:
        """The faults that this request meets, one of a kind (the oldest); each is used up by one."""
        met: dict[str, Fault] = {}
        for fault in self.active():
            if not KINDS[fault.kind].per_request or fault.kind in met:
                continue
            if fault.account is not None and fault.account != account:
                continue
            if fault.path is not None and not path.startswith(fault.path):
                continue
            if fault.method is not None and fault.method != method:
                continue
            if fault.kind.startswith("cancel_") and method != "DELETE":
                continue
            met[fault.kind] = fault
            fault.applied += 1
            self._count(fault.kind)
            if fault.left is not None:
                fault.left -= 1
                if fault.left == 0:
                    self.remove(fault.number)
        return met

    def _count(self, kind: str) -> None:
        self.applied[kind] = self.applied.get(kind, 0) + 1
