"""Stories of a kill, told on the paper venue: what is promised in the design, one promise a test."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import an_alert
from tests.rig import SHARED, Rig, a_rig, minutes_ago, until
from webhook.access.principal import Principal, Role
from webhook.access.refusal import Refusal
from webhook.actions.port import EngineState, Side
from webhook.durability.port import Transaction
from webhook.intake.alert import AlertStatus
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import Action, State
from webhook.killswitch.trip import Trip, TripStatus

BTC = "BTC/USDT:USDT"
MM = Scope.of({"venue": "sandbox", "account": "mm", "strategy": "mm-btc"})
ALICE, BOB = Principal("alice", Role.RISK), Principal("bob", Role.RISK)


def rest_orders(rig: Rig, count: int = 5, account: str = "sandbox-mm", prefix: str = "mm-btc_") -> None:
    for number in range(count):
        rig.venue(account).place(
            BTC, Side.BUY, Decimal("0.1"), Decimal(90 - number), client_order_id=f"{prefix}{number}"
        )


def left(rig: Rig, account: str = "sandbox-mm") -> int:
    return len(rig.venue(account).open_orders(None, 1.0).orders)


def state(rig: Rig, scope: Scope = MM) -> State:
    return next((one.state for one in rig.queries.switches() if one.scope == scope), State.NORMAL)


def resume(rig: Rig, scope: Scope = MM) -> None:
    rig.all_resolve()
    request = rig.resumes.request(ALICE, scope, "mended")
    assert not isinstance(request, Refusal), request
    approved = rig.resumes.approve(BOB, request.id)
    assert not isinstance(approved, Refusal), approved


def test_a_breach_ends_blocked_empty_flat_and_verified(tmp_path: Path) -> None:
    """The whole promise: engine stopped, both books empty, position closed, each proved and journalled."""
    with a_rig(tmp_path) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").place(BTC, Side.SELL, Decimal(1), Decimal(80), book="trigger")
        rig.venue("sandbox-mm").hold(BTC, Decimal("1.5"))

        trip = rig.until_verified(rig.trip())

        assert left(rig) == 0
        assert rig.venue("sandbox-mm").positions(None, 1.0).positions == ()
        assert rig.engine.states["mm-btc"] is EngineState.BLOCKED
        assert state(rig) is State.HALTED
        assert set(trip.milestones) == {"received", "stored", "stopped", "first_cancel_sent", "empty", "flat"}
        until(lambda: bool(rig.records("trip_verified")))
        assert rig.queries.verify_audit() is None


def test_a_halt_leaves_positions_alone(tmp_path: Path) -> None:
    """Halt cancels and verifies; what is held stays held."""
    with a_rig(tmp_path) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").hold(BTC, Decimal(-2))

        rig.until_verified(rig.trip(kill_action="halt"))

        assert left(rig) == 0
        assert [one.quantity for one in rig.venue("sandbox-mm").positions(None, 1.0).positions] == [Decimal(-2)]


def test_a_kill_of_one_strategy_leaves_the_orders_of_others(tmp_path: Path) -> None:
    """In a shared account only orders with the strategy's prefix go; unowned ones belong to wider scopes."""
    with a_rig(tmp_path, **SHARED) as rig:
        rest_orders(rig, 4, "sandbox-shared", "grid_")
        rest_orders(rig, 3, "sandbox-shared", "trend_")
        rest_orders(rig, 2, "sandbox-shared", "by-hand-")

        rig.until_verified(rig.trip(kill_action="halt", account="shared", strategy="grid"))
        kept = {one.client_order_id for one in rig.venue("sandbox-shared").open_orders(None, 1.0).orders}
        assert kept == {"trend_0", "trend_1", "trend_2", "by-hand-0", "by-hand-1"}

        rig.until_verified(rig.trip(kill_action="halt", account="shared", strategy="", kill_scope="venue,account"))
        assert left(rig, "sandbox-shared") == 0


def test_a_cancel_that_is_applied_and_never_answered_still_ends_verified(tmp_path: Path) -> None:
    """A time-out is unknown, never done: the re-read is what counts."""
    with a_rig(tmp_path) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").faults.cancels_unanswered = 2

        rig.until_verified(rig.trip(kill_action="halt"))

        assert left(rig) == 0


