"""A store that hangs, for real: the kill runs from memory, and afterwards the journal has all of it, once, in order."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.builders import an_alert
from tests.disks import a_disk_that_can_hang, hung
from tests.local_server import LocalServer, Reply, local_server
from tests.postgres import Postgres
from tests.rig import Rig, a_rig, minutes_ago, until
from webhook.access.principal import Principal, Role
from webhook.access.refusal import Refusal
from webhook.actions.port import EngineState, Side
from webhook.errors import StoreOutageError
from webhook.killswitch.scope import Scope
from webhook.killswitch.states import Action, State
from webhook.killswitch.trip import TripStatus

BTC = "BTC/USDT:USDT"
MM = Scope.of({"venue": "sandbox", "account": "mm", "strategy": "mm-btc"})
SHARED = Scope.of({"venue": "sandbox", "account": "shared"})
ALICE, BOB = Principal("alice", Role.RISK), Principal("bob", Role.RISK)
DESTINATIONS = ("desk", "phone")


@dataclass
class Place:
    """Where the store is, and what makes it hang."""

    url: str
    folder: Path
    hanging: Callable[[], AbstractContextManager[None]]


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


@pytest.fixture(params=["locked", "hung disk", "frozen server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        match request.param:
            case "locked":
                file = tmp_path / "andon.db"
                yield Place(f"sqlite:///{file}", tmp_path, lambda: locked(file))
            case "hung disk":
                disk = stack.enter_context(a_disk_that_can_hang(tmp_path / "disk"))
                yield Place(f"sqlite:///{disk}/andon.db", tmp_path, lambda: hung(disk))
            case _:
                server: Postgres = request.getfixturevalue("postgres")
                yield Place(server.new_database(), tmp_path, server.frozen)


@contextmanager
def a_rig_at(place: Place, slack: LocalServer | None = None, **changes: Any) -> Iterator[Rig]:
    changes["store"] = {"url": place.url, "commit_timeout_seconds": 0.2}
    if slack is not None:
        notifiers = []
        for name in DESTINATIONS:
            secret = place.folder / name
            secret.write_text(f"{slack.url}/{name}")
            secret.chmod(0o600)
            notifiers.append(
                {"name": name, "adapter": "slack", "severity": "info", "options": {"webhook_url_file": str(secret)}}
            )
        changes["notifiers"] = notifiers
    with a_rig(place.folder, **changes) as rig:
        worker = rig.assembly.worker
        until(lambda: worker._leases.held == len(worker._reconcilers))
        yield rig


def rest_orders(rig: Rig, account: str = "mm", count: int = 5) -> None:
    for number in range(count):
        rig.venue(f"sandbox-{account}").place(
            BTC, Side.BUY, Decimal("0.1"), Decimal(90), client_order_id=f"{account}-btc_{number}"
        )


def resting(rig: Rig, account: str = "mm") -> int:
    return len(rig.venue(f"sandbox-{account}").resting())


def until_back(rig: Rig) -> None:
    commit = rig.assembly.commit
    until(lambda: not commit.out and not commit.waiting(), 30, lambda: f"out: {commit.out}, {commit.waiting()} wait")


def state(rig: Rig, scope: Scope) -> State:
    return next((one.state for one in rig.queries.switches() if one.scope == scope), State.NORMAL)


def parcels(url: str) -> dict[tuple[str, str], int]:
    """How many notices the store has, by destination and status."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT notifier, status, count(*) FROM parcels GROUP BY notifier, status"))
        found = {(notifier, status): count for notifier, status, count in rows}
    engine.dispose()
    return found


def test_the_kill_runs_and_afterwards_everything_is_in_the_journal_and_was_told_once(place: Place) -> None:
    """An alert, a person and the poll kill while nothing can be written; each is answered that it is not stored."""
    with local_server(lambda _: Reply(body=b"ok")) as slack, a_rig_at(place, slack) as rig:
        for account in ("mm", "shared"):
            rest_orders(rig, account)
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        alert = an_alert(starts_at=datetime.now(UTC))
        with place.hanging():
            with pytest.raises(StoreOutageError, match="decided in memory"):
                rig.deliver(alert)
            until(lambda: resting(rig) == 0 and rig.venue("sandbox-mm").held(BTC) == 0)
            assert rig.engine.states["mm-btc"] is EngineState.BLOCKED
            with pytest.raises(StoreOutageError, match="decided in memory"):
                rig.deliver(alert)

            rig.prometheus.fires(
                an_alert(
                    starts_at=minutes_ago(1),
                    kill_action="halt",
                    account="shared",
                    strategy="",
                    kill_scope="venue,account",
                )
            )
            until(lambda: resting(rig, "shared") == 0)
            with pytest.raises(StoreOutageError, match="decided in memory"):
                rig.service.trip(ALICE, Action.HALT, Scope.of({"venue": "elsewhere"}), "by hand")

            until(
                lambda: all(
                    rig.status(trip) is TripStatus.VERIFIED
                    for trip in rig.assembly.in_flight.standing().trips.values()
                    if trip.scope.get("account")
                )
            )
            # Three trips and two verdicts, told from memory.
            until(lambda: all(heard(slack)[name] >= 5 for name in DESTINATIONS), told=lambda: str(heard(slack)))
            assert rig.assembly.commit.out

        until_back(rig)
        assert rig.deliver(alert).outcomes[0].outcome == "already"
        assert {one.trip.scope for one in rig.queries.trips()} == {MM, SHARED, Scope.of({"venue": "elsewhere"})}
        assert (state(rig, MM), state(rig, SHARED)) == (State.HALTED, State.HALTED)
        records = rig.queries.records(limit=100_000)
        assert rig.queries.verify_audit() is None
        kinds = Counter(record.kind for record in records)
        assert (kinds["tripped"], kinds["store_was_out"], kinds["trip_verified"]) == (3, 1, 2)
        for trip in [one.trip for one in rig.queries.trips()]:
            mine = [record for record in records if record.body.get("trip") == trip.id]
            assert mine[0].kind == "tripped"
            assert [record.at for record in mine] == sorted(record.at for record in mine), "in order"
            stages = [json.dumps(record.body, sort_keys=True) for record in mine if record.kind == "stage"]
            assert len(stages) == len(set(stages)), "once"

        until(lambda: not any(status == "waiting" for _, status in parcels(place.url)))
        stored = parcels(place.url)
        assert {name: count for (name, _), count in stored.items()} == dict(heard(slack))
        assert max(Counter((asked.path, asked.body) for asked in slack.asked).values()) == 1


