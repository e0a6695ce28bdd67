"""What every store promises, whichever it is; and what those that survive the process promise beyond."""

import itertools
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from tests.builders import (
    A_STRATEGY,
    NOW,
    a_commanded,
    a_resume_request,
    a_row,
    a_switch,
    a_trip,
    an_episode,
)
from tests.contracts.storage_process import PARCELS
from tests.postgres import Postgres
from webhook.access.resume import ResumeStatus
from webhook.audit.chain import GENESIS, verify
from webhook.durability.port import Store
from webhook.errors import PermanentError, StoreOutageError
from webhook.killswitch.scope import GLOBAL, Scope
from webhook.killswitch.stage import Stage
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import TargetKind
from webhook.notify.parcel import Parcel
from webhook.storage import KINDS, MemoryStore, open_store
from webhook.storage.tables import metadata

REPOSITORY = Path(__file__).parents[2]
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="session")
def shared_database(postgres: Postgres) -> Iterator[tuple[str, Store]]:
    """One database for many tests, emptied after each: making one takes a third of a second."""
    url = postgres.new_database()
    with opened(url) as store:
        yield url, store


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").new_database()
    return f"sqlite:///{tmp_path}/data/andon.db"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/andon.db"


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Store]:
    store = open_store(url, **options)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "sqlite":
        with opened(f"sqlite:///{tmp_path}/andon.db") as one:
            yield one
        return
    url, one = request.getfixturevalue("shared_database")
    yield one
    engine = create_engine(url)
    with engine.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    engine.dispose()


