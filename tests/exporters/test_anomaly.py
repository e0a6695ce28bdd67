"""The anomaly exporter against something that answers as Prometheus' query API does."""

import json
import random
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from exporters.anomaly import exporter as anomaly
from exporters.anomaly.model import HalfSpaceTrees
from exporters.anomaly.settings import AnomalySettings
from exporters.anomaly.watcher import REASONS, Watcher
from exporters.settings import ConfigError, load
from tests.exporters.lines import values
from tests.exporters.running import exporter

QUICK = {"window": 20, "warm_up": 40, "every_seconds": 0.01, "timeout_seconds": 2}


def vector(*numbers: object) -> bytes:
    result = [{"metric": {}, "value": [1, str(number)]} for number in numbers]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


@contextmanager
def prometheus(answers):
    """A query API: query -> body, or a function that gives it; an unknown query is a bad one."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            split = urllib.parse.urlsplit(self.path)
            (query,) = urllib.parse.parse_qs(split.query)["query"]
            found = answers.get(query) if split.path == "/api/v1/query" else None
            body = found() if callable(found) else found
            self.send_response(400 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def watching(url, **queries: str):
    series = [{"name": name, "query": query} for name, query in queries.items()]
    return AnomalySettings.model_validate({**QUICK, "prometheus_url": url, "series": series})


def scores(model, numbers):
    return [model.observe(number) for number in numbers]


@pytest.fixture
def noise():
    chance = random.Random(7)
    return lambda count: [chance.gauss(100, 2) for _ in range(count)]


def test_what_changed_in_a_gap_is_not_taken_for_a_change():
    told, untold = HalfSpaceTrees(AnomalySettings()), HalfSpaceTrees(AnomalySettings())
    chance, value = random.Random(7), 0.0
    for _ in range(2000):
        value += chance.gauss(0, 1)
        assert told.observe(value) == untold.observe(value)
    told.miss()
    assert told.observe(value + 15) < untold.observe(value + 15)


def test_a_jump_scores_above_nearly_everything_before_it(noise):
    model = HalfSpaceTrees(AnomalySettings())
    usual = sorted(score for score in scores(model, noise(2000)) if score is not None)
    assert model.observe(1000.0) > usual[int(len(usual) * 0.99)]
    assert usual[len(usual) // 2] < 0.95


def test_there_is_no_score_before_the_model_is_warm(noise):
    model = HalfSpaceTrees(AnomalySettings(window=20, warm_up=40))
    found = scores(model, noise(41))
    assert found[:40] == [None] * 40
    assert 0 <= found[40] <= 1


@pytest.mark.parametrize("numbers", [[0.0] * 100, [5e300, -5e300] * 50, [1e-300] * 100], ids=["flat", "huge", "tiny"])
def test_no_number_breaks_it(numbers):
    found = [
        score for score in scores(HalfSpaceTrees(AnomalySettings(window=20, warm_up=40)), numbers) if score is not None
    ]
    assert found
    assert all(0 <= score <= 1 for score in found)


def test_what_is_unknown_has_no_score_and_says_why():
    answers = {
        "good": vector(1),
        "scalar": b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}',
        "none": vector(),
        "many": vector(1, 2),
        "nan": vector("NaN"),
        "odd": b"<html>",
    }
    with prometheus(answers) as url:
        watch = Watcher(watching(url, **{name: name for name in answers}, bad="bad("))
        for _ in range(42):
            watch.round()
        seen = values(watch.families())
    assert {name for name in seen if name.startswith("anomaly_score")} == {
        "anomaly_score{good}",
        "anomaly_score{scalar}",
    }
    failed = {name for name, count in seen.items() if name.startswith("anomaly_query_failures_total") and count == 42}
    assert failed == {
        "anomaly_query_failures_total{none,no_data}",
        "anomaly_query_failures_total{many,many}",
        "anomaly_query_failures_total{nan,not_a_number}",
        "anomaly_query_failures_total{odd,refused}",
        "anomaly_query_failures_total{bad,refused}",
    }
    assert seen["anomaly_model_observations_total{good}"] == 42
    assert seen["anomaly_model_observations_total{none}"] == 0


def test_a_series_that_goes_away_takes_its_score_along():
    answers = {"x": vector(1)}
    with prometheus(answers) as url:
        watch = Watcher(watching(url, x="x"))
        for _ in range(42):
            watch.round()
        assert "anomaly_score{x}" in values(watch.families())
        answers["x"] = vector()
        watch.round()
        assert "anomaly_score{x}" not in values(watch.families())
    watch.round()
    seen = values(watch.families())
    assert seen["anomaly_query_failures_total{x,unreachable}"] == 1
    assert [value for name, value in seen.items() if name.startswith("anomaly_up")] == [0]


def test_it_serves_what_it_declares():
    with prometheus({"x": vector(1)}) as url:
        made = anomaly.build(watching(url, x="x"))
        (watch,) = made.sources
        for _ in range(42):
            watch.round()
        (scores_of,) = made.collectors
        names = {f"{family.name}_total" if family.type == "counter" else family.name for family in scores_of.read()}
    assert names == {each.name for each in anomaly.SERIES}
    assert REASONS


def test_an_exporter_without_series_says_what_to_do():
    with pytest.raises(ValueError, match="name what to watch"):
        anomaly.build(AnomalySettings())


def test_faults_of_the_configuration_are_named(tmp_path):
    file = tmp_path / "e.yml"
    file.write_text("anomaly: {warm_up: 10, window: 20}\n")
    with pytest.raises(ConfigError, match="warm_up must not be below window"):
        load(file, {})
    file.write_text("anomaly: {series: [{name: a, query: x}, {name: a, query: y}]}\n")
    with pytest.raises(ConfigError, match="used twice"):
        load(file, {})


@pytest.mark.stack
def test_the_exporter_runs_as_a_process(tmp_path):
    with prometheus({"sum(up)": vector(3)}) as url:
        config = {
            "anomaly": {
                "listen": {"port": 0},
                "prometheus_url": url,
                "series": [{"name": "targets", "query": "sum(up)"}],
                **QUICK,
            }
        }
        with exporter("anomaly", config, tmp_path) as running:
            assert 0 <= running.wait_for('anomaly_score{series="targets"}') <= 1
            assert running.samples()["anomaly_up"] == 1
