"""Trading events from Kafka, at least once: what is read twice is told apart by ``seq``.

An offset is committed only when the events before it were applied *and* the state file that holds their ``seq`` marks
is on disk.  A process that dies in between reads them again and passes over what it knows.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import orjson
import structlog
from prometheus_client.metrics_core import Metric

from exporters.logs import LogBudget
from exporters.series import counter, gauge
from exporters.trading.intake.intake import Intake
from exporters.trading.settings import KafkaIntake
from exporters.trading.state_file import StateFile

_WAIT_SECONDS: Final = 0.1
_AT_ONCE: Final = 2_000
_RETRY_SECONDS: Final = 1.0
_MAX_REASONS: Final = 32
_ALL_DOWN: Final = "_ALL_BROKERS_DOWN"

UP: Final = gauge(
    "trading_kafka_up",
    "",
    "rest",
    "boolean",
    "the Kafka client",
    "1 while a broker of the configured cluster is connected.",
)
LAG: Final = gauge(
    "trading_kafka_lag_messages",
    "topic",
    "rest",
    "messages",
    "the Kafka client",
    "Messages that are there and were not read yet; absent while no broker is connected.",
)
FAILURES: Final = counter(
    "trading_kafka_failures_total",
    "reason",
    "rest",
    "failures",
    "the Kafka client",
    "What went wrong, by the client's own name for it.",
)
SERIES: Final = (UP, LAG, FAILURES)

Place = tuple[str, int]
"""Topic and partition."""


class KafkaEvents:
    """The consumer, in a thread of its own; the library keeps trying to reach its brokers for as long as it lives."""

    def __init__(self, settings: KafkaIntake, intake: Intake, store: StateFile) -> None:
        """Raise ValueError without the library or with an unusable secret, OSError when that cannot be read."""
        try:
            import confluent_kafka  # noqa: PLC0415  # an extra: only who uses it needs it
        except ImportError:
            raise ValueError("events.kafka needs the library of the extra andon[kafka] (confluent-kafka)") from None
        self._library: Any = confluent_kafka
        self._options = _options(settings)
        self._topics = list(settings.topics)
        self._intake = intake
        self._store = store
        self._asked: dict[Place, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka", daemon=True)
        self._budget = LogBudget()
        self._log = structlog.get_logger(exporter="trading")
        self.up = False
        self.lags: dict[str, int] = {}
        self.failures: Counter[str] = Counter()

    def start(self) -> None:
        """Begin to consume from the group's committed offsets, or from the beginning."""
        self._thread.start()

    def stop(self) -> None:
        """Save the state, commit what it holds, leave the group."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def families(self) -> Iterator[Metric]:
        """What the client says."""
        yield UP.family([((), float(self.up))])
        yield LAG.family(((topic,), lag) for topic, lag in dict(self.lags).items())
        yield FAILURES.family(((reason,), n) for reason, n in dict(self.failures).items())

    def _run(self) -> None:
        while not self._stop.is_set():
            consumer: Any = None
            try:
                consumer = self._library.Consumer(
                    self._options | {"error_cb": self._failed, "stats_cb": self._measured, "on_commit": self._committed}
                )
                consumer.subscribe(self._topics)
                while not self._stop.is_set():
                    self._step(consumer)
            except Exception as fault:  # noqa: BLE001  # the border: whatever it was, a new consumer is tried
                self.up = False
                self._count(type(fault).__name__)
            finally:
                if consumer is not None:
                    self._leave(consumer)
            self._stop.wait(_RETRY_SECONDS)

    def _step(self, consumer: Any) -> None:
        """Take what is there, waiting only for the first message."""
        messages = consumer.consume(1, _WAIT_SECONDS)
        if messages:
            messages += consumer.consume(_AT_ONCE, 0)
        lines: list[bytes] = []
        offsets: dict[Place, int] = {}
        for message in messages:
            fault = message.error()
            if fault is not None:
                self._failed(fault)
                continue
            lines.extend((message.value() or b"").split(b"\n"))
            offsets[(message.topic(), message.partition())] = message.offset() + 1
        if offsets:
            self._intake.feed(lines, "kafka", offsets=offsets)
        self._commit(consumer, wait=False)

    def _commit(self, consumer: Any, *, wait: bool) -> None:
        """Ask for what the state file holds to be committed; ``_committed`` hears whether it was."""
        durable = self._store.durable_offsets
        ahead = {place: offset for place, offset in durable.items() if offset > self._asked.get(place, -1)}
        if not ahead:
            return
        mine = {(each.topic, each.partition) for each in consumer.assignment()}
        wanted = [self._library.TopicPartition(*place, offset) for place, offset in ahead.items() if place in mine]
        if wanted:
            self._asked.update(ahead)
            consumer.commit(offsets=wanted, asynchronous=not wait)

    def _leave(self, consumer: Any) -> None:
        try:
            if self._stop.is_set():
                self._store.save()
                if self.up:
                    self._commit(consumer, wait=True)
        except Exception as fault:  # noqa: BLE001  # the border: what is not committed is read again
            self._count(type(fault).__name__)
        finally:
            self._asked.clear()
            consumer.close()

    def _committed(self, fault: Any, partitions: list[Any]) -> None:
        if fault is not None:
            self._failed(fault)
        for each in partitions:
            if fault is not None or each.error is not None:
                self._asked.pop((each.topic, each.partition), None)  # asked again with the next step

    def _failed(self, fault: Any) -> None:
        if fault.name() == _ALL_DOWN:
            self.up = False
        self._count(fault.name())

    def _count(self, reason: str) -> None:
        reason = reason.strip("_").lower()
        if reason not in self.failures and len(self.failures) >= _MAX_REASONS:
            reason = "other"
        self.failures[reason] += 1
        held_back = self._budget.take()
        if held_back is not None:
            self._log.warning("kafka failed", reason=reason, held_back=held_back)

    def _measured(self, text: str) -> None:
        """Once a second, from the library's own statistics."""
        found = orjson.loads(text)
        up = any(each["nodeid"] >= 0 and each["state"] == "UP" for each in found["brokers"].values())
        lags = {}
        for name, topic in found.get("topics", {}).items():
            known = [each["consumer_lag"] for each in topic["partitions"].values() if each["consumer_lag"] >= 0]
            if up and known:
                lags[name] = sum(known)
        if up != self.up:
            self._log.info("kafka is reached" if up else "kafka is out of reach")
        self.up, self.lags = up, lags


def _options(settings: KafkaIntake) -> dict[str, Any]:
    """The library's own configuration."""
    options: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "group.id": settings.group,
        "security.protocol": settings.security_protocol,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": 10_000,
        "reconnect.backoff.max.ms": 2_000,
        "session.timeout.ms": 10_000,
        "statistics.interval.ms": 1_000,
        "queued.max.messages.kbytes": 16_384,
        "log_level": 0,  # what goes wrong is counted and logged here
    }
    if settings.ca_file is not None:
        options["ssl.ca.location"] = str(settings.ca_file)
    if settings.sasl_mechanism is not None:
        options["sasl.mechanism"] = settings.sasl_mechanism
        options["sasl.username"] = settings.secret("username_file")
        options["sasl.password"] = settings.secret("password_file")
    return options