class TestEveryStore:
    def test_gives_back_a_switch_as_it_was_put(self, store: Store):
        full = a_switch(State.DEGRADED, until=NOW + SECOND, version=7)
        with store.begin() as transaction:
            transaction.put_switch(a_switch(State.HALTED))
            transaction.put_switch(full)

        with store.view() as transaction:
            assert transaction.switch(A_STRATEGY) == full

    def test_has_a_normal_switch_for_a_scope_nobody_tripped(self, store: Store):
        with store.view() as transaction:
            assert transaction.switch(A_STRATEGY) == Switch(A_STRATEGY, State.NORMAL, version=0)
            assert transaction.switches() == ()

    def test_lists_switches_widest_first(self, store: Store):
        scopes = [A_STRATEGY, GLOBAL, Scope.parse("venue=sandbox,symbol=BTC/USDT:USDT"), Scope.parse("venue=sandbox")]
        with store.begin() as transaction:
            for scope in scopes:
                transaction.put_switch(a_switch(scope=scope))

        with store.view() as transaction:
            found = [str(switch.scope) for switch in transaction.switches()]

        expected = ["global", "venue=sandbox", "venue=sandbox,symbol=BTC/USDT:USDT", str(A_STRATEGY)]
        assert found == expected

    def test_gives_back_a_trip_as_it_was_put(self, store: Store):
        bare = replace(a_trip("bare"), started_at=None, fingerprint=None, labels={}, annotations={})
        full = a_trip("full", keep_protective=True, reached=False, closed_at=NOW + SECOND)
        with store.begin() as transaction:
            transaction.put_trip(bare)
            transaction.put_trip(a_trip("full"))
            transaction.put_trip(full)

        with store.view() as transaction:
            assert (transaction.trip("bare"), transaction.trip("full")) == (bare, full)
            assert transaction.trip("none") is None

    def test_lists_the_newest_trips_first_and_only_open_ones_when_asked(self, store: Store):
        with store.begin() as transaction:
            for number in range(5):
                closed_at = NOW if number % 2 else None
                transaction.put_trip(a_trip(f"t{number}", closed_at=closed_at, received_at=NOW + number * SECOND))

        with store.view() as transaction:
            assert [trip.id for trip in transaction.trips(limit=2)] == ["t4", "t3"]
            assert [trip.id for trip in transaction.trips(open_only=True)] == ["t4", "t2", "t0"]
            assert [trip.id for trip in transaction.trips(open_only=True, limit=1)] == ["t4"]

    def test_keeps_a_trip_closed_whatever_is_written_later(self, store: Store):
        """What was decided in memory, and is written after the resume, must not open it again."""
        closed = a_trip("one", closed_at=NOW)
        with store.begin() as transaction:
            transaction.put_trip(a_trip("one"))
            transaction.put_trip(closed)
            transaction.put_trip(a_trip("one", reason="late"))
        with store.begin() as transaction:
            transaction.put_trip(a_trip("one", reason="later", closed_at=NOW + SECOND))

        with store.view() as transaction:
            assert transaction.trip("one") == closed
            assert transaction.trips(open_only=True) == ()

    def test_counts_the_trips_of_alerts_that_reached_an_account(self, store: Store):
        with store.begin() as transaction:
            for number, source in enumerate(("alertmanager", "prometheus", "operator", "truncated")):
                transaction.put_trip(a_trip(f"t{number}", source=source))
            transaction.put_trip(a_trip("nowhere", reached=False))
            transaction.put_trip(a_trip("closed", closed_at=NOW))
            transaction.put_trip(a_trip("old", received_at=NOW - SECOND))

        with store.view() as transaction:
            assert transaction.count_trips(NOW) == 3
            assert transaction.count_trips(NOW - SECOND) == 4
            assert transaction.count_trips(NOW + SECOND) == 0

    def test_gives_back_progress_as_it_was_put(self, store: Store):
        bare = a_row("one", "engine", kind=TargetKind.ENGINE)
        full = a_row(
            "one",
            stage=Stage.LEFT,
            since=NOW,
            read_at=NOW + SECOND,
            orders=3,
            positions=1,
            notional=Decimal("1.50"),
            naked_notional=Decimal("1E-8"),
            late=True,
            times={"stored": 0.0021, "empty": 0.1 + 0.2},
            detail={"orders": [{"id": "1", "notional": "1.50"}], "why": "3 orders"},
        )
        with store.begin() as transaction:
            assert transaction.put_progress((bare, full)) == 2
            assert transaction.put_progress(()) == 0

        with store.view() as transaction:
            assert sorted(transaction.progress(("one", "two")), key=lambda row: row.target) == [bare, full]
            assert transaction.progress(("two",)) == transaction.progress(()) == ()

    def test_gives_the_progress_of_very_many_trips(self, store: Store):
        names = [f"t{number}" for number in range(1500)]
        with store.begin() as transaction:
            transaction.put_progress([a_row(name) for name in names])

        with store.view() as transaction:
            assert len(transaction.progress(names)) == 1500

    @pytest.mark.parametrize(
        ("later", "taken"),
        [((1, 2), False), ((1, 1), False), ((0, 9), False), ((1, 3), True), ((2, 1), True)],
    )
    def test_never_lets_progress_go_back(self, store: Store, later: tuple[int, int], taken: bool):
        """By epoch of the lease, then by revision: no late and no fenced-off writer replaces what is newer."""
        first = a_row("one", stage=Stage.EMPTY, epoch=1, revision=2)
        row = a_row("one", stage=Stage.LEFT, epoch=later[0], revision=later[1])
        with store.begin() as transaction:
            transaction.put_progress((first,))
            assert transaction.put_progress((row,)) == int(taken)
        with store.begin() as transaction:
            assert transaction.put_progress((row,)) == 0

        with store.view() as transaction:
            assert transaction.progress(("one",)) == ((row if taken else first),)

    def test_takes_the_newest_of_several_rows_at_once(self, store: Store):
        rows = [a_row("one", revision=revision) for revision in (2, 4, 3)]
        with store.begin() as transaction:
            assert transaction.put_progress((*rows, a_row("two"))) == 3

        with store.view() as transaction:
            assert [row.revision for row in transaction.progress(("one",))] == [4]

    def test_gives_back_what_each_part_of_an_engine_was_told(self, store: Store):
        part = a_commanded(part=A_STRATEGY, state=State.DEGRADED, stopped_before=True)
        whole = a_commanded()
        with store.begin() as transaction:
            transaction.put_commanded((part, whole, a_commanded(engine="other")))

        with store.view() as transaction:
            assert set(transaction.commanded("engine")) == {part, whole}
            assert transaction.commanded("none") == ()

    @pytest.mark.parametrize(
        ("later", "taken"),
        [((1, 2), False), ((1, 1), False), ((0, 9), False), ((1, 3), True), ((2, 1), True)],
    )
    def test_never_lets_a_command_go_back(self, store: Store, later: tuple[int, int], taken: bool):
        first = a_commanded(epoch=1, revision=2)
        row = a_commanded(state=State.NORMAL, epoch=later[0], revision=later[1])
        with store.begin() as transaction:
            transaction.put_commanded((first,))
        with store.begin() as transaction:
            transaction.put_commanded((row,))

        with store.view() as transaction:
            assert transaction.commanded("engine") == ((row if taken else first),)

    def test_gives_back_an_episode_by_its_start(self, store: Store):
        first = an_episode(scope=A_STRATEGY, granted=Action.HALT)
        again = an_episode(starts_at=NOW + SECOND, status="resolved", trip_id=None, count=9, resolved_at=NOW)
        with store.begin() as transaction:
            for episode in (an_episode(outcome="paged"), first, again):
                transaction.put_episode(episode)

        with store.view() as transaction:
            assert transaction.episode(first.fingerprint, NOW) == first
            assert transaction.episode(first.fingerprint, NOW + SECOND) == again
            assert transaction.episode("ffff", NOW) is None

    def test_lists_the_episodes_that_were_heard_firing_lately(self, store: Store):
        fires, long_ago = an_episode(last_seen=NOW), an_episode(fingerprint="b", last_seen=NOW - SECOND)
        with store.begin() as transaction:
            for episode in (fires, long_ago, an_episode(fingerprint="c", status="resolved", last_seen=NOW)):
                transaction.put_episode(episode)
            found = an_episode(fingerprint="d", status="found", last_seen=NOW)
            transaction.put_episode(found)

        with store.view() as transaction:
            assert transaction.firing_episodes(NOW) == (fires,)
            assert set(transaction.firing_episodes(NOW, found=True)) == {fires, found}
            assert set(transaction.firing_episodes(NOW - SECOND)) == {fires, long_ago}

    def test_gives_back_resume_requests_newest_first(self, store: Store):
        asked = a_resume_request()
        approved = a_resume_request(
            status=ResumeStatus.APPROVED, approved_by="bob", decided_at=NOW, requested_at=NOW + SECOND
        )
        with store.begin() as transaction:
            transaction.put_resume_request(asked)
            transaction.put_resume_request(approved)

        with store.view() as transaction:
            assert transaction.resume_requests() == (approved, asked)
            assert transaction.resume_requests(status=ResumeStatus.PENDING) == (asked,)
            assert transaction.resume_request(approved.id) == approved
            assert transaction.resume_request("none") is None

    def test_keeps_every_time_to_the_microsecond_and_in_utc(self, store: Store):
        elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
        with store.begin() as transaction:
            transaction.put_switch(a_switch(since=elsewhere))

        with store.view() as transaction:
            assert transaction.switch(A_STRATEGY).since == NOW

    def test_keeps_what_was_put_and_not_what_became_of_it(self, store: Store):
        labels = {"alertname": "Before"}
        with store.begin() as transaction:
            transaction.put_trip(a_trip("one", labels=labels))
            labels["alertname"] = "After"

        with store.view() as transaction:
            assert transaction.trip("one").labels == {"alertname": "Before"}

    @pytest.mark.parametrize(
        "strange", ["\0", "a\ud800b", "😀" * 10, "'; DROP TABLE trips; --", "x" * 1_000_000, "%s %(a)s :b"]
    )
    def test_holds_any_text(self, store: Store, strange: str):
        with store.begin() as transaction:
            transaction.put_trip(a_trip("one", reason=strange, actor=strange, labels={"name": strange}))
            transaction.append("tripped", strange, {"reason": strange}, NOW)
            transaction.enqueue("pager", strange, {"headline": strange}, NOW)

        with store.view() as transaction:
            assert transaction.trip("one").labels == {"name": strange}
            assert verify(transaction.records()) is None


