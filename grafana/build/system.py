"""The machine, the programs on it, the network to the venues, the clocks and the databases."""

from grafana.build.dashboard import Dashboard, choice, dashboard, fill, heading
from grafana.build.heatmaps import heatmap
from grafana.build.panels import AnyPanel, Query, lines
from grafana.build.promql import increase, quantile, rate
from grafana.build.states import UP, state_history
from grafana.build.thresholds import series_of

PROCESSES = 'process=~"$process"'


def build() -> Dashboard:
    """The dashboard `andon-system`."""
    board = dashboard(
        "system",
        "Andon system",
        "The machine, the named programs, the network to the venues, the clocks and the databases.",
    ).with_variable(choice("process", "Program", "label_values(system_process_up, process)"))
    return fill(
        board,
        heading("The machine"),
        *_machine(),
        heading("Programs"),
        *_programs(),
        heading("Network and clocks"),
        *_network(),
        heading("Databases"),
        *_databases(),
    )


def _machine() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "CPU",
            "Used share of all cores. From the dashed line on SystemCpuHigh warns.",
            "percentunit",
            Query("avg(system_cpu_usage_ratio)", "used"),
            Query(
                'sum by (mode) (rate(system_cpu_seconds_total{mode=~"user|system|iowait|steal"}[$__rate_interval]))'
                " / on () group_left () sum(rate(system_cpu_seconds_total[$__rate_interval]))",
                "{{mode}}",
            ),
            minimum=0,
            limit=series_of("SystemCpuHigh"),
            width=8,
        ),
        lines(
            "Memory",
            "Used share of the memory. From the dashed line on SystemMemoryLow warns.",
            "percentunit",
            Query("max(system_memory_usage_ratio)", "used"),
            minimum=0,
            limit=series_of("SystemMemoryLow"),
            width=8,
        ),
        lines(
            "Load",
            "Programs that run or wait to, over one minute.",
            "none",
            Query("max(system_load1)", "load over 1 min"),
            minimum=0,
            width=8,
        ),
        lines(
            "Disks",
            "Used share of each file system.",
            "percentunit",
            Query("max by (mountpoint) (system_disk_usage_ratio)", "{{mountpoint}}"),
            minimum=0,
            limit=series_of("SystemDiskFilling"),
            width=8,
        ),
        lines(
            "Space left on the disks",
            "What can still be written to each file system: the journal needs some.",
            "bytes",
            Query("min by (mountpoint) (system_disk_available_bytes)", "{{mountpoint}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Memory that can be given out",
            "Without swapping, and all there is.",
            "bytes",
            Query("min(system_memory_available_bytes)", "available"),
            Query("max(system_memory_total_bytes)", "total"),
            minimum=0,
            width=8,
        ),
    )


