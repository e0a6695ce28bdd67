"""What faults do to cancels: refused, applied late, or for a part of the orders only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sandbox.venue.faults.kinds import Fault
from sandbox.venue.orders.order import AlgoOrder, Order
from sandbox.venue.refusal import Refused

Later = Callable[[float, Callable[[], None]], None]
"""Does something after so many seconds."""
AnyOrder = TypeVar("AnyOrder", Order, AlgoOrder)


@dataclass(slots=True)
class CancelFaults:
    """How the cancels of one request go wrong; nothing goes wrong by default.

    `late`: seconds until a cancel is applied.  `missing_count`, `missing_ratio`: what a cancel-all misses.  `refused`:
    the orders (either id) whose cancel is refused; an empty set refuses all.
    """

    late: float | None = None
    missing_count: int = 0
    missing_ratio: float = 0.0
    refused: frozenset[str] | None = None
    refused_code: int = 0
    later: Later | None = None

    def refusal(self, order: Order | AlgoOrder) -> Refused | None:
        """Why this order cannot be cancelled; None when it can."""
        if self.refused is None or (self.refused and self.refused.isdisjoint(order.ids)):
            return None
        return Refused(self.refused_code, "Order was not canceled due to cancel restrictions.")

    def apply(self, cancel: Callable[[AnyOrder], None], orders: Sequence[AnyOrder], *, whole_book: bool) -> None:
        """Cancel as far and as late as the faults let it happen; the client hears of success anyhow."""
        todo = list(orders)
        if whole_book and (self.missing_count or self.missing_ratio):
            missed = max(self.missing_count, round(len(todo) * self.missing_ratio))
            todo = todo[: max(0, len(todo) - missed)]
        for order in todo:
            if self.late is not None and self.later is not None:
                self.later(self.late, partial(cancel, order))
            else:
                cancel(order)


def cancel_faults(met: Mapping[str, Fault], later: Later) -> CancelFaults:
    """What the faults that a request met do to its cancels."""
    late, partial_, refused = (met.get(f"cancel_{kind}") for kind in ("late", "partial", "refused"))
    return CancelFaults(
        late=late.params["seconds"] if late else None,
        missing_count=partial_.params["n"] if partial_ else 0,
        missing_ratio=partial_.params["ratio"] if partial_ else 0.0,
        refused=frozenset(map(str, refused.params["ids"])) if refused else None,
        refused_code=refused.params["code"] if refused else 0,
        later=later,
    )