class TestTransactions:
    def test_leave_nothing_when_the_block_raises(self, store: Store):
        with store.begin() as transaction:
            transaction.append("before", "me", {}, NOW)

        with suppress(ZeroDivisionError), store.begin() as transaction:
            transaction.put_switch(a_switch())
            transaction.put_trip(a_trip("one"))
            transaction.put_progress((a_row("one"),))
            transaction.put_commanded((a_commanded(),))
            transaction.put_episode(an_episode())
            transaction.put_resume_request(a_resume_request())
            transaction.enqueue("pager", "key", {}, NOW)
            transaction.append("half", "me", {}, NOW)
            transaction.acquire_lease("account/a", "me", SECOND)
            raise ZeroDivisionError

        with store.begin() as transaction:
            assert transaction.switches() == transaction.trips() == ()
            assert transaction.progress(("one",)) == transaction.commanded("engine") == ()
            assert transaction.episode("0123456789abcdef", NOW) is None
            assert transaction.resume_requests() == ()
            assert transaction.waiting_parcels() == {}
            assert [record.kind for record in transaction.records()] == ["before"]
            assert transaction.lease("account/a") is None
            assert transaction.append("after", "me", {}, NOW).sequence == 2

    def test_let_an_exception_of_the_caller_through_as_it_is(self, store: Store):
        with pytest.raises(BrokenPipeError), store.begin():
            raise BrokenPipeError

    def test_see_their_own_writes(self, store: Store):
        with store.begin() as transaction:
            transaction.put_switch(a_switch())
            transaction.append("one", "me", {}, NOW)

            assert transaction.switch(A_STRATEGY) == a_switch()
            assert transaction.last_record().kind == "one"

    def test_are_not_seen_by_a_view_that_began_before(self, store: Store):
        with store.view() as before:
            assert before.switches() == ()
            assert before.records() == ()
            with store.begin() as transaction:
                transaction.put_switch(a_switch())
                transaction.append("one", "me", {}, NOW)

            assert before.switches() == ()
            assert before.records() == ()
            assert before.last_record() is None

    def test_are_not_seen_before_they_end(self, store: Store):
        with store.begin() as transaction:
            transaction.put_switch(a_switch())
            transaction.append("one", "me", {}, NOW)
            with store.view() as outside:
                assert outside.switches() == ()
                assert outside.records() == ()

    def test_do_not_nest(self, store: Store):
        with store.begin(), pytest.raises(RuntimeError, match="inside another"), store.begin():
            pass

    @pytest.mark.parametrize(
        "write",
        [
            lambda view: view.put_switch(a_switch()),
            lambda view: view.put_trip(a_trip()),
            lambda view: view.put_progress((a_row(),)),
            lambda view: view.put_commanded((a_commanded(),)),
            lambda view: view.put_parcels((Parcel(1, "pager", "key", {}, NOW, NOW),)),
            lambda view: view.put_episode(an_episode()),
            lambda view: view.put_resume_request(a_resume_request()),
            lambda view: view.enqueue("pager", "key", {}, NOW),
            lambda view: view.claim_parcels("me", NOW, NOW, 1),
            lambda view: view.append("one", "me", {}, NOW),
            lambda view: view.acquire_lease("account/a", "me", SECOND),
            lambda view: view.release_lease("account/a", "me"),
        ],
    )
    def test_that_only_view_refuse_to_write(self, store: Store, write: Callable[[Any], object]):
        with pytest.raises(RuntimeError, match="only reads"), store.view() as view:
            write(view)

    def test_of_many_threads_lose_no_update(self, store: Store):
        threads, each = 8, 15

        def trip_again():
            for _ in range(each):
                with store.begin() as transaction:
                    switch = transaction.switch(A_STRATEGY)
                    transaction.put_switch(replace(switch, version=switch.version + 1))
                    transaction.append("tripped", threading.current_thread().name, {}, NOW)

        workers = [threading.Thread(target=trip_again) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)

        with store.view() as transaction:
            assert transaction.switch(A_STRATEGY).version == threads * each
            assert [record.sequence for record in transaction.records()] == list(range(1, threads * each + 1))
            assert verify(transaction.records()) is None

    def test_hold_three_hundred_trips_at_once(self, store: Store):
        with store.begin() as transaction:
            for number in range(300):
                transaction.put_trip(a_trip(f"t{number:03}"))
                transaction.put_progress([a_row(f"t{number:03}", f"account-{place}") for place in range(7)])
                transaction.append("tripped", "alert", {"trip": number}, NOW)

        with store.view() as transaction:
            trips = transaction.trips(limit=1000)
            assert len(trips) == 300
            assert len(transaction.progress([trip.id for trip in trips])) == 2100

    def test_can_be_proved_possible(self, store: Store):
        store.ping()
        with store.view() as transaction:
            assert transaction.records() == ()


