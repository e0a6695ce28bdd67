"""The sandbox from outside: its venue, its engine, the exporters, Prometheus; and the proof that it is the sandbox."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from webhook.cli.client import AnswerError, Client, UnreachableError
from webhook.drill.faults import Break, Sign
from webhook.errors import PermanentError
from webhook.killswitch.scope import Scope

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{([^}]*)\})? (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Names under which Compose and a local stack know the sandbox venue.
_SANDBOX_HOSTS = {"venue", "localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is; each is spoken to with its own token and no other."""

    service: Client
    venue: Client
    engine: Client
    prometheus: Client
    exporters: Mapping[str, Client]


@dataclass(frozen=True, slots=True)
class Books:
    """What the venue itself says of some accounts."""

    orders: int
    positions: int

    @property
    def empty(self) -> bool:
        """No open order in any book."""
        return self.orders == 0


def refuse_what_is_real(world: World) -> dict[str, Any]:
    """The service's configuration; raises `PermanentError` when anything armed is not the sandbox.

    A drill makes a strategy lose money: it must be impossible to point it at an exchange.
    """
    configuration: dict[str, Any] = world.service.get("/api/v1/configuration")
    hosts = _SANDBOX_HOSTS | {urlsplit(world.venue.url).hostname or ""}
    for venue in configuration["venues"]:
        host = urlsplit(venue["base_url"] or "").hostname
        if venue["mode"] != "live":
            continue
        if venue["adapter"] != "ccxt" or host not in hosts:
            raise PermanentError(
                f"the service has {venue['name']!r} armed ({venue['adapter']}, {host or 'the real exchange'}), "
                f"which is not "
                "the sandbox venue; a drill breaks things for real and does so on the sandbox only"
            )
    try:
        accounts = world.venue.get("/admin/state")["accounts"]
    except (AnswerError, UnreachableError, KeyError, TypeError) as error:
        raise PermanentError(f"{world.venue.url} is not the sandbox venue, or does not let us look: {error}") from None
    for venue in configuration["venues"]:
        if venue["mode"] == "live" and venue["account"] not in accounts:
            raise PermanentError(f"the sandbox venue at {world.venue.url} has no account {venue['account']!r}")
    return configuration


def books(world: World, accounts: tuple[str, ...]) -> Books:
    """Ask the venue itself, past the service and its keys."""
    state = world.venue.get("/admin/state")["accounts"]
    return Books(
        sum(int(state[name]["open_orders_total"]) for name in accounts),
        sum(len(state[name]["positions"]) for name in accounts),
    )


def start(world: World, broken: Break, strategy: str) -> None:
    """Break it."""
    for body in broken.engine:
        world.engine.post("/faults", _filled(body, strategy))
    for body in broken.venue:
        world.venue.post("/admin/faults", _filled(body, strategy))


def mend(world: World) -> None:
    """Take out every fault."""
    world.engine.delete("/faults")
    world.venue.delete("/admin/faults")


def refund(world: World) -> None:
    """Give the accounts their deposits back, so that no loss breaches a limit any more."""
    world.venue.post("/admin/reset", {})


def limit_of(world: World, sign: Sign, strategy: str) -> float | None:
    """The limit as Prometheus has it now; None when there is none."""
    query = urlencode({"query": sign.limit.format(strategy=strategy)})
    result = world.prometheus.get(f"/api/v1/query?{query}")["data"]["result"]
    return min((float(one["value"][1]) for one in result), default=None)


def series(text: str, metric: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The samples of one metric in an exporter's text: (labels as written, labels, value)."""
    for found in _SAMPLE.finditer(text):
        if found[1] == metric:
            yield found[2] or "", dict(_LABEL.findall(found[2] or "")), float(found[3])


def firing(world: World, scope: Scope, since: float) -> dict[str, float]:
    """Kill alerts that reach *scope* and began after *since*: name -> when, as Prometheus says."""
    found: dict[str, float] = {}
    for alert in world.prometheus.get("/api/v1/alerts")["data"]["alerts"]:
        labels = alert["labels"]
        at = datetime.fromisoformat(_cut(alert["activeAt"])).timestamp()
        if alert["state"] != "firing" or labels.get("kill_action", "page") == "page" or at < since:
            continue
        if reaches(labels, scope):
            name = labels["alertname"]
            found[name] = min(at, found.get(name, at))
    return found


def reaches(labels: Mapping[str, str], scope: Scope) -> bool:
    """Whether an alert with these labels asks for a scope that overlaps *scope*."""
    wanted = labels.get("kill_scope", "global")
    names = [] if wanted == "global" else [name.strip() for name in wanted.split(",")]
    asked = Scope.of({name: labels[name] for name in names if labels.get(name)})
    return asked.overlaps(scope)


def _filled(body: Mapping[str, Any], strategy: str) -> dict[str, Any]:
    return {name: strategy if value == "{strategy}" else value for name, value in body.items()}


def _cut(text: str) -> str:
    """Prometheus writes nanoseconds; Python reads microseconds."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)
