"""What a kill leaves standing without a stop is told, whatever else is wrong there."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.rig import a_rig, until
from webhook.actions.port import Side
from webhook.killswitch.stage import Stage

BTC = "BTC/USDT:USDT"


@pytest.mark.xfail(strict=True, reason="a halt reads positions only once it is proven, so never while it is stuck")
def test_a_halt_that_is_stuck_says_what_stands_unguarded(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        venue = rig.venue("sandbox-mm")
        venue.hold(BTC, Decimal(2))
        venue.place(BTC, Side.SELL, Decimal(1), Decimal(110), client_order_id="mm-btc_1", cancellable=False)
        trip = rig.trip(kill_action="halt")
        until(lambda: any(one.stage is Stage.STUCK for one in rig.view(trip).rows))

        until(lambda: rig.row(trip, "sandbox-mm").naked_notional == Decimal(200), 1.5)
