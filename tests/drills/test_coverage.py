"""Verified is a statement about coverage: over what was read, when, and what it could hold."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.builders import an_alert
from tests.rig import Rig, a_rig, minutes_ago, until
from webhook.access.principal import Principal, Role
from webhook.access.refusal import Refusal
from webhook.actions.port import Side
from webhook.killswitch.scope import Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import Action, State
from webhook.killswitch.trip import Trip, TripStatus

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
ALICE = Principal("alice", Role.RISK)
SLOW_SWEEP = {
    "block_timeout_seconds": 0.4,
    "venue_timeout_seconds": 0.4,
    "verify_deadline_seconds": 1.0,
    "flat_deadline_seconds": 2.0,
    "sweep_seconds": 30,
}


def venues(**options: Any) -> dict[str, Any]:
    """Changes for a rig with the one account `sandbox-mm`, with these options of the paper venue."""
    only = {
        "name": "sandbox-mm",
        "venue": "sandbox",
        "account": "mm",
        "adapter": "paper",
        "mode": "live",
        "options": {"symbols": [BTC], **options},
    }
    return {"venues": [only]}


def unverified(rig: Rig, scope: str) -> bool:
    return scope in rig.assembly.telemetry.snapshot.unverified


def halt(rig: Rig, symbol: str) -> Trip | Refusal:
    return rig.service.trip(ALICE, Action.HALT, Scope.of({"venue": "sandbox", "symbol": symbol}), "a test")


def test_a_book_that_nobody_reads_is_cancelled_and_never_verified(tmp_path: Path) -> None:
    """An exchange without a data file: its orders go, and nobody says that they are gone."""
    with a_rig(tmp_path, **venues(books_known=False)) as rig:
        rig.venue("sandbox-mm").place(BTC, client_order_id="mm-btc_1")
        trip = rig.trip(kill_action="halt")

        until(lambda: rig.status(trip) is TripStatus.UNVERIFIED)
        until(lambda: rig.venue("sandbox-mm").resting() == ())

        assert rig.row(trip, "sandbox-mm").stage is Stage.UNCOVERED
        assert any("coverage" in why for why in rig.view(trip).verdict.why)
        until(lambda: bool(rig.records("not_verified")))
        assert rig.records("trip_verified") == []


def test_a_read_that_misses_a_book_is_no_verdict(tmp_path: Path) -> None:
    with a_rig(tmp_path, **venues(unread_books=["trigger"])) as rig:
        trip = rig.trip(kill_action="halt")

        until(lambda: rig.status(trip) is TripStatus.UNVERIFIED)

        assert rig.row(trip, "sandbox-mm").stage in (Stage.UNKNOWN, Stage.UNCOVERED)
        assert rig.records("trip_verified") == []


def test_a_page_that_may_not_be_all_is_cancelled_from_until_it_is(tmp_path: Path) -> None:
    """A strategy halt finds and cancels page after page, and gives its verdict at the end."""
    shared = {
        "grid": {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": ["grid_"]},
        "trend": {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": ["trend_"]},
    }
    policy = {"rules": [{"alerts": ["*"], "actions": ["halt"], "scopes": ["venue,account,strategy"]}]}
    with a_rig(tmp_path, strategies=shared, policy=policy, **venues()) as rig:
        venue = rig.venue("sandbox-mm")
        venue.faults.page = 10
        for number in range(35):
            venue.place(BTC, Side.BUY, Decimal(1), Decimal(90), client_order_id=f"grid_{number}")
        venue.place(BTC, client_order_id="trend_1")

        rig.until_verified(rig.trip(kill_action="halt", strategy="grid"), 20)

        assert [order.client_order_id for order in venue.resting()] == ["trend_1"]


def test_a_symbol_is_understood_however_it_is_written(tmp_path: Path) -> None:
    markets = {BTC: ["BTCUSDT"], ETH: ["ETHUSDT", "ETH-PERP"]}
    for number, written in enumerate(("BTCUSDT", "btc/usdt:usdt", BTC)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with a_rig(folder, **venues(markets=markets)) as rig:
            rig.venue("sandbox-mm").place(BTC)
            rig.venue("sandbox-mm").place(ETH)
            made = halt(rig, written)
            assert isinstance(made, Trip), written
            rig.until_verified(made)
            assert [order.symbol for order in rig.venue("sandbox-mm").resting()] == [ETH]


def test_a_symbol_that_is_no_market_is_refused_loudly(tmp_path: Path) -> None:
    with a_rig(tmp_path, **venues(markets={BTC: ["BTCUSDT"]})) as rig:
        rig.venue("sandbox-mm").place(BTC)
        labels = {"kill_scope": "venue,symbol", "kill_action": "halt", "symbol": "BTCUSDX", "alertname": "Halt"}
        outcome = rig.deliver(an_alert(starts_at=datetime.now(UTC), **labels)).outcomes[0]

        assert outcome.outcome == "refused"
        assert "BTCUSDX" in outcome.reason
        assert rig.records("alert_refused")[0]["code"] == "unknown_symbol"
        assert rig.queries.switches() == ()
        assert isinstance(halt(rig, "BTCUSDX"), Refusal)


def test_a_symbol_is_cancelled_before_the_markets_are_known_and_verified_only_after(tmp_path: Path) -> None:
    with a_rig(tmp_path, **venues(markets={BTC: ["BTCUSDT"]})) as rig:
        rig.venue("sandbox-mm").faults.markets_unknown = True
        rig.venue("sandbox-mm").place(BTC)
        made = halt(rig, BTC)
        assert isinstance(made, Trip)
        until(lambda: rig.venue("sandbox-mm").resting() == ())
        until(lambda: rig.status(made) is TripStatus.UNVERIFIED)
        assert "not loaded" in rig.row(made, "sandbox-mm").detail["why"]

        rig.venue("sandbox-mm").faults.markets_unknown = False
        rig.until_verified(made)


@pytest.mark.parametrize("late", [0.1, 0.6])
def test_an_order_that_the_venue_accepts_late_is_gone_long_before_the_next_sweep(tmp_path: Path, late: float) -> None:
    """Reads follow at 0.3 s and 1 s after the verdict; the sweep of this rig comes every 30 s."""
    with a_rig(tmp_path, limits=SLOW_SWEEP) as rig:
        trip = rig.until_verified(rig.trip(kill_action="halt")).trip
        rig.venue("sandbox-mm").place(BTC, client_order_id="mm-btc_late", late=late)

        until(lambda: bool(rig.records("halt_broken")), 5)
        until(lambda: rig.venue("sandbox-mm").resting() == (), 5)
        rig.until_verified(trip)


def test_an_order_that_cannot_be_cancelled_takes_verified_away_and_keeps_telling(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        trip = rig.until_verified(rig.trip(kill_action="halt")).trip
        until(lambda: not unverified(rig, str(trip.scope)))
        stuck = rig.venue("sandbox-mm").place(BTC, client_order_id="mm-btc_9", cancellable=False)

        until(lambda: rig.status(trip) is not TripStatus.VERIFIED)
        until(lambda: unverified(rig, str(trip.scope)))
        until(lambda: rig.row(trip, "sandbox-mm").stage is Stage.STUCK)
        assert rig.status(trip) is TripStatus.UNVERIFIED
        until(lambda: any(one["stage"] == "stuck" for one in rig.records("not_verified")))
        value = rig.assembly.telemetry.registry.get_sample_value(
            "andon_target_stage",
            {"scope": str(trip.scope), "venue_account": "sandbox-mm", "stage": "stuck"},
        )
        until(lambda: value == 1 or unverified(rig, str(trip.scope)))

        rig.venue("sandbox-mm").free(stuck.order_id)
        rig.until_verified(trip)


def test_a_venue_that_goes_silent_takes_verified_away_after_a_while(tmp_path: Path) -> None:
    """What was proved a long time ago is not known now."""
    with a_rig(tmp_path) as rig:
        trip = rig.until_verified(rig.trip(kill_action="halt")).trip
        rig.venue("sandbox-mm").faults.failing = {"open_orders"}

        until(lambda: rig.row(trip, "sandbox-mm").stage is Stage.UNKNOWN)
        assert rig.status(trip) is TripStatus.UNVERIFIED

        rig.venue("sandbox-mm").faults.failing = set()
        rig.until_verified(trip)


def test_positions_that_cannot_be_read_are_never_flat(tmp_path: Path) -> None:
    """A person may not ask for it; an alert gets a halt, and is told so."""
    with a_rig(tmp_path, **venues(has_positions=False)) as rig:
        asked = rig.service.trip(ALICE, Action.FLATTEN, Scope.of({"venue": "sandbox", "account": "mm"}), "a test")
        assert isinstance(asked, Refusal)

        trip = rig.trip(kill_action="flatten")

        assert trip.action is Action.HALT
        assert "cannot be read" in trip.reason
        assert "flat" not in rig.until_verified(trip).milestones


def test_a_flatten_over_two_accounts_of_which_one_has_no_positions_is_not_flat(tmp_path: Path) -> None:
    both = [
        {
            "name": name,
            "venue": "sandbox",
            "account": account,
            "adapter": "paper",
            "mode": "live",
            "options": {"symbols": [BTC], "has_positions": has},
        }
        for name, account, has in (("futures", "mm", True), ("spot", "spot", False))
    ]
    with a_rig(tmp_path, venues=both) as rig:
        rig.venue("futures").hold(BTC, Decimal(1))
        trip = rig.service.trip(ALICE, Action.FLATTEN, Scope.of({"venue": "sandbox"}), "a test")
        assert isinstance(trip, Trip)

        until(lambda: rig.venue("futures").held(BTC) == 0)
        until(lambda: rig.row(trip, "futures").stage is Stage.FLAT)

        assert rig.row(trip, "spot").stage is Stage.UNCOVERED
        assert rig.status(trip) is TripStatus.UNVERIFIED


def test_what_is_covered_is_read_after_the_engines_were_stopped(tmp_path: Path) -> None:
    """A read that began before the engine confirmed is no verdict, however empty it is."""
    with a_rig(tmp_path) as rig:
        rig.engine.faults.latency = 0.3
        trip = rig.until_verified(rig.trip(kill_action="halt")).trip

        stopped, account = rig.row(trip, "engine"), rig.row(trip, "sandbox-mm")
        assert stopped.since is not None
        assert account.read_at is not None
        assert account.read_at >= stopped.since


def test_pause_seconds_delay_closings_and_nothing_else(tmp_path: Path) -> None:
    with a_rig(tmp_path, flatten={"pause_seconds": 30, "slices": 5}) as rig:
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        rig.trip(kill_action="flatten")
        until(lambda: rig.venue("sandbox-mm").held(BTC) == Decimal("0.8"))

        rig.venue("sandbox-mm").place(BTC, client_order_id="mm-btc_through")

        until(lambda: rig.venue("sandbox-mm").resting() == (), 3)
        assert rig.venue("sandbox-mm").held(BTC) == Decimal("0.8")


def test_a_slice_is_never_larger_than_the_exchange_takes(tmp_path: Path) -> None:
    with a_rig(tmp_path, flatten={"pause_seconds": 0, "slices": 1}, **venues(maximum_quantity="0.3")) as rig:
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        rig.until_verified(rig.trip(kill_action="flatten"), 20)
        sent = [call.asked.quantity for call in rig.venue("sandbox-mm").calls if call.method == "reduce"]
        assert max(sent) <= Decimal("0.3")


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_room_to_close_is_there_once_and_not_once_for_each_strategy(tmp_path: Path) -> None:
    """Two strategies each rest a SELL 10 against a long of 10: one of them would turn it round."""
    shared = {
        name: {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": [f"{name}_"]} for name in ("a", "b")
    }
    policy = {"rules": [{"alerts": ["*"], "actions": ["reduce"], "scopes": ["venue,account,strategy"]}]}
    with a_rig(tmp_path, strategies=shared, policy=policy, **venues()) as rig:
        venue = rig.venue("sandbox-mm")
        venue.hold(BTC, Decimal(10))
        venue.place(BTC, Side.SELL, Decimal(10), Decimal(110), client_order_id="a_1")
        venue.place(BTC, Side.SELL, Decimal(10), Decimal(120), client_order_id="b_1")
        for name in ("a", "b"):
            rig.until_verified(rig.trip(kill_action="reduce", strategy=name))

        assert [order.client_order_id for order in venue.resting()] == ["a_1"]


def test_protective_stops_stay_where_rule_and_policy_say_so(tmp_path: Path) -> None:
    policy = {
        "rules": [
            {
                "alerts": ["*"],
                "actions": ["halt"],
                "scopes": ["venue,account,strategy"],
                "keep": "protective",
            }
        ]
    }
    with a_rig(tmp_path, policy=policy, **venues()) as rig:
        venue = rig.venue("sandbox-mm")
        venue.hold(BTC, Decimal(3))
        venue.place(BTC, Side.SELL, Decimal(2), Decimal(80), client_order_id="stop", reduce_only=True, book="trigger")
        venue.place(BTC, Side.BUY, Decimal(1), Decimal(90), client_order_id="mm-btc_1")
        venue.place(BTC, Side.SELL, Decimal(1), Decimal(120), client_order_id="exit", reduce_only=True)

        trip = rig.until_verified(rig.trip(kill_action="halt", kill_keep="protective")).trip

        assert [order.client_order_id for order in venue.resting()] == ["stop"]
        assert trip.keep_protective
        until(lambda: rig.row(trip, "sandbox-mm").naked_notional == Decimal(100))
        until(lambda: any(one.naked_notional == 100 for one in rig.assembly.telemetry.snapshot.residuals))

        # A later trip that keeps nothing is the stronger one.
        everything = rig.trip(kill_action="halt", alertname="TradingOther")
        rig.until_verified(everything)
        assert venue.resting() == ()
        until(lambda: rig.row(everything, "sandbox-mm").naked_notional == Decimal(300))


def test_nothing_is_kept_without_the_policy(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        rig.venue("sandbox-mm").hold(BTC, Decimal(3))
        rig.venue("sandbox-mm").place(BTC, Side.SELL, Decimal(3), Decimal(80), reduce_only=True, book="trigger")

        trip = rig.trip(kill_action="halt", kill_keep="protective")

        assert "policy does not let it keep" in trip.reason
        rig.until_verified(trip)
        assert rig.venue("sandbox-mm").resting() == ()


# -- alerts ----------------------------------------------------------------------------------------------------------


def test_a_downgrade_by_budget_stays_with_its_episode(tmp_path: Path) -> None:
    """A repeat of the same alert, when there is budget again, does not flatten by itself."""
    policy = {
        "budget": {"trips": 1, "window_minutes": 0.01},
        "rules": [
            {"alerts": ["*"], "actions": ["halt", "flatten"], "scopes": ["venue,account,strategy", "venue,account"]}
        ],
    }
    with a_rig(tmp_path, policy=policy) as rig:
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        now = datetime.now(UTC)
        shared = {"strategy": "", "kill_scope": "venue,account", "account": "shared", "kill_action": "halt"}
        alert = an_alert(starts_at=now, kill_action="flatten")
        first = rig.deliver(an_alert(starts_at=now, **shared), alert)
        assert [one.action for one in first.outcomes] == ["halt", "halt"]

        time.sleep(0.7)  # the budget's window passes: there is nothing to wait for but time
        again = rig.deliver(alert).outcomes[0]

        assert (again.outcome, again.action) == ("already", "halt")
        assert rig.venue("sandbox-mm").held(BTC) == Decimal(1)
        fresh = rig.deliver(an_alert(starts_at=datetime.now(UTC), kill_action="flatten")).outcomes[0]
        assert (fresh.outcome, fresh.action) == ("tripped", "flatten"), "a new episode is a new question"


def test_the_budget_counts_only_trips_of_alerts_that_reached_an_account(tmp_path: Path) -> None:
    policy = {
        "budget": {"trips": 2, "window_minutes": 10},
        "rules": [{"alerts": ["*"], "actions": ["halt", "flatten"], "scopes": ["venue,account,strategy"]}],
    }
    with a_rig(tmp_path, policy=policy) as rig:
        for number in range(5):
            rig.trip(kill_action="halt", strategy=f"nobody-{number}")
            rig.service.trip(ALICE, Action.HALT, Scope.of({"venue": "sandbox", "account": f"x{number}"}), "by hand")

        assert rig.trip(kill_action="flatten").action is Action.FLATTEN


def test_an_alert_whose_start_lies_in_the_future_is_found_by_the_poll(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        rig.prometheus.fires(an_alert(starts_at=datetime.now(UTC) + timedelta(hours=1), kill_action="halt"))

        until(lambda: bool(rig.queries.switches()))
        assert rig.queries.switches()[0].state is State.HALTED


def test_the_poll_never_widens_a_scope(tmp_path: Path) -> None:
    """Labels that Prometheus adds on the way to Alertmanager are missing in its own list."""
    policy = {
        "missing_label": "widen",
        "rules": [{"alerts": ["*"], "actions": ["halt"], "scopes": ["venue,account,strategy", "venue,account"]}],
    }
    with a_rig(tmp_path, policy=policy) as rig:
        rig.prometheus.fires(an_alert(starts_at=minutes_ago(1), kill_action="halt", strategy=""))
        rig.prometheus.fires(
            an_alert(starts_at=minutes_ago(1), kill_action="halt", account="shared", strategy="nobody")
        )

        until(lambda: bool(rig.queries.switches()))
        assert [str(one.scope) for one in rig.queries.switches()] == ["venue=sandbox,account=shared,strategy=nobody"]
