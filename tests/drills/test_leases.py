"""Two processes on one store: one of them looks after each target, and whoever loses it does no more harm."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pytest

from tests.drills.holder import ACCOUNT
from tests.postgres import Postgres, Wire
from tests.rig import a_rig, until
from webhook.actions.port import Side
from webhook.durability.port import Store
from webhook.errors import StoreOutageError
from webhook.killswitch.lease import Lease
from webhook.storage import open_store

ROOT = Path(__file__).parents[2]


class Holder:
    """A service in a process of its own; see `tests.drills.holder`."""

    def __init__(self, folder: Path, url: str, clock: str = "right") -> None:
        folder.mkdir()
        self.folder = folder
        self._log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.drills.holder", str(folder), url, clock],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.signal(signal.SIGCONT)
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._log.close()

    def ready(self) -> Self:
        assert self._hears(60) == "ready"
        return self

    def ask(self, *words: Any) -> Any:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return self._hears(30)

    def signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def ids(self) -> list[str]:
        """Of every order that it sent to close a position."""
        file = self.folder / "ids"
        return file.read_text().split() if file.exists() else []

    def epochs(self) -> set[str]:
        """Of these orders."""
        return {one.rpartition("-")[2].partition(".")[0] for one in self.ids()}

    def _hears(self, seconds: float) -> Any:
        heard, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if heard else ""
        assert line, f"it says nothing: {(self.folder / 'log').read_text()[-3000:]}"
        return json.loads(line)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.new_database()
    return f"sqlite:///{tmp_path}/andon.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    one = open_store(url)
    yield one
    one.close()


@contextmanager
def two_holders(tmp_path: Path, url: str) -> Iterator[tuple[Holder, Holder]]:
    """First whoever has the lease; the clock of one of them is wrong by an hour."""
    with Holder(tmp_path / "one", url) as one, Holder(tmp_path / "two", url, "wrong") as two:
        found = {holder.ready().ask("epoch"): holder for holder in (one, two)}
        yield found[1], found[None]


def lease(store: Store) -> tuple[Lease, datetime]:
    """The lease of the account, and the time by the store's clock."""
    with store.view() as tx:
        found = tx.lease(ACCOUNT)
        assert found is not None
        return found, tx.now()


def in_mid_flatten(one: Holder, *, by: Holder | None = None) -> str:
    """Have the position closed, and return the trip when a part of it is."""
    trip_id: str = (by or one).ask("trip", "flatten")
    until(lambda: len(one.ids()) > 3, 20, lambda: str(one.ask("row", trip_id)))
    assert float(one.ask("held")) > 0
    return trip_id


def test_only_the_holder_closes_positions_and_when_it_is_killed_the_other_goes_on_at_once(
    tmp_path: Path, url: str, store: Store
) -> None:
    """Whoever decided, and by the clock of the database: one clock here is an hour ahead, and makes no lease run out.
    When the holder is gone nobody waits for its lease; no id of an order comes twice, as the epoch is in it."""
    with two_holders(tmp_path, url) as (one, other):
        trip_id = in_mid_flatten(one, by=other)
        assert (one.ask("epoch"), other.ask("epoch")) == (1, None)
        assert other.ids() == []
        assert float(other.ask("held")) == 1

        one.process.kill()
        one.process.wait()
        left, _ = lease(store)
        until(lambda: other.ask("epoch") == 2, 20)
        _, now = lease(store)
        assert left.epoch == 2 or now < left.until, "it was not waited for"

        until(lambda: other.ask("status", trip_id) == "verified", 30)
        assert float(other.ask("held")) == 0
        assert (one.epochs(), other.epochs()) == ({"1"}, {"2"})
        assert len({*one.ids(), *other.ids()}) == len(one.ids()) + len(other.ids())


