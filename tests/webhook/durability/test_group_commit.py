"""One writer for everybody, on stores that really hang: nobody waits, nothing is lost, nothing happens twice."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.builders import A_STRATEGY, NOW, a_row, a_switch
from tests.disks import a_disk_that_can_hang, a_small_disk, fill, hung
from tests.postgres import Postgres, Wire
from tests.rig import until
from webhook.audit.chain import verify
from webhook.durability.group_commit import AT_ONCE, GroupCommit, Written
from webhook.durability.port import Store, Transaction
from webhook.errors import StoreOutageError
from webhook.killswitch.states import State
from webhook.storage import MemoryStore, open_store

BUSY_SECONDS = 1.0


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """As a process that was stopped in the middle of a transaction holds the lock of all writers."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def held(passes: threading.Event) -> Iterator[None]:
    passes.clear()
    try:
        yield
    finally:
        passes.set()


@dataclass
class Trouble:
    """A store, and what makes it hang."""

    url: str
    hanging: Callable[[], AbstractContextManager[None]]
    dropped: list[int] = field(default_factory=list)

    @contextmanager
    def commit(self, **options: Any) -> Iterator[GroupCommit]:
        store = open_store(self.url, busy_seconds=BUSY_SECONDS)
        one = GroupCommit(store, MemoryStore(), on_dropped=lambda: self.dropped.append(1), **options)
        one.start()
        try:
            yield one
        finally:
            one.stop()
            store.close()


@pytest.fixture(params=["locked", "hung disk", "frozen server", "commit on its way", "answer on its way"])
def trouble(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trouble]:
    with ExitStack() as stack:
        match request.param:
            case "locked":
                file = tmp_path / "andon.db"
                yield Trouble(f"sqlite:///{file}", lambda: locked(file))
            case "hung disk":
                disk = stack.enter_context(a_disk_that_can_hang(tmp_path / "disk"))
                yield Trouble(f"sqlite:///{disk}/andon.db", lambda: hung(disk))
            case "frozen server":
                server: Postgres = request.getfixturevalue("postgres")
                yield Trouble(server.new_database(), server.frozen)
            case way:
                wire = request.getfixturevalue("wire")
                passes = wire.commit_passes if way == "commit on its way" else wire.answer_passes
                yield Trouble(wire.url, lambda: held(passes))


@pytest.fixture
def wire(postgres: Postgres) -> Iterator[Wire]:
    one = Wire(postgres.new_database())
    yield one
    one.close()


@pytest.fixture
def commit(tmp_path: Path) -> Iterator[GroupCommit]:
    """On a store that is well, with patience for a machine that is not."""
    with Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db")).commit(patience=10) as one:
        yield one


def counted(number: int) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        tx.append("counted", "me", {"number": number}, NOW)
        return number

    return work


def until_back(commit: GroupCommit) -> None:
    until(lambda: not commit.out and not commit.waiting(), 30, lambda: f"out: {commit.out}, {commit.waiting()} wait")


def numbers(store: Store) -> list[int]:
    with store.view() as tx:
        records = tx.records(limit=100_000)
    assert verify(records) is None
    return [record.body["number"] for record in records if record.kind == "counted"]


def outages(store: Store) -> list[dict[str, Any]]:
    with store.view() as tx:
        return [record.body for record in tx.records(limit=100_000) if record.kind == "store_was_out"]


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001 - the test looks at whatever it was
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


