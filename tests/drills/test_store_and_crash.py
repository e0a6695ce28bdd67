"""What must survive: a disk that is full, two processes on one store, and a process that dies at every commit."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from webhook.killswitch.port import StepStatus, TripStatus

from tests.builders import an_alert
from tests.rig import Rig, a_rig, until
from webhook.actions.port import Side
from webhook.errors import StoreOutageError
from webhook.killswitch.states import State

BTC = "BTC/USDT:USDT"


@contextmanager
def a_small_disk(folder: Path) -> Iterator[Path]:
    """A file system of two megabytes, so that "full" is a real ENOSPC."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a disk can be filled only where a tmpfs can be mounted (root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Use up every byte that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                while True:
                    if file.write(b"x" * size) < size:
                        break
                size //= 2
            except OSError:
                size //= 2
    return ballast


def rest_orders(rig: Rig, count: int = 5) -> None:
    for number in range(count):
        rig.venue("sandbox-mm").place(BTC, Side.BUY, Decimal("0.1"), Decimal(90), client_order_id=f"mm-btc_{number}")


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

        until(lambda: rig.venue("sandbox-mm").open_orders(None, 1.0) == ())
        assert rig.assembly.telemetry.registry.get_sample_value("andon_killed_from_memory_total") == 1
        assert [one.state for one in rig.service.switches()] == [State.HALTED]

        ballast.unlink()
        until(lambda: bool(rig.records("adopted")), 20)

        assert rig.deliver(alert).outcomes[0].outcome == "already"
        trip = rig.service.trips()[0]
        rig.until_verified(trip)
        assert len(rig.service.trips()) == 1
        assert rig.service.verify_audit() is None


def test_a_disk_that_fills_during_a_kill_does_not_stop_it(tmp_path: Path) -> None:
    """What was found out waits in memory and is written when there is room again."""
    with a_small_disk(tmp_path / "disk") as disk, a_rig(disk) as rig:
        rest_orders(rig)
        rig.venue("sandbox-mm").faults.reads_failed = 1_000_000
        trip = rig.trip(kill_action="halt")
        ballast = fill(disk)
        rig.venue("sandbox-mm").faults.reads_failed = 0

        until(lambda: rig.now(trip.id).status is TripStatus.VERIFIED)
        assert rig.venue("sandbox-mm").open_orders(None, 1.0) == ()

        ballast.unlink()
        until(lambda: bool(rig.records("trip_verified")), 20)


def test_two_processes_on_one_store_do_not_do_a_kill_twice(tmp_path: Path) -> None:
    """Each delivery to both at once: one trip, one set of steps; one of the two keeps the scope empty."""
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
        trip = one.service.trips()[0]
        until(lambda: one.service.trips()[0].status is TripStatus.VERIFIED)
        until(lambda: len(one.service.parts.lines.busy_with()) + len(two.service.parts.lines.busy_with()) == 1)
        assert [one.assembly.worker._leader, two.assembly.worker._leader].count(True) == 1
        assert one.service.trips() == (one.now(trip.id),)
        assert one.service.verify_audit() is None


def test_when_the_leader_ends_another_process_keeps_the_scope_empty(tmp_path: Path) -> None:
    """An order that appears after the first process is gone is cancelled by the second."""
    with a_rig(tmp_path) as two:
        with a_rig(tmp_path) as one:
            one.until_verified(one.trip(kill_action="halt"))

        until(lambda: two.assembly.worker._leader, 20)
        rest_orders(two, 2)
        until(lambda: two.venue("sandbox-mm").open_orders(None, 1.0) == (), 20)


CHILD = """
import os, signal, sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tests.builders import an_alert
from tests.rig import a_rig, until
from webhook.killswitch.port import TripStatus

folder, dies_at = Path(sys.argv[1]), int(sys.argv[2])


class Dying:
    # The real store; the process is killed right after (or, below zero, right before) the commit of the n-th
    # transaction from the kill on that belongs to it.
    def __init__(self, store):
        self.store, self.commits, self.armed = store, 0, False

    def __getattr__(self, name):
        return getattr(self.store, name)

    @contextmanager
    def begin(self):
        import threading
        # The kill's own: the delivery and the recorder's writes.
        counts = self.armed and threading.current_thread().name in ("MainThread", "recorder")
        if counts:
            self.commits += 1
        with self.store.begin() as tx:
            yield tx
            if counts and self.commits == -dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
        if counts and self.commits == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


with a_rig(folder, venues=VENUES) as rig:
    store = Dying(rig.service.parts.store)
    object.__setattr__(rig.service.parts, "store", store)
    store.armed = True
    trip = rig.trip()
    until(lambda: rig.now(trip.id).status is TripStatus.VERIFIED)
    rig.service.parts.recorder.stop()
    print("commits", store.commits)
"""

VENUES = [
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


def run_child(folder: Path, dies_at: int) -> subprocess.CompletedProcess[str]:
    code = CHILD.replace("VENUES", json.dumps(VENUES))
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code, str(folder), str(dies_at)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


@pytest.mark.parametrize("when", ["after", "before"])
def test_killed_at_every_commit_the_next_process_finishes_the_kill(tmp_path: Path, when: str) -> None:
    """kill -9 at each step boundary: nothing is lost once it was answered, nothing is ever called done that is not."""
    whole = tmp_path / "whole"
    whole.mkdir()
    first = run_child(whole, 10_000)
    assert first.returncode == 0, first.stderr
    commits = int(first.stdout.rsplit("commits", 1)[1])
    assert commits >= 3

    for boundary in range(1, commits + 1):
        folder = tmp_path / f"{when}{boundary}"
        folder.mkdir()
        dead = run_child(folder, boundary if when == "after" else -boundary)
        # Findings share transactions as they come, so a run may have fewer boundaries than the first one had.
        assert dead.returncode in (-signal.SIGKILL, 0), dead.stderr
        stored = not (when == "before" and boundary == 1 and dead.returncode)

        # The orders of the paper venue stand again in the next process, as they would at a venue that never heard.
        with a_rig(folder, venues=VENUES) as rig:
            if not stored:
                assert rig.service.trips() == (), "what was not answered is sent again by Alertmanager"
                rig.trip()
            trip = rig.service.trips()[0]
            until(lambda rig=rig: rig.service.trips()[0].status is TripStatus.VERIFIED, 30)
            until(lambda rig=rig: rig.venue("sandbox-mm").open_orders(None, 1.0) == (), 30)
            until(lambda rig=rig: rig.venue("sandbox-mm").positions(None, 1.0) == (), 30)
            until(
                lambda rig=rig, trip=trip: all(
                    step.status is StepStatus.DONE for step in rig.service.trip_detail(trip.id).steps
                ),
                30,
            )
            assert len(rig.service.trips()) == 1
            assert len(rig.records("tripped")) == 1
            assert rig.service.verify_audit() is None
