"""The outbox: nothing is lost, nothing overtakes, one slow destination holds up nobody."""

import threading
from datetime import timedelta

from tests.builders import NOW
from tests.fakes import FrozenClock
from tests.rig import until
from webhook.durability.port import Transaction
from webhook.errors import PermanentError, TemporaryError
from webhook.notify.port import Notice, NoticeKind
from webhook.service.outbox import Deliveries, Outbox, enqueue, packed, unpacked
from webhook.storage import MemoryStore


class Listening:
    """A destination that remembers, and fails as it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[str] = []
        self.faults: list[Exception] = []
        self.hold: threading.Event | None = None

    def accepts(self, notice: Notice) -> bool:
        return notice.severity != "info"

    def send(self, notice: Notice, timeout: float) -> None:
        if self.hold is not None:
            self.hold.wait(timeout)
        if self.faults:
            raise self.faults.pop(0)
        self.heard.append(notice.headline)

    def ping(self, timeout: float) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to close."""


def a_notice(headline: str, *, severity: str = "critical", key: str = "andon/global") -> Notice:
    return Notice(key, NoticeKind.TRIP, severity, headline, NOW.isoformat(), {"why": "a test"})


class Desk:
    def __init__(self, *names: str) -> None:
        self.store, self.memory, self.clock = MemoryStore(), MemoryStore(), FrozenClock()
        self.to = {name: Listening(name) for name in names}
        self.failures: list[tuple[str, str]] = []
        deliveries = Deliveries()
        self.outbox, self.stand_in = (
            Outbox(
                one.view,
                one.write,
                self.to,
                self.clock,
                "me",
                lambda _: None,
                lambda name, reason: self.failures.append((name, reason)),
                deliveries,
            )
            for one in (self.store, self.memory)
        )

    def tell(self, notice: Notice) -> None:
        with self.store.begin() as tx:
            enqueue(tx, notice, self.to)

    def waiting(self) -> dict[str, int]:
        with self.store.view() as tx:
            return {name: count for name, count in tx.waiting_parcels().items() if count}

    def until_heard(self, name: str, *headlines: str) -> None:
        def heard() -> bool:
            # A thread may have put off the next try only after the test let time pass.
            self.clock.advance(0.1)
            self.outbox.deliver_due()
            return self.to[name].heard == list(headlines)

        until(heard, 5, lambda: str(self.to[name].heard))


def test_a_notice_comes_back_from_its_stored_form_as_it_was() -> None:
    notice = a_notice("HALT global")

    assert unpacked(packed(notice)) == notice
    assert packed(notice)["id"] == packed(a_notice("HALT global"))["id"] != packed(a_notice("HALT"))["id"]


def test_only_those_who_want_it_get_it() -> None:
    desk = Desk("pager")
    desk.tell(a_notice("verified", severity="info"))
    desk.tell(a_notice("HALT"))

    desk.until_heard("pager", "HALT")


def test_an_outage_is_tried_again_and_the_other_side_says_when() -> None:
    desk = Desk("pager")
    desk.to["pager"].faults = [TemporaryError("busy", reason="rate_limited", retry_after=30)]
    desk.tell(a_notice("HALT"))
    desk.outbox.deliver_due()
    until(lambda: desk.failures == [("pager", "rate_limited")])
    desk.outbox.deliver_due()
    desk.outbox.deliver_due()
    assert desk.to["pager"].heard == []

    desk.clock.advance(31)

    desk.until_heard("pager", "HALT")
    until(lambda: desk.outbox.deliver_due() == 0 and desk.waiting() == {})


def test_a_refusal_is_given_up_and_counted() -> None:
    desk = Desk("pager")
    desk.to["pager"].faults = [PermanentError("no such key", reason="refused")]
    desk.tell(a_notice("HALT"))
    desk.outbox.deliver_due()

    until(lambda: desk.outbox.deliver_due() == 0 and desk.waiting() == {})
    assert desk.failures == [("pager", "refused")]


