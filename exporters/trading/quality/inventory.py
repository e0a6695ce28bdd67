"""How often a strategy turns its inventory over: what it traded over what it held on average."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from exporters.trading.quality.windows import SLOTS, Window

_ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Inventory:
    """Traded and held notional of a strategy in one currency; *gross* is what it holds since *at*.

    ``held`` adds up notional x seconds, ``known`` the seconds, so that their ratio is the mean over time.
    """

    gross: Decimal = _ZERO
    at: float | None = None
    traded: Window = field(default_factory=Window)
    held: Window = field(default_factory=Window)
    known: Window = field(default_factory=Window)

    def move(self, change: Decimal, time: float, seconds: int) -> None:
        """The notional held became *change* greater at *time*; *seconds* is the length of a slot."""
        if self.at is None:
            self.at = time
        begin = max(self.at, time - SLOTS * seconds)
        while begin < time:
            slot = int(begin // seconds)
            end = min(float((slot + 1) * seconds), time)
            span = Decimal(end - begin)
            self.held.add(slot, self.gross * span)
            self.known.add(slot, span)
            begin = end
        self.at = max(self.at, time)
        self.gross += change

    def turnover(self, now: float, seconds: int) -> float | None:
        """Traded notional of the window over the mean notional held in it; ``None`` when nothing was held."""
        slot = int(now // seconds)
        held, known = self.held.total(slot), self.known.total(slot)
        if self.at is not None and now > self.at:
            span = Decimal(min(now - self.at, float(SLOTS * seconds)))
            held += self.gross * span
            known += span
        if held <= _ZERO or known <= _ZERO:
            return None
        return float(self.traded.total(slot) * known / held)

    def dump(self) -> list[Any]:
        """As plain JSON."""
        return [str(self.gross), self.at, self.traded.dump(), self.held.dump(), self.known.dump()]

    @classmethod
    def restored(cls, saved: Any, *, same_window: bool) -> "Inventory":
        """What ``dump`` gave; windows of another length begin anew."""
        gross, at, traded, held, known = saved
        inventory = cls(Decimal(gross), None if at is None else float(at))
        if same_window:
            inventory.traded.restore(traded)
            inventory.held.restore(held)
            inventory.known.restore(known)
        return inventory