def test_a_success_that_was_a_lie_is_found_by_reading_again(tmp_path: Path) -> None:
    """A 200 proves nothing: orders that outlive a cancelled answer are cancelled again."""
    with a_rig(tmp_path) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").faults.cancels_ignored = 3

        rig.until_verified(rig.trip(kill_action="halt"))

        assert left(rig) == 0


def test_not_knowing_is_not_empty(tmp_path: Path) -> None:
    """While the venue cannot be read the trip is unverified, says so, and goes on; then it verifies."""
    with a_rig(tmp_path) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").faults.reads_failed = 1_000_000

        trip = rig.trip(kill_action="halt")

        until(lambda: rig.status(trip) is TripStatus.UNVERIFIED)
        assert rig.row(trip, "sandbox-mm").stage is Stage.UNKNOWN
        until(lambda: "venue=sandbox,account=mm,strategy=mm-btc" in rig.assembly.telemetry.snapshot.unverified)
        until(lambda: bool(rig.records("not_verified")))

        rig.venue("sandbox-mm").faults.reads_failed = 0
        rig.until_verified(trip)
        assert left(rig) == 0


def test_an_engine_that_hangs_delays_no_cancel(tmp_path: Path) -> None:
    """Block and cancel start together; the verdict waits for the engine's deadline, the cancel for nothing."""
    limits = {"block_timeout_seconds": 2.0, "venue_timeout_seconds": 2.0, "sweep_seconds": 0.1}
    with a_rig(tmp_path, limits=limits) as rig:
        rest_orders(rig)
        rig.engine.faults.latency = 30.0

        trip = rig.until_verified(rig.trip(kill_action="halt"))

        sent, empty = trip.milestones["first_cancel_sent"], trip.milestones["empty"]
        assert sent < 2.0 <= empty, "the verdict waits, the cancel does not"
        assert "stopped" not in trip.milestones
        assert rig.row(trip.trip, "engine").stage is Stage.UNKNOWN
        until(lambda: any(one["target"] == "engine" for one in rig.records("not_verified")))


def test_an_order_that_comes_through_the_halt_is_cancelled_and_paged(tmp_path: Path) -> None:
    """The scope stays empty while it is halted, and a person learns that the engine trades through it."""
    with a_rig(tmp_path) as rig:
        rig.engine.faults.ignores = True
        rest_orders(rig)
        trip = rig.until_verified(rig.trip(kill_action="halt")).trip

        rest_orders(rig, 2)

        until(lambda: left(rig) == 0)
        until(lambda: bool(rig.records("halt_broken")))
        assert rig.records("halt_broken")[0]["trip"] == trip.id
        rig.until_verified(trip)


def test_an_engine_that_runs_again_is_stopped_again(tmp_path: Path) -> None:
    """A restarted engine that forgot the halt is told once more, and a person too."""
    with a_rig(tmp_path) as rig:
        rig.assembly.engines["engine"].check_seconds = 0.05
        rig.until_verified(rig.trip(kill_action="halt"))

        rig.engine.start("mm-btc")

        until(lambda: any(one["target"] == "engine" for one in rig.records("halt_broken")))
        until(lambda: rig.engine.states["mm-btc"] is EngineState.BLOCKED)