class TestParcels:
    def put(self, store: Store, *parcels: tuple[str, str]):
        with store.begin() as transaction:
            for number, (notifier, key) in enumerate(parcels):
                transaction.enqueue(notifier, key, {"number": number}, NOW)

    def claim(self, store: Store, *, holder: str = "me", now=NOW, limit: int = 100):
        with store.begin() as transaction:
            return transaction.claim_parcels(holder, now, now + 10 * SECOND, limit)

    def test_go_out_one_at_a_time_for_one_notifier_and_key(self, store: Store):
        self.put(store, ("pager", "a"), ("pager", "a"), ("slack", "a"), ("pager", "b"))

        first = self.claim(store)

        assert [(parcel.notifier, parcel.key, parcel.notice["number"]) for parcel in first] == [
            ("pager", "a", 0),
            ("slack", "a", 2),
            ("pager", "b", 3),
        ]
        assert {parcel.holder for parcel in first} == {"me"}
        assert self.claim(store) == ()

    @pytest.mark.parametrize("end", ["sent", "failed"])
    def test_let_the_next_one_out_when_the_first_is_done(self, store: Store, end: str):
        self.put(store, ("pager", "a"), ("pager", "a"))
        (first,) = self.claim(store)
        with store.begin() as transaction:
            transaction.put_parcels(
                (replace(first, status=end, tries=1, last_error="no", holder=None, lease_until=None),)
            )

        (second,) = self.claim(store)

        assert second.notice == {"number": 1}

    def test_wait_behind_one_that_is_tried_again_later(self, store: Store):
        self.put(store, ("pager", "a"), ("pager", "a"))
        (first,) = self.claim(store)
        later = replace(first, next_at=NOW + 30 * SECOND, tries=1, holder=None, lease_until=None)
        with store.begin() as transaction:
            transaction.put_parcels((later,))

        assert self.claim(store, now=NOW + 29 * SECOND) == ()
        (again,) = self.claim(store, now=NOW + 30 * SECOND)
        assert (again.id, again.tries) == (first.id, 1)

    def test_are_taken_again_when_their_holder_died(self, store: Store):
        self.put(store, ("pager", "a"))
        (first,) = self.claim(store)

        assert self.claim(store, holder="you", now=NOW + 9 * SECOND) == ()
        (again,) = self.claim(store, holder="you", now=NOW + 10 * SECOND)
        assert (again.id, again.holder) == (first.id, "you")

    def test_are_taken_oldest_first_up_to_the_limit(self, store: Store):
        self.put(store, *(("pager", f"key-{number}") for number in range(5)))

        assert [parcel.notice["number"] for parcel in self.claim(store, limit=2)] == [0, 1]
        assert [parcel.notice["number"] for parcel in self.claim(store, limit=2)] == [2, 3]

    def test_are_not_taken_before_they_are_due(self, store: Store):
        self.put(store, ("pager", "a"))

        assert self.claim(store, now=NOW - SECOND) == ()

    def test_are_counted_while_they_wait(self, store: Store):
        self.put(store, ("slack", "a"), ("pager", "a"), ("pager", "b"))
        first, *_ = self.claim(store, limit=1)
        with store.begin() as transaction:
            transaction.put_parcels((replace(first, status="sent"),))

        with store.view() as transaction:
            assert transaction.waiting_parcels() == {"pager": 2}


