"""Sums over the last minutes in a fixed number of slots: what is older falls out, and memory does not grow."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

SLOTS: Final = 60
"""A window of *m* minutes has 60 slots of *m* seconds each; the last of them is still being filled."""
_AHEAD: Final = 1  # an event may be a little ahead of our clock: it must not push out a slot that still counts
_SIZE: Final = SLOTS + _AHEAD


class Window:
    """Decimal sums by slot; the number of a slot is its time divided by the seconds of a slot."""

    __slots__ = ("_slots", "_sums")

    def __init__(self) -> None:
        self._slots = [-1] * _SIZE
        self._sums = [Decimal(0)] * _SIZE

    def add(self, slot: int, amount: Decimal) -> None:
        """Add to a slot; what is older than the window is passed over."""
        place = slot % _SIZE
        known = self._slots[place]
        if known == slot:
            self._sums[place] += amount
        elif known < slot:
            self._slots[place] = slot
            self._sums[place] = amount

    def total(self, slot: int) -> Decimal:
        """The sum of the window that ends with *slot*."""
        oldest = slot - SLOTS
        return sum(
            (each for known, each in zip(self._slots, self._sums, strict=True) if known > oldest and known >= 0),
            Decimal(0),
        )

    def dump(self) -> list[tuple[int, str]]:
        """The slots that hold something, for the state file."""
        return [(slot, str(each)) for slot, each in zip(self._slots, self._sums, strict=True) if each]

    def restore(self, saved: Iterable[tuple[int, str]]) -> None:
        """Take in what ``dump`` gave."""
        for slot, amount in saved:
            self.add(int(slot), Decimal(amount))
