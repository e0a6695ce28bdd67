"""The system exporter: the host, the named processes and the way to the venues."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from exporters.scrape import Collector
from exporters.series import Series
from exporters.serve import Exporter
from exporters.system import databases, disks, host, ntp, processes, usage, venues
from exporters.system.settings import SystemSettings
from exporters.system.watch import Watch

NAME: Final = "system"
SERIES: Final[tuple[Series, ...]] = tuple(
    each for subject in (processes, usage, host, disks, venues, ntp, databases) for each in subject.SERIES
)
_STALE_LOOKS: Final = 3


def build(settings: SystemSettings) -> Exporter:
    """One watch, in a thread of its own, for the host and for each process and venue."""

    def stale(every: float) -> float:
        return _STALE_LOOKS * (every + settings.timeout_seconds)

    machine = Watch("host", host.Host().look, settings.host_seconds, stale(settings.host_seconds))
    restarts = {each.name: usage.Restarts() for each in settings.processes}
    named = {
        each.name: Watch(
            f"process {each.name}",
            partial(_counted, processes.watcher(each, settings.timeout_seconds), restarts[each.name]),
            settings.process_seconds,
            stale(settings.process_seconds),
            # An endpoint that does not answer is down; a process table that nobody can read says nothing.
            None if each.health_url is None else processes.DOWN,
        )
        for each in settings.processes
    }
    probes = [
        venues.VenueProbe(each.venue, each.url, each.time_path, settings.timeout_seconds) for each in settings.venues
    ]
    # Each has a watch of its own: a file system that hangs must not hide the others.
    mounted = [
        (
            str(path),
            Watch(
                f"disk {path}",
                partial(disks.look, path),
                settings.disk_seconds,
                stale(settings.disk_seconds),
                disks.DOWN,
            ),
        )
        for path in settings.mountpoints
    ]
    servers = [
        (
            server,
            Watch(
                f"ntp {server}",
                ntp.NtpServer(server, settings.timeout_seconds, settings.ntp.every_seconds).look,
                settings.ntp.every_seconds,
                stale(settings.ntp.every_seconds),
                ntp.DOWN,
            ),
        )
        for server in settings.ntp.servers
    ]
    asked = [
        (
            each.name,
            Watch(
                f"database {each.name}",
                databases.PostgresProbe(each, settings.timeout_seconds).look,
                settings.database_seconds,
                stale(settings.database_seconds),
                databases.DOWN,
            ),
        )
        for each in settings.databases
    ]
    probed = [
        (
            probe,
            Watch(
                f"venue {probe.venue}",
                probe.look,
                settings.venue_seconds,
                stale(settings.venue_seconds),
                venues.DOWN,
            ),
        )
        for probe in probes
    ]
    return Exporter(
        name=NAME,
        collectors=[
            Collector(
                "processes", "kill", lambda: processes.families({name: watch.last for name, watch in named.items()})
            ),
            Collector("host", "rest", lambda: host.families(machine.last)),
            Collector("disks", "rest", lambda: disks.families((path, watch.last) for path, watch in mounted)),
            Collector("usage", "rest", lambda: usage.families(_usages(named), restarts)),
            Collector("ntp", "rest", lambda: ntp.families((server, watch.last) for server, watch in servers)),
            Collector("databases", "rest", lambda: databases.families((name, watch.last) for name, watch in asked)),
            Collector("venues", "rest", lambda: venues.families((probe, watch.last) for probe, watch in probed)),
        ],
        sources=[
            machine,
            *(watch for _, watch in mounted),
            *named.values(),
            *(watch for _, watch in servers),
            *(watch for _, watch in asked),
            *(watch for _, watch in probed),
        ],
    )


def _counted(look: Callable[[], processes.ProcessSight], restarts: usage.Restarts) -> processes.ProcessSight:
    """Look, and count a restart when it is one."""
    sight = look()
    restarts.observe(up=sight.up, started_at=sight.started_at, told_by=sight.told_by)
    return sight


def _usages(named: Mapping[str, Watch[processes.ProcessSight]]) -> dict[str, usage.Usage | None]:
    seen = {name: watch.last for name, watch in named.items()}
    return {name: None if sight is None else sight.usage for name, sight in seen.items()}
