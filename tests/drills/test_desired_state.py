"""The switches are the desired state: no later, weaker edge, no crash, no restart and no arming leaves one untrue."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.builders import an_alert
from tests.rig import SHARED, Rig, a_prometheus, a_rig, settings_document, until
from webhook.access.principal import Principal, Role
from webhook.access.refusal import Refusal
from webhook.actions.port import EngineState, Side
from webhook.bootstrap import build
from webhook.killswitch.commanded import Commanded
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import Action, State
from webhook.killswitch.trip import Trip, TripStatus
from webhook.settings import load

BTC = "BTC/USDT:USDT"
MM = Scope.of({"venue": "sandbox", "account": "mm", "strategy": "mm-btc"})
ALICE, BOB = Principal("alice", Role.RISK), Principal("bob", Role.RISK)
VENUE = Scope.of({"venue": "sandbox"})


def trip(rig: Rig, action: Action, scope: Scope, duration: float | None = None) -> Trip:
    made = rig.service.trip(ALICE, action, scope, "a test", None if duration is None else timedelta(seconds=duration))
    assert isinstance(made, Trip), made
    return made


def resume(rig: Rig, scope: Scope) -> None:
    rig.all_resolve()
    request = rig.resumes.request(ALICE, scope, "mended")
    assert not isinstance(request, Refusal), request
    approved = rig.resumes.approve(BOB, request.id)
    assert not isinstance(approved, Refusal), approved


def state(rig: Rig, scope: Scope) -> State:
    return next((one.state for one in rig.queries.switches() if one.scope == scope), State.NORMAL)


@contextmanager
def restarted(folder: Path, **changes: Any) -> Iterator[Rig]:
    """The same store, another process's life, perhaps another configuration."""
    with a_prometheus() as prometheus:
        path = folder / "andon.json"
        path.write_text(json.dumps(settings_document(folder, prometheus.url, **changes)))
        assembly = build(load(path, {}))
        rig = Rig(assembly, prometheus, folder)
        yield rig


@contextmanager
def running(rig: Rig) -> Iterator[Rig]:
    rig.assembly.start()
    try:
        yield rig
    finally:
        rig.assembly.close()


# -- engines ---------------------------------------------------------------------------------------------------------


def test_the_end_of_a_wide_reduce_does_not_start_what_a_narrow_halt_holds(tmp_path: Path) -> None:
    with a_rig(tmp_path, **SHARED) as rig:
        rig.until_verified(trip(rig, Action.HALT, MM))
        trip(rig, Action.REDUCE, VENUE, 1.0)
        until(lambda: rig.engine.states["grid"] is EngineState.REDUCE_ONLY)
        assert rig.engine.states["mm-btc"] is EngineState.BLOCKED

        until(lambda: state(rig, VENUE) is State.NORMAL)
        until(lambda: rig.engine.states["grid"] is EngineState.RUNNING)

        assert rig.engine.states["mm-btc"] is EngineState.BLOCKED


def test_a_reduce_after_a_halt_never_frees_what_is_halted(tmp_path: Path) -> None:
    """Every state that the engine was ever in is watched, not only the last one."""
    with a_rig(tmp_path, **SHARED) as rig:
        rig.until_verified(trip(rig, Action.HALT, MM))
        seen: set[EngineState] = set()
        set_state = rig.engine._set

        def watched(scope: Scope, wanted: EngineState, timeout: float) -> EngineState:
            answer = set_state(scope, wanted, timeout)
            seen.add(rig.engine.states["mm-btc"])
            return answer

        rig.engine._set = watched  # type: ignore[method-assign]
        trip(rig, Action.REDUCE, GLOBAL)
        until(lambda: rig.engine.states["trend"] is EngineState.REDUCE_ONLY)
        resume(rig, GLOBAL)
        until(lambda: rig.engine.states["trend"] is EngineState.RUNNING)

        assert seen == {EngineState.BLOCKED}


def test_a_halt_that_is_resumed_beneath_a_reduce_becomes_reduce_only(tmp_path: Path) -> None:
    with a_rig(tmp_path, **SHARED) as rig:
        trip(rig, Action.REDUCE, VENUE)
        rig.until_verified(trip(rig, Action.HALT, MM))

        resume(rig, MM)

        until(lambda: rig.engine.states["mm-btc"] is EngineState.REDUCE_ONLY)
        resume(rig, VENUE)
        until(lambda: set(rig.engine.states.values()) == {EngineState.RUNNING})