def _programs() -> tuple[AnyPanel, ...]:
    return (
        state_history(
            "Programs",
            "Whether each named program runs.",
            UP,
            Query(f"min by (process) (system_process_up{{{PROCESSES}}})", "{{process}}"),
            width=8,
            height=8,
        ),
        lines(
            "Time since the start",
            "A fall to zero is a restart.",
            "s",
            Query(f"time() - max by (process) (system_process_start_time_seconds{{{PROCESSES}}})", "{{process}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Restarts",
            "Restarts since the point before, as the exporter saw them.",
            "none",
            Query(increase("system_process_restarts_total", "process", PROCESSES), "{{process}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "CPU of the programs",
            "Cores that each program keeps busy.",
            "none",
            Query(rate("system_process_cpu_seconds_total", "process", PROCESSES), "{{process}}"),
            minimum=0,
            width=6,
        ),
        lines(
            "Memory of the programs",
            "Resident memory of each program.",
            "bytes",
            Query(f"max by (process) (system_process_resident_memory_bytes{{{PROCESSES}}})", "{{process}}"),
            minimum=0,
            width=6,
        ),
        lines(
            "Open files of the programs",
            "File descriptors in use: a line that only rises is a leak.",
            "none",
            Query(f"max by (process) (system_process_open_fds{{{PROCESSES}}})", "{{process}}"),
            minimum=0,
            width=6,
        ),
        lines(
            "Threads of the programs",
            "Threads of each program.",
            "none",
            Query(f"max by (process) (system_process_threads{{{PROCESSES}}})", "{{process}}"),
            minimum=0,
            width=6,
        ),
    )


def _network() -> tuple[AnyPanel, ...]:
    return (
        lines(
            "Round trip to the venues",
            "From asking for the venue's time to the whole answer. The dashed line is where SystemVenueSlow warns.",
            "s",
            Query(quantile(0.95, "system_venue_round_trip_seconds", "venue"), "{{venue}} p95"),
            Query(quantile(0.5, "system_venue_round_trip_seconds", "venue"), "{{venue}} median"),
            minimum=0,
            limit=series_of("SystemVenueSlow"),
            width=8,
        ),
        heatmap(
            "Round trips",
            "How many round trips took how long, since the point before.",
            "none",
            Query(increase("system_venue_round_trip_seconds_bucket", "le"), "{{le}}", buckets=True),
            rows="round trip",
            rows_unit="s",
            width=8,
        ),
        lines(
            "Time to connect",
            "To open a TCP connection, its name resolved; 95th percentile.",
            "s",
            Query(quantile(0.95, "system_venue_connect_seconds", "venue"), "{{venue}}"),
            minimum=0,
            limit=series_of("SystemVenueConnectSlow"),
            width=8,
        ),
        state_history(
            "Venues",
            "Whether the last probe of each venue succeeded.",
            UP,
            Query("min by (venue) (system_venue_up)", "{{venue}}"),
            width=8,
            height=8,
        ),
        lines(
            "Probes that failed",
            "Probes of the venues that failed, a second, by reason.",
            "reqps",
            Query(rate("system_venue_probe_failures_total", "venue, reason"), "{{venue}} {{reason}}"),
            minimum=0,
            width=8,
        ),
        lines(
            "Clock offset",
            "Venue clock, and NTP server's, minus ours. The dashed line is where SystemClockOffsetHigh warns.",
            "s",
            Query("max by (venue) (system_venue_clock_offset_seconds)", "{{venue}}"),
            Query("max by (server) (system_ntp_offset_seconds)", "NTP {{server}}"),
            limit=series_of("SystemClockOffsetHigh"),
            width=8,
        ),
    )


def _databases() -> tuple[AnyPanel, ...]:
    # The panels that the webhook's own store has nothing to say about come last: they are empty where no PostgreSQL is
    # watched, as in the sandbox.
    return (
        state_history(
            "Databases",
            "Whether the webhook's own store can be written, and each watched PostgreSQL database answers.",
            UP,
            Query("min(andon_store_up)", "webhook's store"),
            Query("min by (database) (database_up)", "{{database}}"),
            width=6,
            height=8,
        ),
        lines(
            "Transactions",
            "Of the webhook's own store and of watched PostgreSQL databases, a second, by how they ended.",
            "reqps",
            Query(rate("andon_store_transactions_total", "outcome"), "webhook's store {{outcome}}"),
            Query(rate("database_transactions_total", "database, outcome"), "{{database}} {{outcome}}"),
            minimum=0,
            width=6,
        ),
        lines(
            "Time of a transaction",
            "99th percentile and median of the webhook's own store, the wait for its turn included: a kill waits for"
            " one.",
            "s",
            Query(quantile(0.99, "andon_store_transaction_seconds"), "p99"),
            Query(quantile(0.5, "andon_store_transaction_seconds"), "median"),
            minimum=0,
            limit=series_of("AndonStoreSlow"),
            width=6,
        ),
        lines(
            "Size",
            "Of the webhook's own store and of watched PostgreSQL databases.",
            "bytes",
            Query("max(andon_store_size_bytes)", "webhook's store"),
            Query("max by (database) (database_size_bytes)", "{{database}}"),
            minimum=0,
            width=6,
        ),
        lines(
            "Rows of PostgreSQL",
            "Rows returned, fetched, inserted, updated and deleted a second.",
            "reqps",
            Query(rate("database_rows_total", "database, operation"), "{{database}} {{operation}}"),
            minimum=0,
            width=6,
        ),
        lines(
            "Cache hits of PostgreSQL",
            "Share of the blocks asked for that were found in the server's buffers, in the last 5 minutes.",
            "percentunit",
            Query("min by (database) (database_cache_hit_ratio)", "{{database}}"),
            minimum=0,
            limit=series_of("DatabaseCacheHitLow"),
            width=6,
        ),
        lines(
            "Locks and connections of PostgreSQL",
            "Locks held or waited for, and connections by what they do.",
            "none",
            Query("sum by (database, mode) (database_locks)", "{{database}} {{mode}}"),
            Query("sum by (database, state) (database_connections)", "{{database}} {{state}} connections"),
            minimum=0,
            width=6,
        ),
        lines(
            "Replication lag of PostgreSQL",
            "How far each replica is behind.",
            "s",
            Query("max by (database, replica) (database_replication_lag_seconds)", "{{replica}} of {{database}}"),
            minimum=0,
            limit=series_of("DatabaseReplicationLagging"),
            width=6,
        ),
    )