class TestAStoreThatHangs:
    def test_keeps_nobody_waiting_and_has_everything_afterwards_once_and_in_order(self, trouble: Trouble):
        with trouble.commit() as commit:
            assert commit.write(counted(0)) == Written(0, durable=True)
            with trouble.hanging():
                assert commit.write(counted(1)) == Written(1, durable=False)
                commit.submit(counted(2))
                assert commit.write(counted(3)) == Written(3, durable=False)
                commit.submit(counted(4))
                assert commit.out
            until_back(commit)

            assert commit.write(counted(5)) == Written(5, durable=True)
            assert numbers(commit.store) == [0, 1, 2, 3, 4, 5]
            (outage,) = outages(commit.store)
            assert outage["since"] < outage["until"]
            with commit.memory.begin() as tx:
                assert tx.records() == (), "the memory is cleared"

    def test_has_what_hung_once_though_its_commit_was_given_up(self, trouble: Trouble):
        """So long that the client gives up, and tries again: whether the first try stands is asked before."""
        with trouble.commit() as commit:
            commit.write(counted(0))
            gave_up = threading.Event()
            begin = commit.store.begin

            @contextmanager
            def watched() -> Iterator[Transaction]:
                try:
                    with begin() as tx:
                        yield tx
                except StoreOutageError:
                    gave_up.set()
                    raise

            commit.store.begin = watched
            with trouble.hanging():
                assert commit.write(counted(1)) == Written(1, durable=False)
                # A thread that hangs in the kernel cannot give up.
                gave_up.wait(2.5 * BUSY_SECONDS)
            until_back(commit)

            assert numbers(commit.store) == [0, 1]

    def test_decides_nothing_that_must_be_durable(self, trouble: Trouble):
        with trouble.commit() as commit:
            commit.write(counted(0))
            with trouble.hanging():
                commit.write(counted(1))
                with pytest.raises(StoreOutageError, match="nothing was changed") as caught:
                    commit.write_durably(counted(100))
                assert caught.value.reason == "out"
            until_back(commit)

            assert numbers(commit.store) == [0, 1]

    def test_either_refuses_what_must_be_durable_for_good_or_says_that_nobody_knows(self, trouble: Trouble):
        """It is the first to find out; what is refused is never applied later, in silence."""
        with trouble.commit() as commit:
            commit.write(counted(0))
            with trouble.hanging(), pytest.raises(StoreOutageError) as caught:
                commit.write_durably(counted(100), timeout=1.0)
            until_back(commit)
            commit.write(counted(1))

            if caught.value.reason == "unknown":
                assert "look before you repeat it" in str(caught.value)
                assert numbers(commit.store) in ([0, 100, 1], [0, 1])
            else:
                assert "nothing was changed" in str(caught.value)
                assert numbers(commit.store) == [0, 1]

    def test_never_lets_what_was_found_out_meanwhile_replace_what_is_newer(self, trouble: Trouble):
        with trouble.commit() as commit:
            commit.write(lambda tx: tx.put_progress((a_row("one", epoch=2, revision=5),)))
            with trouble.hanging():
                commit.write(lambda tx: tx.put_progress((a_row("one", epoch=1, revision=9, orders=1),)))
                commit.submit(lambda tx: tx.put_progress((a_row("one", epoch=2, revision=4, orders=2),)))
                commit.write(lambda tx: tx.put_progress((a_row("two", epoch=1, revision=1),)))
            until_back(commit)

            with commit.store.view() as tx:
                assert tx.progress(("one",)) == (a_row("one", epoch=2, revision=5),)
                assert tx.progress(("two",)) == (a_row("two"),)