def test_a_fault_of_a_notifier_loses_nothing() -> None:
    desk = Desk("pager")
    desk.to["pager"].faults = [ZeroDivisionError()]
    desk.tell(a_notice("HALT"))
    desk.outbox.deliver_due()
    until(lambda: desk.failures == [("pager", "fault")])

    desk.outbox.deliver_due()
    desk.clock.advance(60)

    desk.until_heard("pager", "HALT")


def test_a_resolve_never_overtakes_its_trigger() -> None:
    desk = Desk("pager")
    desk.to["pager"].faults = [TemporaryError("down")]
    desk.tell(a_notice("HALT"))
    desk.tell(a_notice("RESUMED"))
    desk.outbox.deliver_due()
    until(lambda: bool(desk.failures))
    desk.outbox.deliver_due()
    assert desk.to["pager"].heard == []

    desk.clock.advance(60)

    desk.until_heard("pager", "HALT", "RESUMED")


def test_one_slow_destination_holds_up_nobody() -> None:
    desk = Desk("slow", "quick")
    desk.to["slow"].hold = threading.Event()
    for number in range(5):
        desk.tell(a_notice(str(number), key=f"andon/{number}"))

    desk.until_heard("quick", "0", "1", "2", "3", "4")

    desk.to["slow"].hold.set()
    desk.outbox.stop()


def test_what_another_process_took_and_never_settled_is_sent_when_its_lease_is_over() -> None:
    desk = Desk("pager")
    desk.tell(a_notice("HALT"))

    def steal(tx: Transaction) -> None:
        tx.claim_parcels("dead", desk.clock.now(), desk.clock.now() + timedelta(seconds=30), 10)

    with desk.store.begin() as tx:
        steal(tx)
    assert desk.outbox.deliver_due() == 0

    desk.clock.advance(31)

    desk.until_heard("pager", "HALT")


class TestWhatLayInMemoryWhileTheStoreWasOut:
    """The same notice is in the store when that is back, and in the memory as well."""

    def a_desk(self) -> Desk:
        desk = Desk("pager")
        with desk.memory.begin() as tx:
            enqueue(tx, a_notice("HALT"), desk.to)
        desk.tell(a_notice("HALT"))
        return desk

    def test_is_sent_once_when_it_was_sent_from_memory(self) -> None:
        desk = self.a_desk()
        desk.stand_in.deliver_due()
        until(lambda: desk.to["pager"].heard == ["HALT"])

        until(lambda: desk.outbox.deliver_due() == 0 and desk.waiting() == {})
        assert desk.to["pager"].heard == ["HALT"]

    def test_is_sent_by_the_store_when_memory_failed_and_was_cleared(self) -> None:
        desk = self.a_desk()
        desk.to["pager"].faults = [TemporaryError("down")]
        desk.stand_in.deliver_due()
        until(lambda: bool(desk.failures))
        desk.memory.clear()

        desk.until_heard("pager", "HALT")

    def test_is_not_called_sent_while_memory_is_still_trying(self) -> None:
        desk = self.a_desk()
        pager = desk.to["pager"]
        pager.hold, pager.faults = threading.Event(), [TemporaryError("down")]
        desk.stand_in.deliver_due()
        desk.outbox.deliver_due()
        until(lambda: not desk.outbox._settled.empty())
        desk.outbox.deliver_due()
        assert desk.waiting() == {"pager": 1}

        pager.hold.set()
        until(lambda: bool(desk.failures))
        desk.memory.clear()
        desk.clock.advance(60)

        desk.until_heard("pager", "HALT")
        desk.stand_in.deliver_due()
        assert pager.heard == ["HALT"]

    def test_that_is_settled_after_the_memory_was_cleared_replaces_no_other(self) -> None:
        desk = self.a_desk()
        pager = desk.to["pager"]
        pager.hold = threading.Event()
        desk.stand_in.deliver_due()
        desk.memory.clear()
        with desk.memory.begin() as tx:
            enqueue(tx, a_notice("HALT again"), desk.to)
        pager.hold.set()

        def both_heard() -> bool:
            desk.stand_in.deliver_due()
            return sorted(pager.heard) == ["HALT", "HALT again"]

        until(both_heard, 5, lambda: str(pager.heard))