def test_what_nobody_configured_is_stopped_with_the_whole_and_stays_so_while_a_part_is_held(tmp_path: Path) -> None:
    """Only a command for all of it reaches it, and that would free what is held; people are told."""
    with a_rig(tmp_path) as rig:
        rig.until_verified(rig.trip(kill_action="halt"))
        trip(rig, Action.HALT, GLOBAL)
        until(lambda: set(rig.engine.states.values()) == {EngineState.BLOCKED})

        resume(rig, GLOBAL)
        until(lambda: bool(rig.records("engine_not_resumed")))
        assert rig.engine.states["trend"] is EngineState.BLOCKED

        resume(rig, MM)
        until(lambda: set(rig.engine.states.values()) == {EngineState.RUNNING})


def test_a_crash_between_a_resume_and_its_command_is_finished(tmp_path: Path) -> None:
    """The store says NORMAL, and that the engine was last told to stop: whoever starts next tells it to trade."""
    with restarted(tmp_path) as rig:
        part = next(one.scope for one in rig.assembly.in_flight.targets.engines[0].parts if one.scope.overlaps(MM))
        row = Commanded("engine", part, State.HALTED, stopped_before=False, at=datetime.now(UTC), epoch=1, revision=1)
        with rig.assembly.commit.store.begin() as tx:
            tx.put_commanded((row,))
        rig.engine.pause("mm-btc")
        rig.engine.pause("grid")
        with running(rig):
            until(lambda: rig.engine.states["mm-btc"] is EngineState.RUNNING)
            until(lambda: bool(rig.assembly.probes.engines().get("engine")))
            assert rig.engine.states["grid"] is EngineState.BLOCKED, "nobody of us stopped it"


def test_an_engine_that_somebody_else_paused_is_not_started_by_a_resume(tmp_path: Path) -> None:
    with a_rig(tmp_path, **SHARED) as rig:
        rig.engine.pause("grid")
        reconciler = rig.assembly.engines["engine"]
        reconciler.check_seconds = 0.05
        until(lambda: any(part.observed is EngineState.BLOCKED for part in reconciler._parts.values()))
        rig.until_verified(trip(rig, Action.HALT, VENUE))

        resume(rig, VENUE)

        until(lambda: rig.engine.states["mm-btc"] is EngineState.RUNNING)
        until(lambda: bool(rig.records("engine_not_resumed")))
        assert rig.engine.states["grid"] is EngineState.BLOCKED
        until(lambda: rig.engine.states["trend"] is EngineState.RUNNING)
        assert "somebody else" in rig.records("engine_not_resumed")[0]["error"]


def test_a_hundred_strategies_are_stopped_in_seconds_by_an_engine_that_takes_a_second_a_call(tmp_path: Path) -> None:
    """One command after the other would take 100 s; none is called verified before its strategy is stopped."""
    names = [f"s{number:03}" for number in range(100)]
    strategies = {
        name: {"venue": "sandbox", "account": "mm", "client_order_id_prefixes": [f"{name}_"]} for name in names
    }
    engine = {
        "name": "engine",
        "adapter": "paper",
        "mode": "live",
        "options": {"strategies": {name: {"venue": "sandbox", "account": "mm"} for name in names}},
    }
    policy = {"rules": [{"alerts": ["*"], "actions": ["halt"], "scopes": ["venue,account,strategy"]}]}
    limits = {"block_timeout_seconds": 3.0, "venue_timeout_seconds": 2.0, "sweep_seconds": 5.0}
    with a_rig(tmp_path, strategies=strategies, engines=[engine], policy=policy, limits=limits) as rig:
        rig.engine.faults.latency = 1.0
        now = datetime.now(UTC)
        began = time.monotonic()
        for name in names:
            rig.deliver(an_alert(starts_at=now, kill_action="halt", strategy=name))

        early: list[str] = []

        def all_blocked() -> bool:
            said = [one for one in rig.queries.trips(limit=200) if one.verdict.status is TripStatus.VERIFIED]
            states = rig.engine.states
            verified = [one.trip.scope.get("strategy") or "" for one in said]
            early.extend(name for name in verified if states[name] is not EngineState.BLOCKED)
            return set(states.values()) == {EngineState.BLOCKED}

        until(all_blocked, 30)
        took = time.monotonic() - began
        assert early == []
        assert rig.engine.calls < 15, "a hundred commands were coalesced"
        assert took < 20
        until(
            lambda: all(one.verdict.status is TripStatus.VERIFIED for one in rig.queries.trips(limit=200)),
            30,
        )


