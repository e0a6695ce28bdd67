"""How many orders a strategy sends a second, by the time they were sent and not by the time they were heard of.

What was held up on the way and arrives at once is as calm as it was, and a burst is one from its first event.
"""

from typing import Final

WINDOW_SECONDS: Final = 2.0
_SLOTS_A_SECOND: Final = 10
_WINDOW: Final = int(WINDOW_SECONDS * _SLOTS_A_SECOND)
_KEPT: Final = 64 * _SLOTS_A_SECOND
_HELD_SECONDS: Final = 2.0


class OrderRate:
    """Orders by tenths of a second; what is a minute older than the newest is not counted."""

    __slots__ = ("_before", "_counts", "_highest", "_newest", "_total", "_turn_ends")

    def __init__(self) -> None:
        self._counts = [0] * _KEPT
        self._newest = -_KEPT
        self._total = 0  # of the window that ends with the newest slot
        # The highest of the windows that an order came into: in this turn of two seconds, and in the one before.
        self._highest = 0
        self._before = 0
        self._turn_ends = 0.0

    def sent(self, time: float, received: float) -> None:
        """An order was sent at *time*, and heard of at *received*, which is not sooner."""
        slot = int(time * _SLOTS_A_SECOND)
        if slot == self._newest:
            self._counts[slot % _KEPT] += 1
            self._total = highest = self._total + 1
        elif slot > self._newest:
            self._advance(slot)
            self._counts[slot % _KEPT] = 1
            self._total = highest = self._total + 1
        elif slot > self._newest - (_KEPT - _WINDOW):
            self._counts[slot % _KEPT] += 1
            self._total += slot > self._newest - _WINDOW
            highest = self._highest_with(slot)
        else:
            return
        if received >= self._turn_ends:
            self._before = self._highest if received < self._turn_ends + _HELD_SECONDS else 0
            self._highest = highest
            self._turn_ends = (received // _HELD_SECONDS + 1) * _HELD_SECONDS
        elif highest > self._highest:
            self._highest = highest

    def per_second(self, now: float) -> float:
        """The most orders a second within any two seconds that an order came into lately (2 to 4 s before *now*)."""
        if now < self._turn_ends:
            return max(self._highest, self._before) / WINDOW_SECONDS
        return self._highest / WINDOW_SECONDS if now < self._turn_ends + _HELD_SECONDS else 0.0

    def _advance(self, slot: int) -> None:
        counts, newest = self._counts, self._newest
        if slot - newest >= _WINDOW:
            self._total = 0
        else:
            for each in range(newest + 1, slot + 1):
                self._total -= counts[(each - _WINDOW) % _KEPT]
        for each in range(max(newest, slot - _KEPT) + 1, slot + 1):
            counts[each % _KEPT] = 0
        self._newest = slot

    def _highest_with(self, slot: int) -> int:
        """Of the windows that hold *slot*, the one with the most orders."""
        counts = self._counts
        running = highest = sum(counts[each % _KEPT] for each in range(slot - _WINDOW + 1, slot + 1))
        for end in range(slot + 1, min(slot + _WINDOW - 1, self._newest) + 1):
            running += counts[end % _KEPT] - counts[(end - _WINDOW) % _KEPT]
            highest = max(highest, running)
        return highest
