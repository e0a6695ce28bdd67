"""Which steps a trip has."""

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from webhook.killswitch.plan import AccountTarget, Deadlines, EngineTarget, plan
from webhook.killswitch.port import Step, StepKind, StepStatus

from tests.builders import A_STRATEGY, NOW, a_trip
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.states import Action

ENGINES = (EngineTarget("engine", GLOBAL), EngineTarget("other-engine", Scope.parse("venue=binance")))
ACCOUNTS = (
    AccountTarget("sandbox-mm", "sandbox", "mm"),
    AccountTarget("sandbox-trend", "sandbox", "trend"),
    AccountTarget("binance-spot", "binance", "spot", positions=False),
)
DEADLINES = Deadlines(timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60))


def numbered() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"step-{next(numbers)}"


def planned(action: Action, scope: Scope = A_STRATEGY) -> tuple[Step, ...]:
    return plan(a_trip("one", action=action, scope=scope), ENGINES, ACCOUNTS, DEADLINES, numbered())


def told(steps: tuple[Step, ...]) -> list[tuple[int, str, str]]:
    return [(step.order, step.kind.value, step.target) for step in steps]


def test_a_halt_blocks_and_cancels_at_once_and_then_verifies():
    assert told(planned(Action.HALT)) == [
        (0, "block", "engine"),
        (0, "cancel", "sandbox-mm"),
        (1, "verify", "sandbox-mm"),
    ]


def test_a_flatten_goes_on_after_the_scope_is_empty():
    assert told(planned(Action.FLATTEN)) == [
        (0, "block", "engine"),
        (0, "cancel", "sandbox-mm"),
        (1, "verify", "sandbox-mm"),
        (2, "flatten", "sandbox-mm"),
        (3, "verify_flat", "sandbox-mm"),
    ]


def test_a_reduce_cancels_nothing_unread():
    assert told(planned(Action.REDUCE)) == [(0, "block", "engine"), (1, "verify", "sandbox-mm")]


def test_a_page_has_no_steps():
    assert planned(Action.PAGE, GLOBAL) == ()


@pytest.mark.parametrize(
    ("scope", "targets"),
    [
        ("global", {"engine", "other-engine", "sandbox-mm", "sandbox-trend", "binance-spot"}),
        ("venue=sandbox", {"engine", "sandbox-mm", "sandbox-trend"}),
        ("account=trend", {"engine", "other-engine", "sandbox-trend"}),
        ("strategy=mm-btc", {"engine", "other-engine", "sandbox-mm", "sandbox-trend", "binance-spot"}),
        ("venue=binance,symbol=BTC/USDT", {"engine", "other-engine", "binance-spot"}),
        ("venue=nowhere", {"engine"}),
    ],
)
def test_only_what_the_scope_reaches_gets_a_step(scope: str, targets: set[str]):
    assert {step.target for step in planned(Action.HALT, Scope.parse(scope))} == targets


def test_an_account_without_positions_has_nothing_to_flatten_and_the_trip_shows_it():
    steps = planned(Action.FLATTEN, Scope.parse("venue=binance"))

    flatten = [step for step in steps if step.kind in (StepKind.FLATTEN, StepKind.VERIFY_FLAT)]
    assert {step.status for step in flatten} == {StepStatus.SKIPPED}
    assert all("no positions" in step.result["why"] and step.ended_at == NOW for step in flatten)


def test_every_step_has_its_own_id_and_a_deadline_from_when_the_trip_was_received():
    steps = planned(Action.FLATTEN, GLOBAL)

    assert len({step.id for step in steps}) == len(steps)
    assert {step.trip_id for step in steps} == {"one"}
    seconds = {step.kind: (step.deadline - NOW).total_seconds() for step in steps}
    assert seconds == {
        StepKind.BLOCK: 2,
        StepKind.CANCEL: 10,
        StepKind.VERIFY: 10,
        StepKind.FLATTEN: 60,
        StepKind.VERIFY_FLAT: 60,
    }