def test_nothing_from_a_label_reaches_an_engine(tmp_path: Path) -> None:
    """A strategy that nobody configured cannot be named to the engine: it is stopped more widely."""
    with a_rig(tmp_path) as rig:
        asked: list[Scope] = []
        block = rig.engine.block

        def watched(part: Scope, reason: str, timeout: float) -> EngineState:
            asked.append(part)
            return block(part, reason, timeout)

        rig.engine.block = watched  # type: ignore[method-assign]
        made = rig.trip(kill_action="halt", strategy="../../admin?x#{reason}")

        until(lambda: set(rig.engine.states.values()) == {EngineState.BLOCKED})
        configured = {part.scope for part in rig.assembly.in_flight.targets.engines[0].parts} | {GLOBAL}
        assert set(asked) <= configured
        assert rig.status(made) is TripStatus.UNVERIFIED


# -- accounts --------------------------------------------------------------------------------------------------------


def account(name: str, label: str, mode: str = "live", **options: Any) -> dict[str, Any]:
    return {
        "name": name,
        "venue": "sandbox",
        "account": label,
        "adapter": "paper",
        "mode": mode,
        "options": {"symbols": [BTC], **options},
    }


ORDER = {"symbol": BTC, "side": "buy", "quantity": "1", "price": "90", "client_order_id": "mm-btc_7"}


def test_arming_an_account_makes_a_standing_halt_true(tmp_path: Path) -> None:
    """In shadow nothing was proved; armed later, the orders really go, and nothing is called verified before."""
    shadow = [account("sandbox-mm", "mm", "shadow", orders=[ORDER]), account("sandbox-shared", "shared")]
    with a_rig(tmp_path, venues=shadow) as rig:
        made = rig.trip(kill_action="halt")
        until(lambda: rig.status(made) is TripStatus.SHADOW)
        again = rig.deliver(an_alert(alertname="TradingOther", starts_at=datetime.now(UTC), kill_action="halt"))
        assert again.outcomes[0].outcome == "shadow", "a latch that nothing proves is not `already`"
        assert len(rig.venue("sandbox-mm").resting()) == 1

    live = [account("sandbox-mm", "mm", orders=[ORDER]), account("sandbox-shared", "shared")]
    with restarted(tmp_path, venues=live) as rig:
        assert rig.venue("sandbox-mm").count("cancel_everything", "cancel_orders") == 0
        with running(rig):
            rig.until_verified(made)
            assert rig.venue("sandbox-mm").resting() == ()
            again = rig.deliver(an_alert(alertname="TradingOther2", starts_at=datetime.now(UTC), kill_action="halt"))
            assert again.outcomes[0].outcome == "already"