def test_the_same_alert_from_many_threads_at_once_trips_once(tmp_path: Path) -> None:
    """The latch is keyed on scope and action, not on the delivery."""
    with a_rig(tmp_path) as rig:
        alert = an_alert(starts_at=datetime.now(UTC))
        outcomes: list[str] = []
        threads = [
            threading.Thread(target=lambda: outcomes.append(rig.deliver(alert).outcomes[0].outcome)) for _ in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["already"] * 39 + ["tripped"]
        assert len(rig.queries.trips()) == 1
        assert len(rig.records("tripped")) == 1


def test_a_weaker_action_after_a_stronger_one_changes_nothing(tmp_path: Path) -> None:
    """And a stronger one takes over: halt, then flatten closes the position."""
    with a_rig(tmp_path) as rig:
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        first = rig.until_verified(rig.trip(kill_action="halt")).trip
        second = rig.until_verified(rig.trip(kill_action="flatten")).trip
        third = rig.deliver(an_alert(alertname="TradingOther", kill_action="halt"))

        assert rig.venue("sandbox-mm").positions(None, 1.0).positions == ()
        assert third.outcomes[0].outcome == "already"
        assert {one.trip.id: one.verdict.status for one in rig.queries.trips()} == {
            first.id: TripStatus.CLOSED,
            second.id: TripStatus.VERIFIED,
        }


def test_a_resolved_alert_releases_nothing(tmp_path: Path) -> None:
    """It latches; and a resolved that arrives before its firing does not keep the firing from acting."""
    with a_rig(tmp_path) as rig:
        starts = datetime.now(UTC)
        early = rig.deliver(an_alert(status=AlertStatus.RESOLVED, starts_at=starts, kill_action="halt"))
        assert early.outcomes[0].outcome == "recorded"
        assert state(rig) is State.NORMAL

        assert rig.deliver(an_alert(starts_at=starts, kill_action="halt")).outcomes[0].outcome == "tripped"
        rig.deliver(an_alert(status=AlertStatus.RESOLVED, starts_at=starts, kill_action="halt"))

        assert state(rig) is State.HALTED


def test_resuming_takes_two_people_and_a_quiet_prometheus(tmp_path: Path) -> None:
    """One person, a trader, a firing alert or an unknown Prometheus: none of them takes HALTED away."""
    with a_rig(tmp_path) as rig:
        trip = rig.until_verified(rig.trip(kill_action="halt")).trip
        alert = an_alert(starts_at=datetime.now(UTC), kill_action="halt")
        heard = rig.resumes.request(ALICE, MM, "please")
        assert isinstance(heard, Refusal), "Alertmanager brought it, and did not say that it ended"
        rig.all_resolve()

        rig.prometheus.fires(alert)
        firing = rig.resumes.request(ALICE, MM, "please")
        rig.prometheus.alerts.clear()
        rig.prometheus.broken = True
        unknown = rig.resumes.request(ALICE, MM, "please")
        rig.prometheus.broken = False
        request = rig.resumes.request(ALICE, MM, "mended the quoting")
        assert not isinstance(request, Refusal)
        alone = rig.resumes.approve(Principal("ALICE", Role.ADMIN), request.id)
        trader = rig.resumes.approve(Principal("tom", Role.TRADER), request.id)
        rig.prometheus.fires(alert)
        again = rig.resumes.approve(BOB, request.id)
        rig.prometheus.alerts.clear()

        refusals = (firing, unknown, alone, trader, again)
        assert [one.code if isinstance(one, Refusal) else "GRANTED" for one in refusals] == [
            "still_firing",
            "prometheus_unknown",
            "same_person",
            "forbidden",
            "still_firing",
        ]
        assert state(rig) is State.HALTED

        approved = rig.resumes.approve(BOB, request.id)

        assert not isinstance(approved, Refusal)
        assert state(rig) is State.NORMAL
        assert rig.status(trip) is TripStatus.CLOSED
        until(lambda: rig.engine.states["mm-btc"] is EngineState.RUNNING)
        rest_orders(rig, 1)
        assert not rig.assembly.accounts["sandbox-mm"].busy(), "nothing sweeps a resumed scope"


def test_resuming_a_part_does_not_start_what_a_wider_halt_holds(tmp_path: Path) -> None:
    """What holds for an order is the worst state of all switches that cover it."""
    with a_rig(tmp_path) as rig:
        rig.until_verified(rig.trip(kill_action="halt"))
        tripped = rig.service.trip(ALICE, Action.HALT, GLOBAL, "everything looks odd")
        assert isinstance(tripped, Trip)
        rig.until_verified(tripped)

        resume(rig)
        calls = rig.engine.calls
        assert rig.engine.states["mm-btc"] is EngineState.BLOCKED

        resume(rig, GLOBAL)
        until(lambda: rig.engine.states["mm-btc"] is EngineState.RUNNING)
        assert rig.engine.calls > calls


def test_resuming_the_whole_keeps_a_part_that_is_halted_by_itself(tmp_path: Path) -> None:
    """The wide resume is followed by the block of what still holds inside it."""
    with a_rig(tmp_path, **SHARED) as rig:
        rig.until_verified(rig.trip(kill_action="halt"))
        rig.service.trip(ALICE, Action.HALT, GLOBAL, "everything looks odd")

        resume(rig, GLOBAL)

        until(
            lambda: (
                rig.engine.states
                == {"mm-btc": EngineState.BLOCKED, "grid": EngineState.RUNNING, "trend": EngineState.RUNNING}
            )
        )


def test_a_recorded_request_does_not_trip_again_what_people_released(tmp_path: Path) -> None:
    """Unless Prometheus says that the alert fires now: then it is no replay."""
    with a_rig(tmp_path) as rig:
        alert = an_alert(starts_at=datetime.now(UTC), kill_action="halt")
        rig.deliver(alert)
        resume(rig)

        assert rig.deliver(alert).outcomes[0].outcome == "replayed"
        assert state(rig) is State.NORMAL

        rig.prometheus.fires(alert)
        until(lambda: (batch := rig.assembly.prometheus.latest()) is not None and bool(batch.alerts))
        assert rig.deliver(alert).outcomes[0].outcome == "tripped"


def test_an_alert_that_nobody_resolved_is_no_replay(tmp_path: Path) -> None:
    """An alert of a second Prometheus is in no list that we read.  While it is heard nobody resumes; if it went silent
    without an end and people resumed, it kills again when it is heard again."""
    with a_rig(tmp_path) as rig:
        alert = an_alert(starts_at=datetime.now(UTC), kill_action="halt", cluster="second")
        rig.deliver(alert)
        rig.delivered.clear()
        heard = rig.resumes.request(ALICE, MM, "please")
        assert isinstance(heard, Refusal)
        assert heard.code == "still_firing"

        def silent_for_long(tx: Transaction) -> None:
            episode = tx.episode(alert.fingerprint, alert.starts_at)
            assert episode is not None
            tx.put_episode(replace(episode, last_seen=minutes_ago(10)))

        rig.assembly.commit.write_durably(silent_for_long)
        resume(rig)
        assert state(rig) is State.NORMAL

        assert rig.deliver(alert).outcomes[0].outcome == "tripped"


def test_an_alert_that_fires_again_voids_a_request_to_resume(tmp_path: Path) -> None:
    """The latch holds already, but the facts are not those that the first person spoke of."""
    with a_rig(tmp_path) as rig:
        rig.until_verified(rig.trip(kill_action="halt"))
        rig.all_resolve()
        request = rig.resumes.request(ALICE, MM, "mended")
        assert not isinstance(request, Refusal)

        again = an_alert(alertname="TradingOther", starts_at=datetime.now(UTC), kill_action="halt")
        assert rig.deliver(again).outcomes[0].outcome == "already"
        rig.all_resolve()
        refused = rig.resumes.approve(BOB, request.id)

        assert isinstance(refused, Refusal)
        assert refused.code == "void"
        assert state(rig) is State.HALTED

        by_hand = rig.resumes.request(ALICE, MM, "mended now")
        assert not isinstance(by_hand, Refusal)
        carol = rig.service.trip(Principal("carol", Role.TRADER), Action.HALT, MM, "I do not trust it yet")
        assert isinstance(carol, Refusal)
        refused = rig.resumes.approve(BOB, by_hand.id)
        assert isinstance(refused, Refusal)
        assert refused.code == "void"


def test_reduce_takes_away_only_what_adds_exposure_and_may_end_by_itself(tmp_path: Path) -> None:
    """Orders that close the position stay; when the time is over the engine runs again."""
    with a_rig(tmp_path) as rig:
        venue = rig.venue("sandbox-mm")
        venue.hold(BTC, Decimal(1))
        venue.place(BTC, Side.SELL, Decimal(1), Decimal(110), client_order_id="mm-btc_exit")
        venue.place(BTC, Side.SELL, Decimal("0.5"), Decimal(120), client_order_id="mm-btc_turns")
        venue.place(BTC, Side.BUY, Decimal(1), Decimal(90), client_order_id="mm-btc_adds")

        tripped = rig.service.trip(ALICE, Action.REDUCE, MM, "volatile", timedelta(seconds=1.5))

        assert isinstance(tripped, Trip)
        rig.until_verified(tripped)
        assert {one.client_order_id for one in venue.open_orders(None, 1.0).orders} == {"mm-btc_exit"}
        assert rig.engine.states["mm-btc"] is EngineState.REDUCE_ONLY
        assert state(rig) is State.DEGRADED
        until(lambda: state(rig) is State.NORMAL)
        until(lambda: rig.engine.states["mm-btc"] is EngineState.RUNNING)


def test_shadow_sends_nothing_and_tells_what_it_would_have_done(tmp_path: Path) -> None:
    """Everything but the requests: the switch latches, the trip is journalled, the orders stand."""
    with a_rig(tmp_path, mode="shadow") as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))

        trip = rig.trip()

        until(lambda: rig.status(trip) is TripStatus.SHADOW)
        assert left(rig) == 5
        assert rig.engine.states["mm-btc"] is EngineState.RUNNING
        assert state(rig) is State.HALTED
        row = rig.row(trip, "sandbox-mm")
        assert (row.stage, row.orders, row.positions) == (Stage.SHADOW, 5, 1)
        listed = row.detail["orders"][0]
        assert (listed["client_order_id"], listed["owner"], listed["notional"]) == ("mm-btc_0", "mm-btc", "9.0")
        assert row.detail["positions"][0]["quantity"] == "1"