def heard(slack: LocalServer) -> Counter[str]:
    """How many messages each destination got."""
    return Counter(asked.path.removeprefix("/") for asked in slack.asked)


def test_nobody_resumes_while_it_hangs_and_nothing_of_it_comes_later(place: Place) -> None:
    """A resume is never decided in memory: what was refused stays refused when the store is back."""
    with a_rig_at(place) as rig:
        rig.trip(kill_action="halt")
        rig.all_resolve()
        request = rig.resumes.request(ALICE, MM, "mended")
        assert not isinstance(request, Refusal)
        with place.hanging():
            with pytest.raises(StoreOutageError):
                rig.deliver(an_alert(starts_at=datetime.now(UTC), kill_action="page"))
            with pytest.raises(StoreOutageError):
                rig.resumes.approve(BOB, request.id)
            with pytest.raises(StoreOutageError):
                rig.resumes.request(ALICE, MM, "again")
            assert state(rig, MM) is State.HALTED
        until_back(rig)

        assert state(rig, MM) is State.HALTED
        assert rig.records("resumed") == []
        assert rig.engine.states["mm-btc"] is EngineState.BLOCKED
        rig.all_resolve()
        approved = rig.resumes.approve(BOB, request.id)
        assert not isinstance(approved, Refusal), approved
        until(lambda: rig.engine.states["mm-btc"] is EngineState.RUNNING)


def test_a_service_that_starts_while_it_hangs_kills_and_stores_it_later(place: Place) -> None:
    with a_rig_at(place):
        pass
    with ExitStack() as stack:
        with place.hanging():
            rig = stack.enter_context(a_rig(place.folder, store={"url": place.url, "commit_timeout_seconds": 0.2}))
            rest_orders(rig)
            with pytest.raises(StoreOutageError):
                rig.deliver(an_alert(starts_at=datetime.now(UTC), kill_action="halt"))
            until(lambda: resting(rig) == 0)
        until_back(rig)

        trip = rig.queries.trips()[0].trip
        rig.until_verified(trip)
        assert len(rig.records("tripped")) == 1
        assert rig.queries.verify_audit() is None


def test_memory_allows_no_more_than_the_store_would_have(tmp_path: Path) -> None:
    """The budget is spent by trips that were resumed long ago, and a repeat gets no more than its alert got first."""
    file = tmp_path / "andon.db"
    place = Place(f"sqlite:///{file}", tmp_path, lambda: locked(file))
    policy = {
        "budget": {"trips": 1, "window_minutes": 10},
        "rules": [{"alerts": ["*"], "actions": ["halt", "flatten"], "scopes": ["venue,account"]}],
    }
    with a_rig_at(place, policy=policy) as rig:
        for account in ("mm", "shared"):
            rig.venue(f"sandbox-{account}").hold(BTC, Decimal(1))
        mm, shared = (
            an_alert(starts_at=datetime.now(UTC), account=account, strategy="", kill_scope="venue,account")
            for account in ("mm", "shared")
        )
        rig.deliver(mm)
        rig.all_resolve()
        scope = Scope.of({"venue": "sandbox", "account": "mm"})
        request = rig.resumes.request(ALICE, scope, "mended")
        assert not isinstance(request, Refusal), request
        assert not isinstance(rig.resumes.approve(BOB, request.id), Refusal)
        rig.venue("sandbox-mm").hold(BTC, Decimal(1))
        rig.assembly.worker.refresh()

        with place.hanging():
            for _ in range(2):
                with pytest.raises(StoreOutageError):
                    rig.deliver(shared)
            trip = next(iter(rig.assembly.in_flight.standing().trips.values()))
            assert (trip.requested, trip.action) == (Action.FLATTEN, Action.HALT)
        until_back(rig)

        rig.until_verified(trip)
        assert rig.venue("sandbox-shared").held(BTC) == 1
        assert rig.records("tripped")[-1]["action"] == "halt"