class TestTheJournal:
    def test_is_chained_from_the_first_record_on(self, store: Store):
        with store.begin() as transaction:
            first = transaction.append("tripped", "alert", {"b": 1, "a": "x"}, NOW)
            second = transaction.append("verified", "andon", {}, NOW + SECOND, version=2)

        with store.view() as transaction:
            assert transaction.records() == (first, second)
            assert transaction.last_record() == second
        assert (first.sequence, first.previous, second.previous) == (1, GENESIS, first.hash)
        assert verify((first, second)) is None

    def test_gives_the_body_as_it_will_be_read(self, store: Store):
        body = {"scope": A_STRATEGY, "size": Decimal("1.50"), "at": NOW, "state": State.HALTED, "ids": ("a", "b")}
        with store.begin() as transaction:
            record = transaction.append("tripped", "alert", body, NOW)

        expected = {
            "scope": "venue=sandbox,account=mm,strategy=mm-btc",
            "size": "1.50",
            "at": "2026-11-22T10:00:00.123456Z",
            "state": "halted",
            "ids": ["a", "b"],
        }
        assert record.body == expected
        with store.view() as transaction:
            assert transaction.records() == (record,)

    def test_can_be_read_in_pages(self, store: Store):
        with store.begin() as transaction:
            for number in range(7):
                transaction.append("counted", "me", {"number": number}, NOW)

        with store.view() as transaction:
            pages = [[one.sequence for one in transaction.records(after=after, limit=3)] for after in (0, 3, 6, 7)]
        assert pages == [[1, 2, 3], [4, 5, 6], [7], []]