def test_an_alert_without_the_label_its_scope_names_is_refused_loudly(tmp_path: Path) -> None:
    """Nothing is stopped by a guess; the refusal is counted, journalled and told."""
    with a_rig(tmp_path) as rig:
        outcome = rig.deliver(an_alert(strategy="")).outcomes[0]

        assert outcome.outcome == "refused"
        assert "strategy" in outcome.reason
        assert rig.queries.switches() == ()
        assert rig.records("alert_refused")[0]["code"] == "missing_label"
        assert (
            rig.assembly.telemetry.registry.get_sample_value(
                "andon_decisions_refused_total", {"reason": "missing_label"}
            )
            == 1
        )


def test_a_missing_label_widens_the_scope_only_where_the_policy_says_so(tmp_path: Path) -> None:
    """Then the account is halted instead of the strategy, and the reason says why."""
    policy = {
        "missing_label": "widen",
        "rules": [{"alerts": ["*"], "actions": ["halt"], "scopes": ["venue,account,strategy", "venue,account"]}],
    }
    with a_rig(tmp_path, policy=policy) as rig:
        outcome = rig.deliver(an_alert(strategy="", kill_action="halt")).outcomes[0]

        assert (outcome.outcome, outcome.scope) == ("tripped", "venue=sandbox,account=mm")
        assert "widened" in outcome.reason