def test_putting_a_halted_account_into_shadow_mode_takes_verified_away(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        made = rig.until_verified(rig.trip(kill_action="halt")).trip
    shadow = [account("sandbox-mm", "mm", "shadow", orders=[ORDER]), account("sandbox-shared", "shared")]
    with restarted(tmp_path, venues=shadow) as rig, running(rig):
        assert rig.status(made) is not TripStatus.VERIFIED
        until(lambda: rig.status(made) is TripStatus.SHADOW)


def test_an_account_that_is_added_under_a_halt_is_emptied(tmp_path: Path) -> None:
    one = [account("sandbox-mm", "mm")]
    strategies = {"mm-btc": {"venue": "sandbox", "account": "mm", "exclusive": True}}
    with a_rig(tmp_path, venues=one, strategies=strategies) as rig:
        made = rig.until_verified(trip(rig, Action.HALT, VENUE)).trip
    both = [account("sandbox-mm", "mm"), account("sandbox-new", "new", orders=[ORDER])]
    with restarted(tmp_path, venues=both, strategies=strategies) as rig:
        assert rig.status(made) is not TripStatus.VERIFIED, "what is configured now decides"
        with running(rig):
            rig.until_verified(made)
            assert rig.venue("sandbox-new").resting() == ()


def test_an_account_under_a_new_name_is_proved_anew(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        made = rig.until_verified(rig.trip(kill_action="halt")).trip
    renamed = [account("binance-mm", "mm", orders=[ORDER]), account("sandbox-shared", "shared")]
    with restarted(tmp_path, venues=renamed) as rig:
        assert rig.status(made) is not TripStatus.VERIFIED
        with running(rig):
            rig.until_verified(made)
            assert rig.venue("binance-mm").resting() == ()


def test_a_restart_keeps_what_was_proved_and_goes_on_looking(tmp_path: Path) -> None:
    """People are not paged again for an old trip; an order that came in between is found at once."""
    with a_rig(tmp_path) as rig:
        made = rig.until_verified(rig.trip(kill_action="halt")).trip
        until(lambda: bool(rig.records("trip_verified")))
    venues = [account("sandbox-mm", "mm", orders=[ORDER]), account("sandbox-shared", "shared")]
    with restarted(tmp_path, venues=venues) as rig:
        assert rig.status(made) is TripStatus.VERIFIED
        with running(rig):
            until(lambda: rig.venue("sandbox-mm").resting() == ())
            until(lambda: bool(rig.records("halt_broken")))
            rig.until_verified(made)
            assert rig.records("not_verified") == []


def test_a_mixed_halt_is_not_verified_while_one_account_is_in_shadow_mode(tmp_path: Path) -> None:
    venues = [account("sandbox-mm", "mm"), account("sandbox-shared", "shared", "shadow")]
    with a_rig(tmp_path, venues=venues) as rig:
        made = trip(rig, Action.HALT, VENUE)

        until(lambda: rig.status(made) is TripStatus.UNVERIFIED)

        assert rig.row(made, "sandbox-mm").stage is Stage.EMPTY
        assert any("sandbox-shared is in shadow mode" in why for why in rig.view(made).verdict.why)


def test_one_person_clears_what_was_only_shadow(tmp_path: Path) -> None:
    with a_rig(tmp_path, mode="shadow") as rig:
        rig.trip(kill_action="halt")
        rig.all_resolve()

        request = rig.resumes.request(ALICE, MM, "it was only a rehearsal")

        assert not isinstance(request, Refusal)
        assert request.approved_by == "alice"
        assert state(rig, MM) is State.NORMAL


def test_the_first_cancel_of_a_second_scope_does_not_wait_for_a_flattening(tmp_path: Path) -> None:
    """Quotes that hang hold up one symbol's closing, and nothing else."""
    limits = {"block_timeout_seconds": 1.0, "venue_timeout_seconds": 3.0, "sweep_seconds": 0.2}
    with a_rig(tmp_path, limits=limits) as rig:
        venue = rig.venue("sandbox-mm")
        venue.hold(BTC, Decimal(1))
        venue.faults.slow["quote"] = 3.0
        first = rig.trip(kill_action="flatten")
        until(lambda: venue.count("quote") > 0)
        venue.place("ETH/USDT:USDT", Side.BUY, Decimal(1), Decimal(90))

        began = time.monotonic()
        second = trip(rig, Action.HALT, Scope.of({"venue": "sandbox", "symbol": "ETH/USDT:USDT"}))
        rig.until_verified(second)

        assert time.monotonic() - began < 2.5, "while the quote still hangs"
        assert venue.held(BTC) == Decimal(1)
        venue.faults.slow.clear()
        rig.until_verified(first, 20)
        assert venue.held(BTC) == 0


def test_a_position_that_cannot_be_quoted_does_not_hold_up_the_others(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        venue = rig.venue("sandbox-mm")
        venue.hold(BTC, Decimal(1))
        venue.hold("ETH/USDT:USDT", Decimal(-2))
        venue.mark("ETH/USDT:USDT", Decimal(50))
        quote = venue.quote

        def only_eth(symbol: str, depth_band: Decimal, timeout: float) -> Any:
            if symbol == BTC and venue.held("ETH/USDT:USDT") != 0:
                time.sleep(timeout)
            return quote(symbol, depth_band, timeout)

        venue.quote = only_eth  # type: ignore[method-assign]
        rig.until_verified(rig.trip(kill_action="flatten"), 20)
        assert (venue.held(BTC), venue.held("ETH/USDT:USDT")) == (0, 0)


def test_a_takeover_in_mid_flatten_never_repeats_an_id(tmp_path: Path) -> None:
    with a_rig(tmp_path, flatten={"pause_seconds": 60, "slices": 5}) as rig:
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        made = rig.trip(kill_action="flatten")
        until(lambda: rig.venue("sandbox-mm").held(BTC) < 1)
        before = {call.asked.client_order_id for call in rig.venue("sandbox-mm").calls if call.method == "reduce"}
        left = rig.venue("sandbox-mm").held(BTC)
    venues = [
        account("sandbox-mm", "mm", positions=[{"symbol": BTC, "quantity": str(left)}]),
        account("sandbox-shared", "shared"),
    ]
    with restarted(tmp_path, venues=venues, flatten={"pause_seconds": 0}) as rig, running(rig):
        rig.until_verified(made)
        after = {call.asked.client_order_id for call in rig.venue("sandbox-mm").calls if call.method == "reduce"}
        assert before
        assert after
        assert not before & after