class TestLeases:
    """By the clock of the store, which is the same for every process; here it is compared with nothing."""

    def test_are_held_by_one_and_renewed_by_it_alone(self, store: Store):
        with store.begin() as transaction:
            mine = transaction.acquire_lease("account/a", "me", 60 * SECOND)
            again = transaction.acquire_lease("account/a", "me", 90 * SECOND)
            assert transaction.acquire_lease("account/a", "you", 60 * SECOND) is None
            other = transaction.acquire_lease("account/b", "you", 60 * SECOND)

        assert mine is not None
        assert again is not None
        assert (mine.holder, mine.epoch, again.epoch) == ("me", 1, 1)
        assert again.until > mine.until + 29 * SECOND
        assert (other.holder, other.epoch) == ("you", 1)
        with store.view() as transaction:
            assert transaction.lease("account/a") == again

    def test_last_as_long_as_they_were_asked_for_by_the_clock_of_the_store(self, store: Store):
        with store.begin() as transaction:
            before = transaction.now()
            lease = transaction.acquire_lease("account/a", "me", 60 * SECOND)
            after = transaction.now()

        assert before <= lease.until - 60 * SECOND <= after

    def test_pass_on_when_over_with_a_larger_epoch(self, store: Store):
        with store.begin() as transaction:
            transaction.acquire_lease("account/a", "me", timedelta(0))
            taken = transaction.acquire_lease("account/a", "you", 60 * SECOND)
            assert transaction.acquire_lease("account/a", "me", 60 * SECOND) is None

        assert (taken.holder, taken.epoch) == ("you", 2)

    def test_pass_on_when_given_up_and_the_epoch_is_never_used_again(self, store: Store):
        epochs = []
        for holder in ("me", "you", "me", "me"):
            with store.begin() as transaction:
                epochs.append(transaction.acquire_lease("account/a", holder, 60 * SECOND).epoch)
            with store.begin() as transaction:
                transaction.release_lease("account/a", holder)

        assert epochs == [1, 2, 3, 4]

    def test_are_given_up_by_their_holder_alone(self, store: Store):
        with store.begin() as transaction:
            mine = transaction.acquire_lease("account/a", "me", 60 * SECOND)
            transaction.release_lease("account/a", "you")
            transaction.release_lease("account/b", "you")

        with store.view() as transaction:
            assert transaction.lease("account/a") == mine
            assert transaction.lease("account/b") is None

    def test_pass_on_at_once_when_their_holder_is_gone(self, store: Store):
        with store.begin() as transaction:
            transaction.acquire_lease("account/a", "dead", 60 * SECOND)
            taken = transaction.acquire_lease("account/a", "me", 60 * SECOND, gone=True)

        assert (taken.holder, taken.epoch) == ("me", 2)

    def test_of_one_that_ran_out_and_was_wanted_by_nobody_go_on(self, store: Store):
        with store.begin() as transaction:
            transaction.acquire_lease("account/a", "me", timedelta(0))
            again = transaction.acquire_lease("account/a", "me", 60 * SECOND)

        assert again.epoch == 1