def test_a_scope_that_no_venue_account_covers_is_never_called_verified(tmp_path: Path) -> None:
    """The engine is stopped all the same, and a person is told to cancel by hand."""
    with a_rig(tmp_path) as rig:
        trip = rig.trip(kill_action="halt", account="somewhere-else")

        assert rig.status(trip) is TripStatus.UNVERIFIED


def test_an_unknown_strategy_is_never_called_verified(tmp_path: Path) -> None:
    """No order could be recognised as its own, so an empty answer would mean nothing."""
    with a_rig(tmp_path) as rig:
        trip = rig.trip(kill_action="halt", strategy="nobody")
        assert rig.status(trip) is TripStatus.UNVERIFIED


def test_beyond_the_budget_flatten_falls_back_to_halt(tmp_path: Path) -> None:
    """A flood of trips says that the alerts may be wrong: orders go, positions stay, a person is told."""
    policy = {
        "budget": {"trips": 1, "window_minutes": 10},
        "rules": [{"alerts": ["*"], "actions": ["halt", "flatten"], "scopes": ["venue,account"]}],
    }
    with a_rig(tmp_path, policy=policy) as rig:
        rig.venue("sandbox-shared").hold(BTC, Decimal(1))
        rig.trip(kill_action="flatten", strategy="", kill_scope="venue,account")
        second = rig.trip(kill_action="flatten", strategy="", kill_scope="venue,account", account="shared")

        rig.until_verified(second)

        assert second.action is Action.HALT
        assert "budget" in second.reason
        assert rig.venue("sandbox-shared").positions(None, 1.0).positions != ()


