"""Asks Prometheus for each series again and again, in a thread of its own, and keeps the scores."""

import json
import math
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import structlog
from prometheus_client.metrics_core import Metric

from exporters.anomaly.model import HalfSpaceTrees, Model
from exporters.anomaly.settings import AnomalySettings
from exporters.series import Series, counter, gauge

REASONS: Final = ("unreachable", "refused", "no_data", "many", "not_a_number")
_MAX_ANSWER: Final = 1 << 20

SCORE: Final = gauge(
    "anomaly_score",
    "series",
    "rest",
    "score 0-1",
    "half-space trees over a query to Prometheus",
    "How unlike its recent past the series is, by value and by change: as usual below about 0.95, near 1 unlike all "
    "of it; absent while the model warms up and while the series is unknown.",
)
OBSERVATIONS: Final = counter(
    "anomaly_model_observations_total",
    "series",
    "rest",
    "samples",
    "the exporter itself",
    "Samples the model has learnt since the exporter runs.",
)
UP: Final = gauge(
    "anomaly_up", "", "rest", "boolean", "the exporter itself", "1 when Prometheus answered the last time."
)
FAILURES: Final = counter(
    "anomaly_query_failures_total",
    "series reason",
    "rest",
    "queries",
    "the exporter itself",
    "Queries without a number to learn: unreachable, refused, no_data, many (more than one sample) or not_a_number.",
)
SERIES: Final[tuple[Series, ...]] = (SCORE, OBSERVATIONS, UP, FAILURES)


class QueryError(Exception):
    """There is no number; *reason* is one of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Watcher:
    """A source: one round over all series each ``every_seconds``."""

    def __init__(self, settings: AnomalySettings) -> None:
        """Raises ExtraMissingError without river."""
        self._settings = settings
        self._models: dict[str, Model] = {each.name: HalfSpaceTrees(settings) for each in settings.series}
        self._scores: dict[str, float] = {}
        self._failures: Counter[tuple[str, str]] = Counter()
        self._up: bool | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anomaly", daemon=True)
        self._log = structlog.get_logger(exporter="anomaly")

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End; a query under way is left to its own time limit."""
        self._stop.set()

    def round(self) -> None:
        """Ask for every series once and learn it."""
        reached = False
        for each in self._settings.series:
            try:
                value = self._ask(each.query)
            except QueryError as fault:
                reached = reached or fault.reason != "unreachable"
                with self._lock:
                    self._scores.pop(each.name, None)
                    self._failures[each.name, fault.reason] += 1
                self._models[each.name].miss()
                self._log.info("no number", series=each.name, reason=fault.reason)
                continue
            reached = True
            score = self._models[each.name].observe(value)
            with self._lock:
                if score is not None:
                    self._scores[each.name] = score
        with self._lock:
            self._up = reached

    def families(self) -> Iterable[Metric]:
        """The scores, and how they came about."""
        with self._lock:
            scores, failures, up = dict(self._scores), dict(self._failures), self._up
        yield SCORE.family(((name,), score) for name, score in scores.items())
        yield OBSERVATIONS.family(((name,), model.observations) for name, model in self._models.items())
        if up is not None:
            yield UP.family([((), float(up))])
        yield FAILURES.family(
            ((name, reason), failures.get((name, reason), 0)) for name in self._models for reason in REASONS
        )

    def _run(self) -> None:
        while True:
            try:
                self.round()
            except Exception as fault:  # noqa: BLE001  # the border: one bad round must not end the watch
                self._log.error("round failed", error=type(fault).__name__, exc_info=True)
            if self._stop.wait(self._settings.every_seconds):
                return

    def _ask(self, query: str) -> float:
        url = f"{self._settings.prometheus_url.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=self._settings.timeout_seconds) as answer:  # noqa: S310  # http(s) only
                body = answer.read(_MAX_ANSWER)
        except urllib.error.HTTPError as fault:
            fault.close()
            raise QueryError("refused") from None
        except OSError:
            raise QueryError("unreachable") from None
        return _number(body)


def _number(body: bytes) -> float:
    """The only sample of an answer of the query API; raises QueryError."""
    try:
        data: Any = json.loads(body)["data"]
        result = data["result"]
        samples = [result] if data["resultType"] == "scalar" else [each["value"] for each in result]
        values = [float(sample[1]) for sample in samples]
    except (ValueError, TypeError, LookupError):
        raise QueryError("refused") from None
    if len(values) != 1:
        raise QueryError("many" if values else "no_data")
    if not math.isfinite(values[0]):
        raise QueryError("not_a_number")
    return values[0]