class Another:
    """Another process on the same store."""

    def __init__(self, url: str, task: str, argument: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.storage_process", url, task, argument],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def go(self) -> None:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def hears(self) -> Any:
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, "the other process says nothing"
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)


@contextmanager
def others(*commands: tuple[str, ...]) -> Iterator[list[Another]]:
    processes = [Another(*command) for command in commands]
    try:
        for process in processes:
            assert process.hears() == "ready"
        for process in processes:
            process.go()
        yield processes
    finally:
        for process in processes:
            process.end()


class TestSeveralProcesses:
    def test_make_the_tables_once_though_they_start_together(self, url: str):
        with others((url, "append", "1"), (url, "append", "1"), (url, "append", "1")) as processes:
            assert [process.process.wait(60) for process in processes] == [0, 0, 0]

        with opened(url) as store, store.view() as transaction:
            assert len(transaction.records()) == 3

    def test_never_get_the_same_parcel(self, url: str):
        with opened(url) as store, store.begin() as transaction:
            for number in range(PARCELS):
                transaction.enqueue("pager", f"key-{number}", {"number": number}, NOW)

        with others((url, "claim", "one"), (url, "claim", "two"), (url, "claim", "three")) as processes:
            taken = list(itertools.chain.from_iterable(process.hears() for process in processes))

        assert sorted(taken) == list(range(PARCELS))

    def test_never_hold_the_same_lease_and_never_get_the_same_epoch(self, url: str):
        """Three take it from each other as fast as they can, each in the belief that the other is gone."""
        with others((url, "lease", "one"), (url, "lease", "two"), (url, "lease", "three")) as processes:
            told = [process.hears() for process in processes]

        epochs = list(itertools.chain.from_iterable(told))
        assert len(epochs) == len(set(epochs))
        with opened(url) as store, store.view() as transaction:
            assert transaction.lease("account/a").epoch == max(epochs)

    def test_write_one_journal_without_a_hole(self, url: str):
        with others((url, "append", "40"), (url, "append", "41")) as processes:
            assert [process.process.wait(60) for process in processes] == [0, 0]

        with opened(url) as store, store.view() as transaction:
            records = transaction.records()
        assert [record.sequence for record in records] == list(range(1, 82))
        assert verify(records) is None

    def test_leave_nothing_half_done_when_one_is_killed(self, url: str):
        with others((url, "hang")) as (process,):
            assert process.hears() == "inside"
            os.kill(process.process.pid, signal.SIGKILL)
            process.process.wait(30)

            with opened(url) as store, store.begin() as transaction:
                record = transaction.append("after", "me", {}, NOW)
                assert transaction.switches() == transaction.trips() == ()
        assert record.sequence == 1

    def test_wait_for_each_other_and_then_call_it_an_outage(self, url: str):
        with opened(url, busy_seconds=0.3) as store, others((url, "hang")) as (process,):
            assert process.hears() == "inside"

            with pytest.raises(StoreOutageError) as caught, store.begin():
                pass
            assert caught.value.reason == "busy"
            with store.view() as transaction:
                assert transaction.switches() == ()
            with pytest.raises(StoreOutageError):
                store.ping()

            process.process.kill()
            process.process.wait(30)
            store.ping()


