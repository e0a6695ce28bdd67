"""What is stopped now and how far each trip is: the newest truth in this process, which the store follows.

Switches come from decisions made here and from the store (other processes decide, too); the higher version wins.
Progress rows come from the reconcilers here and, for targets that another process looks after, from the store; the
newer row wins.  Everything that is shown of a trip is derived from these.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from webhook.clock import Clock
from webhook.durability.port import Transaction
from webhook.intake.episode import Episode
from webhook.killswitch.desired import Standing, Targets
from webhook.killswitch.scope import Scope
from webhook.killswitch.stage import STOPS, Stage
from webhook.killswitch.states import State
from webhook.killswitch.switch import Switch
from webhook.killswitch.trip import Progress, Trip, Verdict, milestones, verdict


@dataclass(frozen=True, slots=True)
class Change:
    """What one new row changed about its trip; ``reached`` are the milestones that the trip reached with it."""

    trip: Trip
    before: Progress | None
    row: Progress
    verdict_before: Verdict
    verdict: Verdict
    reached: Mapping[str, float]


class InFlight:
    """Thread-safe; never blocks for long, and calls nobody."""

    def __init__(self, targets: Targets, clock: Clock) -> None:
        self.targets = targets
        self._clock = clock
        self._lock = threading.Lock()
        self._switches: dict[Scope, Switch] = {}
        self._trips: dict[str, Trip] = {}
        self._received: dict[str, float] = {}
        self._stored: dict[str, float] = {}
        self._rows: dict[str, dict[str, Progress]] = {}
        self._unstored: set[Scope] = set()
        self._unstored_decisions = 0
        self._recent: tuple[tuple[Trip, ...], tuple[Episode, ...]] = ((), ())
        self._standing = Standing()

    # -- switches ---------------------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """The switches out of NORMAL, with their trips; the same object until something changes."""
        return self._standing

    def switches(self) -> tuple[Switch, ...]:
        """Every switch that this process knows of."""
        with self._lock:
            return tuple(self._switches.values())

    def decided(self, switches: Iterable[Switch], trips: Iterable[Trip], received: float, *, durable: bool) -> bool:
        """Take what was decided here; *received* is the monotonic time of the request. True when it changed anything.

        *durable*: it is on disk, as of now.
        """
        now = self._clock.monotonic()
        with self._lock:
            for trip in trips:
                self._trips.setdefault(trip.id, trip)
                self._received.setdefault(trip.id, received)
                if durable:
                    self._stored.setdefault(trip.id, now - received)
            given = tuple(switches)
            scopes = {switch.scope for switch in given}
            self._unstored = self._unstored - scopes if durable else self._unstored | scopes
            self._unstored_decisions += not durable
            return self._take_switches(given)

    @property
    def unstored_decisions(self) -> int:
        """How many decisions were ever taken in memory."""
        return self._unstored_decisions

    def refresh(
        self,
        switches: Iterable[Switch],
        trips: Iterable[Trip],
        rows: Iterable[Progress],
        *,
        settled: int | None = None,
    ) -> bool:
        """Take what the store has; True when it changed the switches.

        *settled* is how many of the decisions in memory were in the store when it was read, if all were: then its word
        counts, unless another one was taken meanwhile.
        """
        now, wall = self._clock.monotonic(), self._clock.now()
        with self._lock:
            for trip in trips:
                self._trips[trip.id] = trip
                self._received.setdefault(trip.id, now - max((wall - trip.received_at).total_seconds(), 0.0))
            for row in rows:
                mine = self._rows.setdefault(row.trip_id, {})
                if row.newer_than(mine.get(row.target)):
                    mine[row.target] = row
            given = tuple(switches)
            if settled == self._unstored_decisions and self._unstored:
                self._switches.update({one.scope: one for one in given if one.scope in self._unstored})
                self._unstored.clear()
            return self._take_switches(given)

    def remember(self, trips: Iterable[Trip], episodes: Iterable[Episode]) -> None:
        """Keep what decisions go by: the newest trips, for the budget, and the alerts that fire, with what they got."""
        self._recent = tuple(trips), tuple(episodes)

    def seed(self, tx: Transaction) -> None:
        """Write what is known into the memory store, so that decisions there go on from it."""
        with self._lock:
            switches, trips = tuple(self._switches.values()), tuple(self._trips.values())
        recent, episodes = self._recent
        for switch in switches:
            tx.put_switch(switch)
        for trip in (*recent, *trips):
            tx.put_trip(trip)
        for episode in episodes:
            tx.put_episode(episode)

    def _take_switches(self, switches: Iterable[Switch]) -> bool:
        for switch in switches:
            there = self._switches.get(switch.scope)
            if there is None or switch.version > there.version:
                self._switches[switch.scope] = switch
        return self._rebuild()

    def _rebuild(self) -> bool:
        """Make a new standing when it differs from the one there is. Lock held."""
        out = tuple(
            sorted(
                (one for one in self._switches.values() if one.state is not State.NORMAL),
                key=lambda one: (len(one.scope.constraints), str(one.scope)),
            )
        )
        held = {one.trip_id for one in out if one.trip_id}
        trips = {trip_id: self._trips[trip_id] for trip_id in held if trip_id in self._trips}
        if out == self._standing.switches and trips == self._standing.trips:
            return False
        self._trips = dict(trips)
        for known in (self._received, self._stored, self._rows):
            for trip_id in [trip_id for trip_id in known if trip_id not in trips]:
                del known[trip_id]
        self._standing = Standing(out, trips, dict(self._received))
        return True

    # -- progress ---------------------------------------------------------------------------------------------------

    def take(self, row: Progress) -> Change | None:
        """Take a row of a reconciler; None when its trip is over or a newer row is there."""
        with self._lock:
            trip = self._trips.get(row.trip_id)
            rows = self._rows.setdefault(row.trip_id, {}) if trip is not None else {}
            before = rows.get(row.target)
            if trip is None or not row.newer_than(before):
                return None
            if row.trip_id in self._stored:
                row = row.reached("stored", self._stored[row.trip_id])
            was, old = self._verdict(trip, rows), self._milestones(trip, rows)
            rows[row.target] = row
            now, new = self._verdict(trip, rows), self._milestones(trip, rows)
        reached = {name: seconds for name, seconds in new.items() if name not in old}
        return Change(trip, before, row, was, now, reached)

    def row(self, trip_id: str, target: str) -> Progress | None:
        """The newest row of a trip at a target."""
        with self._lock:
            return self._rows.get(trip_id, {}).get(target)

    def rows(self, trip_id: str) -> dict[str, Progress]:
        """The newest rows of a trip, by target."""
        with self._lock:
            return dict(self._rows.get(trip_id, {}))

    def engines_stopped(self, trip_id: str) -> bool:
        """Whether every engine that a trip reaches is stopped, had its time, or is not ours to tell."""
        with self._lock:
            trip = self._trips.get(trip_id)
            if trip is None:
                return False
            rows = self._rows.get(trip_id, {})
            return all(
                engine.shadow or (engine.name in rows and rows[engine.name].stage in STOPS)
                for engine in self.targets.engines_of(trip.scope)
            )

    def verdict(self, trip: Trip, rows: Mapping[str, Progress]) -> Verdict:
        """The status of a trip with these rows, by what is configured now."""
        return self._verdict(trip, rows)

    def milestones(self, trip: Trip, rows: Mapping[str, Progress]) -> dict[str, float]:
        """Seconds to each milestone of a trip with these rows."""
        return self._milestones(trip, rows)

    def all_shadow(self, scope: Scope) -> bool:
        """Whether nothing that *scope* reaches is ever sent anything: there is no halt that two people must end."""
        accounts, engines = self.targets.accounts_of(scope), self.targets.engines_of(scope)
        return bool(accounts) and all(one.shadow for one in accounts) and all(one.shadow for one in engines)

    def _verdict(self, trip: Trip, rows: Mapping[str, Progress]) -> Verdict:
        engines = [one.name for one in self.targets.engines_of(trip.scope)]
        accounts = self.targets.accounts_of(trip.scope)
        shown = dict(rows)
        for account in accounts:
            row = shown.get(account.name)
            # What was proved before an account was put into shadow mode, or seen before it was armed, is not so now.
            if row is not None and account.shadow is not (row.stage is Stage.SHADOW):
                del shown[account.name]
        return verdict(trip, engines, [one.name for one in accounts], shown)

    def _milestones(self, trip: Trip, rows: Mapping[str, Progress]) -> dict[str, float]:
        engines = [one.name for one in self.targets.engines_of(trip.scope)]
        return milestones(trip, engines, [one.name for one in self.targets.accounts_of(trip.scope)], rows)