class TestWorkInMemory:
    def test_goes_on_from_what_was_known(self, tmp_path: Path):
        trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
        with trouble.commit(seed=lambda tx: tx.put_switch(a_switch(version=7))) as commit, trouble.hanging():
            assert commit.write(lambda tx: tx.switch(A_STRATEGY)).value == a_switch(version=7)
            commit.write(lambda tx: tx.put_switch(a_switch(State.DEGRADED, version=8)))
            assert commit.write(lambda tx: tx.switch(A_STRATEGY).version).value == 8

    def test_goes_on_though_what_was_known_cannot_be_told(self, tmp_path: Path):
        trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))

        def seed(_: Transaction) -> None:
            raise ZeroDivisionError

        with trouble.commit(seed=seed) as commit, trouble.hanging():
            assert commit.write(counted(1)) == Written(1, durable=False)

    def test_raises_what_the_work_raises(self, tmp_path: Path):
        trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
        with trouble.commit() as commit:
            with trouble.hanging():
                with pytest.raises(ZeroDivisionError):
                    commit.write(lambda _: 1 // 0)
                assert commit.write(counted(1)) == Written(1, durable=False)
            until_back(commit)
            assert numbers(commit.store) == [1]

    def test_ends_although_work_keeps_coming_in(self, tmp_path: Path):
        """What comes in while the store catches up waits for it, or the outage would go on for as long as a storm."""
        trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
        with trouble.commit(patience=1.0) as commit:
            stop = threading.Event()
            handed_in = iter(range(1_000_000))
            lock = threading.Lock()

            def keep_writing() -> int:
                count = 0
                # As fast as requests come in, not as fast as memory can take them.
                while not stop.wait(0.005):
                    with lock:
                        number = next(handed_in)
                    commit.write(counted(number))
                    count += 1
                return count

            threads = []
            with trouble.hanging():
                threads = [in_thread(keep_writing) for _ in range(4)]
                until(lambda: commit.out and commit.waiting() > AT_ONCE)
            until(lambda: not commit.out, 60, lambda: f"{commit.waiting()} wait")
            stop.set()
            for thread, _ in threads:
                thread.join(30)
            until_back(commit)

            assert sorted(numbers(commit.store)) == list(range(sum(found[0] for _, found in threads)))
            assert len(outages(commit.store)) == 1

    def test_is_journalled_as_one_outage_however_much_waited(self, tmp_path: Path):
        trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
        with trouble.commit() as commit:
            with trouble.hanging():
                commit.write(counted(0))
                for number in range(1, 3 * AT_ONCE):
                    commit.submit(counted(number))
            until_back(commit)

            assert numbers(commit.store) == list(range(3 * AT_ONCE))
            assert len(outages(commit.store)) == 1

    def test_stands_in_for_a_full_disk_at_once(self, tmp_path: Path):
        with (
            a_small_disk(tmp_path / "disk") as disk,
            Trouble(f"sqlite:///{disk}/andon.db", lambda: None).commit() as commit,
        ):
            commit.write(counted(0))
            ballast = fill(disk)
            for number in range(1, 60):
                # There may be room for a few in what the database file holds already.
                big = commit.write(
                    lambda tx, number=number: tx.append("counted", "me", {"number": number, "x": "x" * 4000}, NOW)
                )
            assert not big.durable
            ballast.unlink()
            until_back(commit)

            assert numbers(commit.store) == list(range(60))


class TestACommitThatIsNeverAnswered:
    @pytest.mark.parametrize("cut", ["before", "after"])
    def test_is_applied_once(self, wire: Wire, cut: str):
        """The connection is lost round a COMMIT: it stands or it does not, and nobody here has heard which."""
        with Trouble(wire.url, lambda: held(wire.commit_passes)).commit() as commit:
            commit.write(counted(0))
            wire.cut = cut
            assert commit.write(counted(1)) == Written(1, durable=False)
            commit.submit(counted(2))
            wire.cut = ""
            until_back(commit)

            assert numbers(commit.store) == [0, 1, 2]

    @pytest.mark.parametrize(("cut", "stands"), [("before", False), ("after", True)])
    def test_tells_a_caller_who_needs_it_durable_what_became_of_it(self, wire: Wire, cut: str, stands: bool):
        with Trouble(wire.url, lambda: held(wire.commit_passes)).commit(patience=30) as commit:
            commit.write(counted(0))
            wire.cut = cut
            thread, found = in_thread(lambda: commit.write_durably(counted(100), timeout=30))
            until(lambda: commit.out)
            wire.cut = ""
            thread.join(30)
            until_back(commit)

            if stands:
                assert found == [100]
                assert numbers(commit.store) == [0, 100]
            else:
                assert "nothing was changed" in str(found[0])
                assert numbers(commit.store) == [0]

    def test_may_come_to_stand_after_its_caller_heard_that_nobody_knows(self, wire: Wire):
        with Trouble(wire.url, lambda: held(wire.answer_passes)).commit() as commit:
            commit.write(counted(0))
            with held(wire.answer_passes), pytest.raises(StoreOutageError) as caught:
                commit.write_durably(counted(100), timeout=0.3)
            until_back(commit)

            assert caught.value.reason == "unknown"
            assert numbers(commit.store) == [0, 100]

    def test_that_nobody_waits_for_any_more_is_not_sent(self, commit: GroupCommit):
        """Who gave up before the commit was sent was told the truth: nothing of it is applied; and others go on."""
        inside, go_on = threading.Event(), threading.Event()

        def slow(tx: Transaction) -> int:
            inside.set()
            go_on.wait(30)
            return counted(100)(tx)

        with pytest.raises(StoreOutageError, match="nothing was changed") as caught:
            commit.write_durably(slow, timeout=0.2)
        assert inside.is_set()
        commit.submit(counted(1))
        go_on.set()
        until_back(commit)

        assert caught.value.reason == "busy"
        assert numbers(commit.store) == [1]


class TestAPieceOfWorkAtFault:
    def together(self, commit: GroupCommit, *works: Callable[[Transaction], Any]) -> list[object]:
        """Have all of them written in one transaction; what each returned or raised."""
        inside, go_on = threading.Event(), threading.Event()

        def first(_: Transaction) -> None:
            inside.set()
            go_on.wait(30)

        commit.submit(first)
        inside.wait(30)
        running = []
        for number, work in enumerate(works, 1):
            running.append(in_thread(lambda work=work: commit.write(work)))
            until(lambda number=number: commit.waiting() == 1 + number)
        go_on.set()
        for thread, _ in running:
            thread.join(30)
        return [found[0] for _, found in running]

    def test_does_not_take_the_others_along(self, commit: GroupCommit):
        def faulty(tx: Transaction) -> None:
            tx.append("counted", "me", {"number": 13}, NOW)
            raise ZeroDivisionError

        told = self.together(commit, counted(1), faulty, counted(2), faulty, counted(3))

        assert [one for one in told if isinstance(one, Written)] == [Written(n, durable=True) for n in (1, 2, 3)]
        assert [type(one) for one in told if not isinstance(one, Written)] == [ZeroDivisionError] * 2
        assert numbers(commit.store) == [1, 2, 3]
        assert not commit.out

    def test_that_nobody_waits_for_is_counted(self, tmp_path: Path):
        trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
        with trouble.commit(patience=10) as commit:
            commit.submit(lambda _: 1 // 0)
            assert commit.write(counted(1)).durable
            until(lambda: not commit.waiting())

            assert trouble.dropped == [1]

    def test_because_no_store_can_hold_it_is_done_in_memory_and_bars_nobody(self, tmp_path: Path):
        """Trying for ever would take the store away from everybody else."""
        trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))

        def unstorable(tx: Transaction) -> str:
            tx.put_switch(a_switch(since=NOW.replace(tzinfo=None)))
            return "decided"

        with trouble.commit(patience=10) as commit:
            told = self.together(commit, counted(1), unstorable, counted(2))
            until_back(commit)

            assert told[1] == Written("decided", durable=False)
            assert trouble.dropped == [1]
            assert commit.write(counted(3)).durable
            assert numbers(commit.store) == [1, 2, 3]


