"""What faults do to cancels: applied late, or for a part of the orders only; the client hears of success anyhow."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sandbox.venue.faults.kinds import Fault

Later = Callable[[float, Callable[[], None]], None]
"""Does something after so many seconds."""


@dataclass(slots=True)
class CancelFaults:
    """How cancels of this request are falsified: applied `late` by so many seconds, or missing some of a cancel-all."""

    late: float | None = None
    missing_count: int = 0
    missing_ratio: float = 0.0
    later: Later | None = None

    def apply(self, cancels: Iterable[Callable[[], None]], *, whole_book: bool) -> None:
        """Do the cancels as far and as late as the faults let them happen; the client hears of success anyhow."""
        todo = list(cancels)
        if whole_book and (self.missing_count or self.missing_ratio):
            missed = max(self.missing_count, round(len(todo) * self.missing_ratio))
            todo = todo[: max(0, len(todo) - missed)]
        for cancel in todo:
            if self.late is not None and self.later is not None:
                self.later(self.late, cancel)
            else:
                cancel()


def cancel_faults(met: Mapping[str, Fault], later: Later) -> CancelFaults:
    """What the faults that a request met do to its cancels."""
    late, partial = met.get("cancel_late"), met.get("cancel_partial")
    return CancelFaults(
        late=late.params["seconds"] if late else None,
        missing_count=partial.params["n"] if partial else 0,
        missing_ratio=partial.params["ratio"] if partial else 0.0,
        later=later,
    )
