"""The faults at work: which request meets which, and when each ends."""

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from sandbox.venue.faults.kinds import KINDS, Family, Fault, Faultable, Only
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
        # Account -> set at its next cancel; only those that somebody waits for.
        self._next_cancel: dict[str, asyncio.Event] = {}

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
        fault.ended.set()
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
        """End all, and let nobody wait on."""
        for number in list(self._active):
            self.remove(number)
        for account in list(self._next_cancel):
            self.cancel_answered(account)

    def meet(
        self, method: str, path: str, account: str | None, *, family: Family | None, places_orders: bool
    ) -> dict[str, Fault]:
        """The faults that this request meets, one of a kind (the oldest); each is used up by one."""
        met: dict[str, Fault] = {}
        sort = Only.CANCELS if method == "DELETE" else Only.NEW_ORDERS if places_orders else None
        for fault in self.active():
            kind = KINDS[fault.kind]
            if not kind.per_request or fault.kind in met or kind.only not in {None, sort}:
                continue
            if fault.account not in {None, account} or fault.method not in {None, method}:
                continue
            if fault.family not in {None, family} or not path.startswith(fault.path or ""):
                continue
            met[fault.kind] = fault
            fault.applied += 1
            self._count(fault.kind)
            if fault.left is not None:
                fault.left -= 1
                if fault.left == 0:
                    self.remove(fault.number)
        return met

    async def next_cancel(self, account: str, within_seconds: float) -> None:
        """Wait until a cancel of the account is answered, or so long."""
        event = self._next_cancel.setdefault(account, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await event.wait()

    @property
    def awaits_cancels(self) -> bool:
        """Whether somebody waits in `next_cancel`."""
        return bool(self._next_cancel)

    def cancel_answered(self, account: str | None) -> None:
        """A cancel of the account was answered with success."""
        event = self._next_cancel.pop(account or "", None)
        if event is not None:
            event.set()

    def _count(self, kind: str) -> None:
        self.applied[kind] = self.applied.get(kind, 0) + 1
