"""A whole service in a process of its own, on a store that others use, too; started by test_leases.py.

Told what to do, and asked, by one JSON list a line on standard input; each is answered by one JSON value a line.  The
id of every order that closes a position is appended to a file before it is sent.
"""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.rig import Rig, a_rig
from webhook.access.principal import Principal, Role
from webhook.actions.port import Fill, ReduceOrder, Side
from webhook.clock import SystemClock
from webhook.errors import StoreOutageError
from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action
from webhook.killswitch.trip import Trip

BTC = "BTC/USDT:USDT"
MM = Scope.of({"venue": "sandbox", "account": "mm", "strategy": "mm-btc"})
ACCOUNT = "account/sandbox-mm"
SLICES = 30


class WrongClock(SystemClock):
    """A clock that is hours ahead."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)


def answer(rig: Rig, asked: list[Any]) -> Any:  # noqa: PLR0911 - one for each thing that can be asked
    venue = rig.venue("sandbox-mm")
    match asked:
        case ["trip", action]:
            try:
                trip = rig.service.trip(Principal("alice", Role.RISK), Action(action), MM, "a drill")
            except StoreOutageError:
                return None
            assert isinstance(trip, Trip), trip
            return trip.id
        case ["trips"]:
            return [view.verdict.status.value for view in rig.queries.trips()]
        case ["epoch"]:
            return rig.assembly.worker._leases._held.get(ACCOUNT)
        case ["waiting"]:
            return rig.assembly.commit.waiting()
        case ["out"]:
            return rig.assembly.commit.out
        case ["held"]:
            return str(venue.held(BTC))
        case ["rest"]:
            venue.place(BTC, Side.BUY, Decimal("0.1"), Decimal(90), client_order_id="mm-btc_late")
            return None
        case ["resting"]:
            return len(venue.resting())
        case ["status", trip_id]:
            return rig.view(trip_id).verdict.status.value
        case ["row", trip_id]:
            row = rig.row(rig.view(trip_id).trip, "sandbox-mm")
            return {"stage": row.stage.value, "epoch": row.epoch}
    raise AssertionError(asked)


def main(folder: Path, store_url: str, clock: str) -> None:
    # Answers are alone on standard output; what the service writes there goes the way of its errors.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    changes = {
        "store": {"url": store_url, "commit_timeout_seconds": 1.0},
        # So many slices that a kill in their midst is easy to hit.
        "flatten": {"pause_seconds": 0.02, "slices": SLICES},
    }
    with a_rig(folder, clock=WrongClock() if clock == "wrong" else SystemClock(), **changes) as rig:
        venue = rig.venue("sandbox-mm")
        venue.hold(BTC, Decimal(1))
        send = venue.reduce
        with (folder / "ids").open("a") as ids:

            def reduce(order: ReduceOrder, timeout: float) -> Fill:
                ids.write(f"{order.client_order_id}\n")
                ids.flush()
                return send(order, timeout)

            venue.reduce = reduce
            print(json.dumps("ready"), file=out, flush=True)
            for line in sys.stdin:
                print(json.dumps(answer(rig, json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
