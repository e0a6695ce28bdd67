"""How far a trip is: derived from one row for each target, and "verified" only where every one of them proves it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, a_row, a_trip
from webhook.killswitch.stage import PROVES, STOPS, Stage
from webhook.killswitch.states import Action
from webhook.killswitch.trip import Progress, TargetKind, TripStatus, milestones, verdict

ACCOUNTS = ("mm", "trend")
ENGINES = ("engine",)
OF_ACCOUNT = tuple(stage for stage in Stage if stage is not Stage.STOPPED)
OF_ENGINE = (Stage.WAITING, Stage.STOPPED, Stage.UNKNOWN, Stage.LEFT, Stage.SHADOW)


def rows_of(**stages: Stage) -> dict[str, Progress]:
    kinds = dict.fromkeys(ENGINES, TargetKind.ENGINE)
    return {
        name: a_row(target=name, stage=stage, kind=kinds.get(name, TargetKind.ACCOUNT))
        for name, stage in stages.items()
    }


def status(action: Action = Action.HALT, *, late: str = "", **stages: Stage) -> TripStatus:
    rows = {name: replace(row, late=name == late) for name, row in rows_of(**stages).items()}
    engines = tuple(name for name in stages if name in ENGINES)
    return verdict(a_trip(action=action), engines, [name for name in stages if name not in ENGINES], rows).status


ROWS = st.fixed_dictionaries(
    {},
    optional={name: st.sampled_from(OF_ACCOUNT) for name in ACCOUNTS}
    | {name: st.sampled_from(OF_ENGINE) for name in ENGINES}
    | {"elsewhere": st.sampled_from(OF_ACCOUNT)},
).map(lambda stages: rows_of(**stages))


class TestVerified:
    @given(
        st.sampled_from(Action),
        st.sets(st.sampled_from(ACCOUNTS)),
        st.sets(st.sampled_from(ENGINES)),
        ROWS,
        st.sets(st.sampled_from([*ACCOUNTS, *ENGINES, "elsewhere"])),
    )
    def test_is_said_only_when_every_target_in_reach_proves_it(
        self, action: Action, accounts: set[str], engines: set[str], rows: dict[str, Progress], late: set[str]
    ):
        rows = {name: replace(row, late=name in late) for name, row in rows.items()}

        found = verdict(a_trip(action=action), sorted(engines), sorted(accounts), rows)

        proved = all(name in rows and rows[name].stage in PROVES[action] for name in accounts)
        stopped = all(name in rows and rows[name].stage in STOPS for name in engines)
        assert (found.status is TripStatus.VERIFIED) == (bool(accounts) and proved and stopped)
        if found.status in (TripStatus.RUNNING, TripStatus.UNVERIFIED):
            assert found.why, "somebody must be able to read why not"

    @pytest.mark.parametrize("action", [Action.REDUCE, Action.HALT, Action.FLATTEN])
    @pytest.mark.parametrize(
        "stage",
        [
            Stage.WAITING,
            Stage.CANCELLED,
            Stage.LEFT,
            Stage.STUCK,
            Stage.UNCOVERED,
            Stage.UNKNOWN,
            Stage.SHADOW,
            None,
        ],
    )
    def test_is_never_said_beside_an_account_that_shows_less(self, action: Action, stage: Stage | None):
        others = {} if stage is None else {"trend": stage}
        rows = rows_of(mm=Stage.FLAT, engine=Stage.STOPPED, **others)

        assert verdict(a_trip(action=action), ENGINES, ACCOUNTS, rows).status is not TripStatus.VERIFIED

    def test_takes_no_open_position_for_a_flatten_and_none_for_a_halt(self):
        assert status(Action.FLATTEN, mm=Stage.EMPTY) is not TripStatus.VERIFIED
        assert status(Action.FLATTEN, mm=Stage.FLAT) is TripStatus.VERIFIED
        assert status(Action.HALT, mm=Stage.EMPTY) is TripStatus.VERIFIED
        assert status(Action.PAGE, mm=Stage.FLAT) is not TripStatus.VERIFIED

    def test_waits_for_the_engine_until_it_stopped_or_had_its_time(self):
        assert status(mm=Stage.EMPTY, engine=Stage.WAITING) is TripStatus.RUNNING
        assert status(mm=Stage.EMPTY, engine=Stage.STOPPED) is TripStatus.VERIFIED
        assert status(mm=Stage.EMPTY, engine=Stage.UNKNOWN) is TripStatus.VERIFIED
        assert status(mm=Stage.EMPTY, engine=Stage.SHADOW) is TripStatus.UNVERIFIED
        assert status(mm=Stage.EMPTY, engine=Stage.LEFT) is TripStatus.RUNNING

    def test_is_not_said_where_no_account_is_in_reach(self):
        found = verdict(a_trip(), (), (), rows_of(elsewhere=Stage.FLAT))

        assert (found.status, found.why) == (
            TripStatus.UNVERIFIED,
            ("no venue account is in reach: cancel by hand",),
        )


class TestTheStatus:
    @pytest.mark.parametrize(
        ("stages", "late", "expected"),
        [
            ({"mm": Stage.LEFT}, "", TripStatus.RUNNING),
            ({"mm": Stage.LEFT}, "mm", TripStatus.UNVERIFIED),
            ({"mm": Stage.EMPTY, "trend": Stage.UNKNOWN}, "mm", TripStatus.RUNNING),
            ({"mm": Stage.STUCK, "trend": Stage.LEFT}, "", TripStatus.UNVERIFIED),
            ({"mm": Stage.UNCOVERED, "trend": Stage.EMPTY}, "", TripStatus.UNVERIFIED),
            ({"mm": Stage.SHADOW, "trend": Stage.EMPTY}, "", TripStatus.UNVERIFIED),
            ({"mm": Stage.SHADOW, "trend": Stage.LEFT}, "", TripStatus.RUNNING),
            ({"mm": Stage.SHADOW, "trend": Stage.SHADOW}, "", TripStatus.SHADOW),
            ({"mm": Stage.SHADOW, "engine": Stage.STOPPED}, "", TripStatus.SHADOW),
        ],
    )
    def test_says_that_a_person_is_needed_when_time_alone_will_not_do(
        self, stages: dict[str, Stage], late: str, expected: TripStatus
    ):
        assert status(late=late, **stages) is expected

    def test_of_a_trip_that_is_over_is_closed_whatever_its_targets_say(self):
        trip = a_trip(closed_at=NOW)

        assert verdict(trip, ENGINES, ACCOUNTS, rows_of(mm=Stage.LEFT)).status is TripStatus.CLOSED

    def test_says_why_in_words_with_what_the_target_gave(self):
        rows = rows_of(mm=Stage.UNKNOWN, engine=Stage.LEFT) | {
            "trend": a_row(target="trend", stage=Stage.STUCK, detail={"why": "1 orders outlive every cancel"})
        }

        assert verdict(a_trip(), ENGINES, ACCOUNTS, rows).why == (
            "mm does not answer",
            "trend has an order that cannot be cancelled (1 orders outlive every cancel)",
            "engine still has orders or trades",
        )

    @pytest.mark.parametrize("stage", Stage)
    def test_has_words_for_every_stage(self, stage: Stage):
        found = verdict(a_trip(action=Action.PAGE), (), ("mm", "trend"), rows_of(mm=stage))
        assert found.why


class TestMilestones:
    def test_are_the_first_cancel_of_any_account_and_the_last_of_everything_else(self):
        trip = a_trip(started_at=NOW - timedelta(seconds=1.5))
        rows = {
            "mm": a_row(target="mm", times={"stored": 0.01, "first_cancel_sent": 0.02, "empty": 0.3, "flat": 0.9}),
            "trend": a_row(target="trend", times={"stored": 0.01, "first_cancel_sent": 0.04, "empty": 0.2}),
            "engine": a_row(target="engine", kind=TargetKind.ENGINE, times={"stopped": 0.1}),
        }

        assert milestones(trip, ENGINES, ACCOUNTS, rows) == {
            "received": 1.5,
            "stored": 0.01,
            "stopped": 0.1,
            "first_cancel_sent": 0.02,
            "empty": 0.3,
        }

    def test_of_all_accounts_are_not_reached_while_one_is_missing(self):
        rows = {"mm": a_row(target="mm", times={"empty": 0.3})}

        assert "empty" not in milestones(a_trip(), (), ACCOUNTS, rows)
        assert "empty" not in milestones(a_trip(), (), (), rows)
        assert "stopped" not in milestones(a_trip(), (), ACCOUNTS, rows)

    def test_since_the_alert_began_are_those_of_alertmanager_only(self):
        assert "received" not in milestones(a_trip(source="prometheus"), (), (), {})
        assert milestones(a_trip(started_at=NOW + timedelta(minutes=1)), (), (), {})["received"] == 0


class TestARow:
    def test_never_replaces_a_newer_one(self):
        row = a_row(epoch=2, revision=5)

        assert row.newer_than(None)
        assert row.newer_than(a_row(epoch=2, revision=4))
        assert row.newer_than(a_row(epoch=1, revision=9))
        assert not row.newer_than(row)
        assert not row.newer_than(a_row(epoch=3, revision=0))

    def test_keeps_the_first_time_of_a_milestone(self):
        row = a_row().reached("empty", 0.25).reached("empty", 9.0).reached("stored", -0.1)

        assert row.times == {"empty": 0.25, "stored": 0.0}
