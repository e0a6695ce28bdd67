"""What a process knows ahead of the store, and whose word counts when they differ."""

from dataclasses import replace

from tests.builders import A_STRATEGY, NOW, a_switch, a_trip, an_episode
from tests.fakes import FrozenClock
from webhook.killswitch.desired import AccountTarget, Targets
from webhook.killswitch.states import Action, State
from webhook.killswitch.switch import Switch
from webhook.service.in_flight import InFlight
from webhook.storage import MemoryStore

TRIP = a_trip("trip-0", action=Action.HALT)
HALTED = a_switch(version=3)
RESUMED = Switch(A_STRATEGY, State.NORMAL, since=NOW, version=2)


def in_flight() -> InFlight:
    targets = Targets((), (AccountTarget("sandbox-mm", "sandbox", "mm"),), frozenset({("mm-btc", "sandbox", "mm")}))
    return InFlight(targets, FrozenClock())


def state(one: InFlight) -> State:
    return one.switches()[0].state


def test_a_decision_in_memory_outlives_a_read_of_the_store_that_began_before_it() -> None:
    """The read was slow, or hung with the disk: what it brings is older than the kill, and must not end it."""
    known = in_flight()
    before = known.unstored_decisions
    known.decided([HALTED], [TRIP], 0.0, durable=False)

    known.refresh([RESUMED], [], [], settled=before)

    assert state(known) is State.HALTED


def test_the_word_of_the_store_counts_when_it_has_everything() -> None:
    """It may have come out otherwise there: another process had decided, too."""
    known = in_flight()
    known.decided([HALTED], [TRIP], 0.0, durable=False)

    known.refresh([RESUMED], [], [], settled=None)
    assert state(known) is State.HALTED, "not everything is stored yet"

    known.refresh([RESUMED], [], [], settled=known.unstored_decisions)
    assert state(known) is State.NORMAL


def test_an_older_version_never_replaces_a_newer_one() -> None:
    known = in_flight()
    known.decided([HALTED], [TRIP], 0.0, durable=True)
    known.refresh([RESUMED], [], [], settled=known.unstored_decisions)

    assert state(known) is State.HALTED


def test_memory_goes_on_from_switches_trips_and_alerts_that_are_known() -> None:
    known, memory = in_flight(), MemoryStore()
    known.decided([HALTED], [TRIP], 0.0, durable=True)
    closed = a_trip("closed", closed_at=NOW)
    episode = an_episode(granted=Action.HALT)
    known.remember([closed, replace(TRIP, reason="as it is stored")], [episode])

    with memory.begin() as tx:
        known.seed(tx)

    with memory.view() as tx:
        assert tx.switches() == (HALTED,)
        assert {trip.id: trip.closed_at for trip in tx.trips()} == {"closed": NOW, "trip-0": None}
        assert tx.count_trips(NOW) == 2
        assert tx.episode(episode.fingerprint, episode.starts_at) == episode