def test_a_kill_alert_that_nobody_delivered_is_found_in_prometheus(tmp_path: Path) -> None:
    """A dead Alertmanager, a silence, a swallowed re-fire: the poll acts on what fires."""
    with a_rig(tmp_path) as rig:
        rest_orders(rig)
        rig.prometheus.fires(an_alert(starts_at=minutes_ago(1), kill_action="halt"))

        until(lambda: state(rig) is State.HALTED)

        trip = rig.queries.trips()[0]
        assert trip.trip.source == "prometheus"
        rig.until_verified(trip.trip)


def test_alerts_that_were_cut_off_are_told_or_halt_everything(tmp_path: Path) -> None:
    """Nobody knows what they were: page, or (where the policy says so) halt the whole."""
    with a_rig(tmp_path) as rig:
        rig.deliver(truncated=3)
        assert rig.records("delivery_truncated")[0]["missing"] == 3
        assert rig.queries.switches() == ()
    (tmp_path / "halt").mkdir()
    with a_rig(
        tmp_path / "halt",
        policy={"truncated": "halt", "rules": [{"alerts": ["*"], "actions": ["halt"], "scopes": ["global"]}]},
    ) as rig:
        rig.deliver(truncated=3)
        assert state(rig, GLOBAL) is State.HALTED


def test_only_a_firing_watchdog_is_a_sign_of_life(tmp_path: Path) -> None:
    """Its resolved says that Prometheus stopped speaking."""
    with a_rig(tmp_path) as rig:

        def last() -> float | None:
            return rig.assembly.telemetry.registry.get_sample_value("andon_watchdog_last_timestamp_seconds")

        rig.deliver(an_alert(alertname="Watchdog", status=AlertStatus.RESOLVED))
        assert last() == 0
        rig.deliver(an_alert(alertname="Watchdog"))
        assert last() == pytest.approx(datetime.now(UTC).timestamp(), abs=60)


def test_three_hundred_different_kill_alerts_in_one_delivery_all_trip_once(tmp_path: Path) -> None:
    """None lost, none done twice; the venue sees a handful of requests, not hundreds."""
    with a_rig(tmp_path) as rig:
        rest_orders(rig, 50)
        now = datetime.now(UTC)
        alerts = [
            an_alert(
                starts_at=now,
                alertname="Halt",
                kill_action="halt",
                symbol=f"C{n}/USDT:USDT",
                strategy="",
                account="",
                kill_scope="venue,symbol",
            )
            for n in range(299)
        ]
        receipt = rig.deliver(*alerts, an_alert(starts_at=now, kill_action="halt"))

        assert [one.outcome for one in receipt.outcomes] == ["tripped"] * 300
        until(lambda: all(one.verdict.status is TripStatus.VERIFIED for one in rig.queries.trips(limit=1000)), 30)
        assert len(rig.records("tripped")) == 300
        assert left(rig) == 0


def test_two_hundred_deliveries_at_once_are_each_done_once(tmp_path: Path) -> None:
    """Concurrent requests serialise on the store and not on the venue."""
    with a_rig(tmp_path) as rig:
        now = datetime.now(UTC)
        outcomes: list[str] = []

        def deliver(number: int) -> None:
            alert = an_alert(
                starts_at=now,
                alertname="Halt",
                kill_action="halt",
                symbol=f"C{number % 100}/USDT:USDT",
                strategy="",
                account="",
                kill_scope="venue,symbol",
            )
            outcomes.append(rig.deliver(alert).outcomes[0].outcome)

        threads = [threading.Thread(target=deliver, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (outcomes.count("tripped"), outcomes.count("already")) == (100, 100)
        until(lambda: all(one.verdict.status is TripStatus.VERIFIED for one in rig.queries.trips(limit=1000)), 30)
