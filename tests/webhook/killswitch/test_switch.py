"""The latch: which trips change what, and that nothing but a resume leads out of HALTED."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import A_STRATEGY, NOW, a_switch
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch, expire, prolongs, resume, touch, trip

LATER = NOW + timedelta(minutes=5)
MUCH_LATER = NOW + timedelta(hours=1)


def tripped(
    switch: Switch, action: Action, *, until: datetime | None = None, by: str = "alert", keep: bool = False
) -> Switch | None:
    return trip(switch, action, trip_id="trip-new", by=by, now=NOW, until=until, keep_protective=keep)


class TestATrip:
    @pytest.mark.parametrize(
        ("state", "held", "asked", "expected"),
        [
            (State.NORMAL, None, Action.REDUCE, State.DEGRADED),
            (State.NORMAL, None, Action.HALT, State.HALTED),
            (State.NORMAL, None, Action.FLATTEN, State.HALTED),
            (State.DEGRADED, Action.REDUCE, Action.HALT, State.HALTED),
            (State.DEGRADED, Action.REDUCE, Action.FLATTEN, State.HALTED),
            (State.HALTED, Action.HALT, Action.FLATTEN, State.HALTED),
        ],
    )
    def test_that_is_stronger_than_what_holds_changes_the_switch(
        self, state: State, held: Action | None, asked: Action, expected: State
    ):
        before = a_switch(state, action=held, version=4)

        after = tripped(before, asked)

        assert after is not None
        assert (after.state, after.action, after.version, after.trip_id) == (expected, asked, 5, "trip-new")

    @pytest.mark.parametrize(
        ("state", "held", "asked"),
        [
            (State.NORMAL, None, Action.PAGE),
            (State.DEGRADED, Action.REDUCE, Action.PAGE),
            (State.DEGRADED, Action.REDUCE, Action.REDUCE),
            (State.HALTED, Action.HALT, Action.PAGE),
            (State.HALTED, Action.HALT, Action.REDUCE),
            (State.HALTED, Action.HALT, Action.HALT),
            (State.HALTED, Action.FLATTEN, Action.REDUCE),
            (State.HALTED, Action.FLATTEN, Action.HALT),
            (State.HALTED, Action.FLATTEN, Action.FLATTEN),
        ],
    )
    def test_that_is_not_stronger_changes_nothing(self, state: State, held: Action | None, asked: Action):
        assert tripped(a_switch(state, action=held), asked) is None
        assert tripped(a_switch(state, action=held), asked, until=LATER) is None

    def test_keeps_since_when_only_the_action_grows(self):
        before = a_switch(State.HALTED, since=NOW - timedelta(hours=1))

        assert tripped(before, Action.FLATTEN).since == before.since

    def test_that_ends_later_moves_the_end_and_keeps_the_trip(self):
        before = a_switch(State.DEGRADED, until=LATER)

        after = tripped(before, Action.REDUCE, until=MUCH_LATER)

        assert (after.until, after.trip_id, after.version) == (MUCH_LATER, "trip-0", 2)
        assert prolongs(before, after)
        assert tripped(before, Action.REDUCE).until is None

    def test_that_ends_earlier_changes_nothing(self):
        assert tripped(a_switch(State.DEGRADED, until=MUCH_LATER), Action.REDUCE, until=LATER) is None
        assert tripped(a_switch(State.DEGRADED, until=None), Action.REDUCE, until=LATER) is None

    def test_to_halted_has_no_end(self):
        assert tripped(a_switch(State.DEGRADED, until=LATER), Action.HALT, until=LATER).until is None

    @pytest.mark.parametrize(
        ("before", "by", "expected"),
        [
            ("risk", "trader", "risk"),
            ("alert", "trader", "alert"),
            ("trader", "risk", "risk"),
            ("trader", "alert", "alert"),
            ("trader", "trader", "trader"),
            ("risk", "admin", "admin"),
        ],
    )
    def test_remembers_whoever_weighs_more(self, before: str, by: str, expected: str):
        assert tripped(a_switch(State.DEGRADED, tripped_by=before), Action.HALT, by=by).tripped_by == expected


class TestWhatATripKeeps:
    @pytest.mark.parametrize("state", [State.NORMAL, State.DEGRADED])
    def test_is_what_it_says_where_nothing_was_halted_before(self, state: State):
        """A reduce takes no protective stop, so it binds no halt that comes after it."""
        assert tripped(a_switch(state), Action.HALT, keep=True).keep_protective
        assert not tripped(a_switch(state, keep_protective=True), Action.HALT).keep_protective

    @pytest.mark.parametrize("action", [Action.HALT, Action.FLATTEN])
    def test_is_never_more_than_what_holds_already(self, action: Action):
        after = tripped(a_switch(State.HALTED), action, keep=True)

        assert after is None if action is Action.HALT else not after.keep_protective

    def test_is_less_when_a_trip_as_strong_keeps_nothing(self):
        before = a_switch(State.HALTED, keep_protective=True, since=NOW - timedelta(hours=1), version=4)

        after = tripped(before, Action.HALT)

        assert (after.keep_protective, after.trip_id, after.version) == (False, "trip-new", 5)
        assert (after.state, after.action, after.since) == (before.state, before.action, before.since)
        assert tripped(before, Action.HALT, keep=True) is None

    def test_a_flatten_takes_the_stops_that_a_halt_kept(self):
        after = tripped(a_switch(State.HALTED, keep_protective=True), Action.FLATTEN)

        assert (after.action, after.keep_protective) == (Action.FLATTEN, False)

    def test_a_weaker_trip_changes_nothing(self):
        assert tripped(a_switch(State.HALTED, keep_protective=True), Action.REDUCE) is None

    def test_is_gone_after_a_resume(self):
        assert not resume(a_switch(State.HALTED, keep_protective=True), LATER).keep_protective


class TestAResume:
    @pytest.mark.parametrize("state", [State.DEGRADED, State.HALTED])
    def test_leaves_nothing_behind_but_the_version(self, state: State):
        after = resume(a_switch(state, version=3), LATER)

        assert after == Switch(A_STRATEGY, State.NORMAL, since=LATER, version=4)

    def test_of_a_normal_switch_changes_nothing(self):
        normal = a_switch(State.NORMAL)

        assert resume(normal, LATER) is normal


class TestTime:
    def test_ends_degraded_when_its_end_has_come(self):
        switch = a_switch(State.DEGRADED, until=LATER)

        assert expire(switch, LATER - timedelta(microseconds=1)) is None
        assert expire(switch, LATER).state is State.NORMAL

    @pytest.mark.parametrize(
        "switch",
        [
            a_switch(State.DEGRADED),
            a_switch(State.HALTED),
            a_switch(State.HALTED, until=NOW),
            a_switch(State.NORMAL),
        ],
    )
    def test_ends_nothing_else(self, switch: Switch):
        assert expire(switch, MUCH_LATER) is None


def test_a_switch_whose_facts_changed_has_a_new_version_and_is_else_the_same():
    before = a_switch(version=4)

    assert touch(before) == a_switch(version=5)


MOMENTS = st.datetimes(
    min_value=NOW.replace(tzinfo=None),
    max_value=NOW.replace(tzinfo=None) + timedelta(days=2),
    timezones=st.just(NOW.tzinfo),
)
TRIPS = st.tuples(
    st.sampled_from(Action),
    MOMENTS,
    st.none() | MOMENTS,
    st.sampled_from(["alert", "trader", "risk"]),
    st.booleans(),
)


def after_trip(switch: Switch, asked: tuple, *, trip_id: str = "t") -> Switch | None:
    action, now, until, by, keep = asked
    return trip(switch, action, trip_id=trip_id, by=by, now=now, until=until, keep_protective=keep)


class TestTheLatch:
    @given(st.lists(TRIPS, max_size=12))
    def test_never_gets_better_by_trips_and_the_passing_of_time_while_halted(self, trips: list[tuple]):
        switch = Switch(A_STRATEGY, State.NORMAL)
        for number, asked in enumerate(trips):
            after = after_trip(switch, asked, trip_id=f"trip-{number}")
            if after is not None:
                assert after.state.rank >= switch.state.rank
                assert after.action.rank >= (switch.action.rank if switch.action else 0)
                assert after.version == switch.version + 1
                assert after.state is not State.HALTED or after.until is None
                assert switch.state is not after.state or switch.keep_protective >= after.keep_protective
                if prolongs(switch, after):
                    assert after.until is None or after.until > switch.until
                switch = after
            if switch.state is State.HALTED:
                assert expire(switch, asked[1] + timedelta(days=10_000)) is None

    @given(st.lists(TRIPS, max_size=6), TRIPS)
    def test_takes_the_same_trip_once(self, trips: list[tuple], last: tuple):
        switch = Switch(A_STRATEGY, State.NORMAL)
        for asked in [*trips, last]:
            switch = after_trip(switch, asked) or switch

        assert after_trip(switch, last, trip_id="again") is None

    @given(st.lists(TRIPS, max_size=8), st.randoms())
    def test_ends_in_the_same_state_whatever_the_order_of_trips(self, trips: list[tuple], random):
        def end(order: list[tuple]) -> tuple:
            switch = Switch(A_STRATEGY, State.NORMAL)
            for asked in order:
                switch = after_trip(switch, asked) or switch
            return switch.state, switch.action, switch.until, switch.keep_protective

        shuffled = list(trips)
        random.shuffle(shuffled)

        assert end(trips) == end(shuffled)
