"""What must survive: a disk that is full, two processes on one store, and a process that dies at every commit."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import CacheStats

from tests.builders import an_alert
from tests.disks import a_small_disk, fill
from tests.rig import Rig, a_rig, minutes_ago, until
from webhook.actions.port import Side
from webhook.errors import StoreOutageError
from webhook.killswitch.states import State
from webhook.killswitch.trip import TripStatus

BTC = "BTC/USDT:USDT"


def rest_orders(rig: Rig, count: int = 5) -> None:
    for number in range(count):
        rig.venue("sandbox-mm").place(BTC, Side.BUY, Decimal("0.1"), Decimal(90), client_order_id=f"mm-btc_{number}")


def resting(rig: Rig) -> int:
    return len(rig.venue("sandbox-mm").resting())


def test_a_full_disk_does_not_keep_orders_alive(tmp_path: Path) -> None:
    """The sender hears that it is not stored, the kill runs from memory once, and the store learns of it later."""
    with a_small_disk(tmp_path / "disk") as disk, a_rig(disk) as rig:
        rest_orders(rig)
        ballast = fill(disk)
        alert = an_alert(starts_at=datetime.now(UTC), kill_action="halt")

        for _ in range(5):
            # As Alertmanager does on 503: again and again.
            with pytest.raises(StoreOutageError):
                rig.deliver(alert)

        until(lambda: resting(rig) == 0)
        assert rig.assembly.telemetry.registry.get_sample_value("andon_killed_from_memory_total") == 1
        assert [one.state for one in rig.queries.switches()] == [State.HALTED]

        ballast.unlink()
        until(lambda: not rig.assembly.commit.out, 20)

        assert rig.deliver(alert).outcomes[0].outcome == "already"
        (trip,) = rig.queries.trips()
        rig.until_verified(trip.trip)
        assert len(rig.records("tripped")) == 1
        assert len(rig.records("store_was_out")) == 1
        assert rig.queries.verify_audit() is None


def test_a_disk_that_fills_during_a_kill_does_not_stop_it(tmp_path: Path) -> None:
    """What was found out waits in memory and is written when there is room again."""
    with a_small_disk(tmp_path / "disk") as disk, a_rig(disk) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").faults.reads_failed = 1_000_000
        trip = rig.trip(kill_action="halt")
        ballast = fill(disk)
        rig.venue("sandbox-mm").faults.reads_failed = 0

        rig.until_verified(trip)
        assert resting(rig) == 0

        ballast.unlink()
        until(lambda: bool(rig.records("trip_verified")), 20)
        assert rig.queries.verify_audit() is None


def test_two_processes_on_one_store_do_not_do_a_kill_twice(tmp_path: Path) -> None:
    """Each delivery to both at once: one trip, and one of the two looks after each target."""
    with ExitStack() as stack:
        one = stack.enter_context(a_rig(tmp_path))
        two = stack.enter_context(a_rig(tmp_path))
        alert = an_alert(starts_at=datetime.now(UTC), kill_action="halt")
        outcomes: list[str] = []
        threads = [
            threading.Thread(target=lambda rig=rig: outcomes.append(rig.deliver(alert).outcomes[0].outcome))
            for rig in (one, two) * 5
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["already"] * 9 + ["tripped"]
        (trip,) = one.queries.trips()
        for rig in (one, two):
            rig.until_verified(trip.trip)
        for target in ("account/sandbox-mm", "account/sandbox-shared", "engine/engine"):
            assert [target in rig.assembly.worker._leases._held for rig in (one, two)].count(True) == 1, target
        assert [bool(rig.assembly.accounts["sandbox-mm"].busy()) for rig in (one, two)].count(True) == 1
        assert [one.trip.id for one in two.queries.trips()] == [trip.trip.id]
        assert len(one.records("tripped")) == 1
        assert one.queries.verify_audit() is None


def test_when_the_holder_ends_another_process_keeps_the_scope_empty(tmp_path: Path) -> None:
    """An order that appears after the first process is gone is cancelled by the second."""
    with ExitStack() as stack:
        with a_rig(tmp_path) as one:
            two = stack.enter_context(a_rig(tmp_path))
            one.until_verified(one.trip(kill_action="halt"))
            assert two.assembly.worker._leases.held == 0

        until(lambda: two.assembly.worker._leases.held == 3, 20)
        rest_orders(two, 2)
        until(lambda: resting(two) == 0, 20)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_statement_of_a_kill_is_compiled_during_the_kill(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Compiling takes several times as long as running it: all of them were said once when the store was opened."""
    url = f"sqlite:///{tmp_path}/andon.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    compiled: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        # What a test asks for runs in its own thread.
        if threading.current_thread() is threading.main_thread() or context.compiled is None:
            return
        if context.cache_hit is not CacheStats.CACHE_HIT:
            compiled.append(statement)

    with a_rig(tmp_path, store={"url": url, "commit_timeout_seconds": 5.0}) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        event.listen(Engine, "before_cursor_execute", note)
        try:
            alert = an_alert(starts_at=datetime.now(UTC))
            rig.until_verified(rig.view(rig.deliver(alert).outcomes[0].trip_id).trip)
            assert rig.deliver(alert).outcomes[0].outcome == "already"
            rig.all_resolve()
            rig.prometheus.fires(an_alert(starts_at=minutes_ago(1), account="shared", strategy=""))
            rest_orders(rig)
            until(lambda: bool(rig.records("halt_broken")) and bool(rig.records("trip_verified")))
            until(lambda: not rig.assembly.commit.waiting())
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    assert compiled == []