def test_a_holder_that_was_stopped_finds_its_lease_gone_and_does_no_more(tmp_path: Path) -> None:
    """It cannot know that it was stopped: what it writes is refused, it closes nothing more, and it lets go."""
    url = f"sqlite:///{tmp_path}/andon.db"
    with closing(open_store(url)) as store, two_holders(tmp_path, url) as (one, other):
        trip_id = in_mid_flatten(one)
        stop_outside_of_a_transaction(one, store)
        sent = one.ids()
        epochs = one.epochs()

        until(lambda: other.ask("epoch") == 2, 30)
        until(lambda: len(other.ids()) > 3, 20)
        one.signal(signal.SIGCONT)
        until(lambda: one.ask("epoch") is None, 20)
        until(lambda: other.ask("status", trip_id) == "verified", 30)

        # One order may have been on its way already when it was stopped.
        assert len(one.ids()) <= len(sent) + 1
        assert epochs == one.epochs() == {"1"}
        until(lambda: (one.ask("waiting"), other.ask("waiting")) == (0, 0))
        with store.view() as tx:
            rows = {row.target: row for row in tx.progress((trip_id,))}
        assert (rows["sandbox-mm"].epoch, rows["sandbox-mm"].stage) == (2, "flat")
        until(lambda: one.ask("row", trip_id) == {"stage": "flat", "epoch": 2})

        other.process.kill()
        other.process.wait()
        until(lambda: one.ask("epoch") == 3, 20)
        until(lambda: float(one.ask("held")) == 0, 30)
        assert one.epochs() == {"1", "3"}


def stop_outside_of_a_transaction(one: Holder, store: Store) -> None:
    """A process that is stopped inside a write on SQLite bars all others for as long; that is another story."""
    for _ in range(20):
        one.signal(signal.SIGSTOP)
        try:
            store.ping()
        except StoreOutageError:
            one.signal(signal.SIGCONT)
        else:
            return
    raise AssertionError("it is always inside a transaction")


def test_a_process_that_loses_sight_of_the_store_waits_out_the_lease_of_the_other(
    tmp_path: Path, postgres: Postgres
) -> None:
    """Until then it cancels what it decides, and closes nothing: the other one may well see the store.  Then it acts
    alone, and lets go when the store is back."""
    wire = Wire(postgres.new_database())
    try:
        with (
            Holder(tmp_path / "one", wire.server_url).ready() as one,
            Holder(tmp_path / "other", wire.url, "wrong").ready() as other,
        ):
            wire.commit_passes.clear()
            until(lambda: other.ask("out"), 20)
            other.ask("rest")
            assert other.ask("trip", "flatten") is None, "decided in memory"
            until(lambda: other.ask("resting") == 0)
            assert (other.ids(), other.ask("epoch")) == ([], None)

            until(lambda: other.ask("epoch") == 0, 30)
            until(lambda: float(other.ask("held")) == 0, 30)

            wire.commit_passes.set()
            until(lambda: other.ask("epoch") is None, 30)
            until(lambda: one.ask("trips") == ["verified"], 30)
            assert one.epochs() == {"1"}
            assert not set(one.ids()) & set(other.ids())
    finally:
        wire.close()


def test_what_a_fenced_off_process_finds_out_is_neither_stored_nor_journalled_nor_told(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        trip = rig.until_verified(rig.trip(kill_action="halt")).trip
        commit, mine = rig.assembly.commit, rig.row(trip, "sandbox-mm")
        until(lambda: not commit.waiting())
        theirs = replace(mine, epoch=mine.epoch + 1, revision=1)
        commit.write_durably(lambda tx: tx.put_progress((theirs,)))
        before = len(rig.queries.records(limit=100_000))

        rig.venue("sandbox-mm").place("BTC/USDT:USDT", Side.BUY, Decimal(1), Decimal(90), client_order_id="mm-btc_late")
        until(lambda: not rig.venue("sandbox-mm").resting())
        until(lambda: rig.row(trip, "sandbox-mm").revision > mine.revision + 1 and not commit.waiting())

        assert len(rig.queries.records(limit=100_000)) == before
        with commit.view() as tx:
            assert [row for row in tx.progress((trip.id,)) if row.target == "sandbox-mm"] == [theirs]