def test_a_storm_is_no_outage(tmp_path: Path):
    """What counts is that the store gets on, not how much there is to write."""
    trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
    patience = 0.5

    def much(tx: Transaction) -> int:
        began = time.monotonic()
        while time.monotonic() - began < 1.5 * patience:
            tx.switches()
        return counted(1)(tx)

    with trouble.commit(patience=patience) as commit:
        assert commit.write(much) == Written(1, durable=True)


def test_whoever_waits_is_answered_when_the_service_ends_without_its_store(tmp_path: Path):
    trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
    with trouble.commit(patience=60) as commit, trouble.hanging():
        thread, found = in_thread(lambda: commit.write(counted(1)))
        until(lambda: commit.waiting() == 1)
        commit.stop(timeout=0.1)
        thread.join(30)

        assert isinstance(found[0], (StoreOutageError, Written))
        with pytest.raises(StoreOutageError, match="ends"):
            commit.write(counted(2))


def test_when_too_much_waits_progress_is_dropped_and_counted_and_decisions_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("webhook.durability.group_commit.MOST_WAITING", 10)
    trouble = Trouble(f"sqlite:///{tmp_path}/andon.db", lambda: locked(tmp_path / "andon.db"))
    with trouble.commit() as commit:
        with trouble.hanging():
            for number in range(15):
                commit.submit(counted(number))
            assert commit.write(counted(100)) == Written(100, durable=False)
        until_back(commit)

        assert len(trouble.dropped) == 5
        assert numbers(commit.store) == [*range(10), 100]