class TestStoresOnDisk:
    def test_keep_everything_over_a_restart(self, url: str):
        with opened(url) as store, store.begin() as transaction:
            transaction.put_switch(a_switch())
            transaction.append("tripped", "alert", {}, NOW)

        with opened(url, migrate=False) as store, store.view() as transaction:
            assert transaction.switches() == (a_switch(),)
            assert transaction.last_record().kind == "tripped"

    def test_have_just_the_tables_that_the_migrations_make(self, url: str):
        with opened(url):
            pass

        engine = create_engine(url)
        with engine.connect() as connection:
            differences = compare_metadata(
                MigrationContext.configure(connection, opts={"compare_type": True}), metadata
            )
        engine.dispose()
        assert differences == []

    def test_refuse_tables_of_a_newer_version(self, url: str):
        with opened(url):
            pass
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        engine.dispose()

        for migrate in (True, False):
            with pytest.raises(PermanentError) as caught:
                open_store(url, migrate=migrate)
            assert caught.value.reason == "schema"

    def test_of_a_newer_version_that_are_met_later_are_an_outage(self, url: str):
        with opened(url):
            pass
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        engine.dispose()

        with opened(url, required=False) as store:
            with pytest.raises(StoreOutageError) as caught:
                store.ping()
            assert caught.value.reason == "schema"

    def test_call_a_value_they_cannot_hold_an_outage_of_that_value_alone(self, url: str):
        with opened(url) as store:
            with pytest.raises(StoreOutageError) as caught, store.begin() as transaction:
                transaction.put_switch(a_switch(since=NOW.replace(tzinfo=None)))
            assert caught.value.reason == "value"
            store.ping()

    @pytest.mark.parametrize(
        "tampering",
        [
            "body = '{\"amount\":2}'",
            "body = 'not json'",
            "body = ''",
            "body = '[[[['",
            "at = at + 1",
            "at = 9223372036854775807",
            "actor = 'mallory'",
            "version = 2",
            "hash = previous",
        ],
    )
    def test_give_a_tampered_journal_to_be_proved_wrong(self, url: str, tampering: str):
        with opened(url) as store, store.begin() as transaction:
            for number in range(3):
                transaction.append("counted", "me", {"amount": 1, "number": number}, NOW)
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE journal SET {tampering} WHERE sequence = 2")
        engine.dispose()

        with opened(url, migrate=False) as store, store.view() as transaction:
            assert verify(transaction.records()).sequence == 2

    def test_only_read_when_they_are_opened_to_be_read(self, url: str):
        with opened(url) as store, store.begin() as transaction:
            transaction.append("counted", "me", {}, NOW)
            with opened(url, migrate=False, busy_seconds=2) as reader, reader.view() as view:
                assert view.records() == ()

    def test_are_not_made_when_migration_is_off(self, url: str):
        with pytest.raises(PermanentError, match="start with migration on"):
            open_store(url, migrate=False)

    @pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "nonsense", ""])
    def test_need_a_url_that_can_be_right(self, url: str):
        with pytest.raises(PermanentError) as caught:
            open_store(url)
        assert caught.value.reason == "url"


class TestPostgresql:
    def test_heals_when_the_server_comes_back(self, postgres: Postgres):
        with opened(postgres.new_database(), busy_seconds=2) as store:
            with store.begin() as transaction:
                transaction.put_switch(a_switch())
            postgres.stop()
            try:
                for use in (store.begin, store.view):
                    with pytest.raises(StoreOutageError) as caught, use():
                        pass
                    assert caught.value.reason == "connection"
            finally:
                postgres.start()

            store.ping()
            with store.view() as transaction:
                assert transaction.switches() == (a_switch(),)

    def test_is_an_outage_when_it_goes_away_inside_a_transaction(self, postgres: Postgres):
        with opened(postgres.new_database(), busy_seconds=2) as store:

            def write() -> None:
                with store.begin() as transaction:
                    transaction.put_switch(a_switch())
                    postgres.stop()
                    transaction.put_trip(a_trip())

            try:
                with pytest.raises(StoreOutageError):
                    write()
            finally:
                postgres.start()

            with store.view() as transaction:
                assert transaction.switches() == ()

    def test_can_be_opened_before_it_is_there(self, postgres: Postgres):
        url = postgres.new_database()
        postgres.stop()
        try:
            with pytest.raises(StoreOutageError):
                open_store(url, busy_seconds=2)
            store = open_store(url, required=False, busy_seconds=2)
            with pytest.raises(StoreOutageError):
                store.ping()
        finally:
            postgres.start()

        store.ping()
        store.close()
