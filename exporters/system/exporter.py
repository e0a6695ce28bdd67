"""The system exporter: the host, the named processes and the way to the venues."""

from typing import Final

from exporters.scrape import Collector
from exporters.series import Series
from exporters.serve import Exporter
from exporters.system import host, processes, series, venues
from exporters.system.settings import SystemSettings
from exporters.system.watch import Watch

NAME: Final = "system"
SERIES: Final[tuple[Series, ...]] = series.SERIES
_STALE_LOOKS: Final = 3


def build(settings: SystemSettings) -> Exporter:
    """One watch, in a thread of its own, for the host and for each process and venue."""

    def stale(every: float) -> float:
        return _STALE_LOOKS * (every + settings.timeout_seconds)

    machine = Watch("host", host.Host().look, settings.host_seconds, stale(settings.host_seconds))
    named = {
        each.name: Watch(
            f"process {each.name}",
            processes.watcher(each, settings.timeout_seconds),
            settings.process_seconds,
            stale(settings.process_seconds),
        )
        for each in settings.processes
    }
    probes = [
        venues.VenueProbe(each.venue, each.url, each.time_path, settings.timeout_seconds) for each in settings.venues
    ]
    probed = [
        (probe, Watch(f"venue {probe.venue}", probe.look, settings.venue_seconds, stale(settings.venue_seconds)))
        for probe in probes
    ]
    return Exporter(
        name=NAME,
        collectors=[
            Collector(
                "processes", "kill", lambda: processes.families({name: watch.last for name, watch in named.items()})
            ),
            Collector("host", "rest", lambda: host.families(machine.last)),
            Collector("venues", "rest", lambda: venues.families((probe, watch.last) for probe, watch in probed)),
        ],
        sources=[machine, *named.values(), *(watch for _, watch in probed)],
    )