CHILD = """
import json, os, signal, sys, threading
from contextlib import contextmanager
from pathlib import Path
from tests.rig import a_rig, until

folder, dies_at, changes = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])


class Dying:
    # The real store; the process is killed right after (or, below zero, right before) the commit of the n-th
    # transaction of its writer from the kill on.
    def __init__(self, store):
        self.store, self.commits, self.armed = store, 0, False

    def __getattr__(self, name):
        return getattr(self.store, name)

    @contextmanager
    def begin(self):
        with self.store.begin() as tx:
            yield Noticing(tx)
            wrote = threading.current_thread().name == "commit" and noticed.pop("wrote", False)
            if self.armed and wrote:
                self.commits += 1
                if self.commits == -dies_at:
                    os.kill(os.getpid(), signal.SIGKILL)
        if self.armed and wrote and self.commits == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


noticed = {}


class Noticing:
    # Whether anything of a kill is written: renewing a lease is no step of one.
    def __init__(self, tx):
        self.tx = tx

    def __getattr__(self, name):
        if name in ("append", "put_progress", "put_commanded", "put_trip"):
            noticed["wrote"] = True
        return getattr(self.tx, name)


with a_rig(folder, **changes) as rig:
    store = rig.assembly.commit.store = Dying(rig.assembly.commit.store)
    store.armed = True
    trip = rig.trip()
    rig.until_verified(trip)
    until(lambda: bool(rig.records("trip_verified")) and not rig.assembly.commit.waiting())
    print("commits", store.commits)
"""

CHANGES: dict[str, Any] = {
    "venues": [
        {
            "name": "sandbox-mm",
            "venue": "sandbox",
            "account": "mm",
            "adapter": "paper",
            "mode": "live",
            "options": {
                "symbols": [BTC],
                "orders": [
                    {"symbol": BTC, "side": "buy", "quantity": "1", "price": "90", "client_order_id": f"mm-btc_{n}"}
                    for n in range(3)
                ],
                "positions": [{"symbol": BTC, "quantity": "1"}],
            },
        }
    ]
}


def start_child(folder: Path, dies_at: int) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(dies_at), json.dumps(CHANGES)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


@pytest.mark.parametrize("when", ["after", "before"])
def test_killed_at_every_commit_the_next_process_finishes_the_kill(tmp_path: Path, when: str) -> None:
    """kill -9 at each boundary: nothing is lost once it was answered, nothing is ever called done that is not."""
    whole = start_child(tmp_path / "whole", 10_000)
    told, trouble = whole.communicate(timeout=60)
    assert whole.returncode == 0, trouble
    commits = int(told.rsplit("commits", 1)[1])
    assert commits >= 3

    folders = {boundary: tmp_path / f"{when}{boundary}" for boundary in range(1, commits + 1)}
    children = {at: start_child(folder, at if when == "after" else -at) for at, folder in folders.items()}
    for boundary, folder in folders.items():
        child = children[boundary]
        _, trouble = child.communicate(timeout=60)
        # Findings share transactions as they come, so a run may have fewer boundaries than the first one had.
        assert child.returncode in (-signal.SIGKILL, 0), trouble
        stored = not (when == "before" and boundary == 1 and child.returncode)

        # The orders of the paper venue stand again in the next process, as they would at a venue that never heard.
        with a_rig(folder, **CHANGES) as rig:
            if not stored:
                assert rig.queries.trips() == (), "what was not answered is sent again by Alertmanager"
                rig.trip()
            (view,) = rig.queries.trips()
            venue = rig.venue("sandbox-mm")
            until(lambda venue=venue: not venue.resting() and venue.held(BTC) == 0, 30)
            until(lambda rig=rig, view=view: rig.status(view.trip) is TripStatus.VERIFIED, 30)
            assert len(rig.queries.trips()) == 1
            until(lambda rig=rig: bool(rig.records("trip_verified")), 30)
            assert len(rig.records("tripped")) == 1
            assert rig.queries.verify_audit() is None
