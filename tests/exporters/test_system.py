"""The host, named processes and the way to venues, with real processes and real sockets."""

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from exporters.settings import Process
from exporters.system import host, processes, venues
from exporters.system.ask import REASONS, AskError, fetch
from exporters.system.processes import DOWN, ProcessSight, metrics_start, status_start, watcher
from exporters.system.venues import VenueProbe, VenueSight, server_time
from exporters.system.watch import Watch
from tests.exporters.lines import values
from tests.exporters.running import exporter, until


@contextmanager
def answering(pages, delay=0.0):
    """A web server: path -> (status, body) or a function that gives them."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            time.sleep(delay)
            page = pages.get(self.path, (404, b""))
            status, body = page() if callable(page) else page
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(ConnectionError):  # the asker may have given up
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def a_sleeper(*marks: str):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *marks])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def time_page(ahead=0.0):
    return lambda: (200, json.dumps({"serverTime": int((time.time() + ahead) * 1000)}).encode())


class TestHost:
    def test_the_first_look_knows_no_use_of_the_cpu(self):
        sight = host.Host().look()
        assert sight.busy is None
        assert "system_cpu_usage_ratio{}" not in values(host.families(sight))

    def test_use_is_what_was_not_idle_between_two_looks(self):
        before = {"user": 10.0, "system": 5.0, "idle": 100.0, "iowait": 1.0}
        now = {"user": 12.0, "system": 6.0, "idle": 106.0, "iowait": 2.0}
        assert host.busy(before, now) == pytest.approx(0.3)
        assert host.busy(before, before) is None

    def test_the_series_are_those_of_the_kernel(self):
        seen = values(host.families(host.Host().look()))
        assert seen["system_memory_total_bytes{}"] == psutil.virtual_memory().total
        assert 0 < seen["system_memory_usage_ratio{}"] < 1
        assert seen["system_cpu_seconds_total{user}"] > 0
        assert not any("guest" in name for name in seen)
        assert seen["system_load1{}"] >= 0

    def test_a_host_that_was_not_seen_has_no_series(self):
        assert values(host.families(None)) == {}


class TestProcesses:
    def test_a_process_is_found_by_its_command_line_until_it_ends(self):
        mark = f"andon-test-{os.getpid()}-{time.monotonic_ns()}"
        look = watcher(Process(name="x", cmdline=mark), 1.0)
        assert look() == DOWN
        with a_sleeper(mark) as process:
            until(lambda: look().up, "the process")
            assert look().started_at == psutil.Process(process.pid).create_time()
            process.kill()
            until(lambda: not look().up, "its end, although nobody has waited for it yet")
        assert look() == DOWN

    def test_a_restart_shows_as_a_new_start_time(self):
        mark = f"andon-test-{os.getpid()}-{time.monotonic_ns()}"
        look = watcher(Process(name="x", cmdline=mark), 1.0)
        with a_sleeper(mark):
            until(lambda: look().up, "the process")
            first = look().started_at
        until(lambda: time.time() > first + 0.1, "another tick of the kernel's clock")
        with a_sleeper(mark):
            until(lambda: look().up, "the next one")
            assert look().started_at > first

    def test_a_process_is_found_by_its_pid_file(self, tmp_path):
        path = tmp_path / "pid"
        look = watcher(Process(name="x", pid_file=path), 1.0)
        assert look() == DOWN
        path.write_text("what?")
        assert look() == DOWN
        with a_sleeper() as process:
            path.write_text(f"{process.pid}\n")
            assert look().up
        assert look() == DOWN

    def test_a_process_elsewhere_is_up_when_it_says_so(self):
        pages = {"/healthz": (200, b"ok"), "/status": (200, b'{"started_at": "2026-11-22T12:00:00Z"}')}
        with answering(pages) as url:
            look = watcher(Process(name="x", health_url=f"{url}/healthz", status_url=f"{url}/status"), 1.0)
            assert look() == ProcessSight(up=True, started_at=1795348800.0)
            pages["/healthz"] = (503, b"")
            assert look() == DOWN
        assert look() == DOWN

    def test_its_start_is_asked_of_its_metrics_too(self):
        pages = {"/healthz": (200, b""), "/metrics": (200, b"# HELP x\nprocess_start_time_seconds 1.5e+09\n")}
        with answering(pages) as url:
            look = watcher(
                Process(name="x", health_url=f"{url}/healthz", status_url=f"{url}/none", metrics_url=f"{url}/metrics"),
                1.0,
            )
            assert look() == ProcessSight(up=True, started_at=1.5e9)

    def test_its_start_is_looked_for_in_the_process_table_last(self):
        mark = f"andon-test-{os.getpid()}-{time.monotonic_ns()}"
        with answering({"/healthz": (200, b"")}) as url, a_sleeper(mark) as process:
            look = watcher(Process(name="x", health_url=f"{url}/healthz", cmdline=mark), 1.0)
            until(lambda: look().started_at == psutil.Process(process.pid).create_time(), "its start")

    def test_a_process_that_hangs_is_down(self):
        with answering({"/healthz": (200, b"")}, delay=2.0) as url:
            began = time.monotonic()
            assert watcher(Process(name="x", health_url=f"{url}/healthz"), 0.1)() == DOWN
            assert time.monotonic() - began < 1.5

    def test_a_process_nobody_looked_at_has_no_series(self):
        seen = values(processes.families({"a": None, "b": DOWN, "c": ProcessSight(up=True, started_at=5.0)}))
        assert seen == {"system_process_up{b}": 0, "system_process_up{c}": 1, "system_process_start_time_seconds{c}": 5}

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"started_at": 5}', 5.0),
            (b'{"started_at": "1970-01-01T00:01:00+00:00"}', 60.0),
            (b'{"started_at": true}', None),
            (b'{"started_at": "1970-01-01T00:01:00"}', None),
            (b'{"started_at": "soon"}', None),
            (b"[]", None),
            (b"{", None),
            (b"{}", None),
        ],
    )
    def test_started_at_is_a_time_with_a_zone_or_seconds(self, body, expected):
        assert status_start(body) == expected

    @pytest.mark.parametrize("body", [b"", b"process_start_time_seconds x", b"other 5", b"\xff\xfe"])
    def test_a_page_without_a_start_time_gives_none(self, body):
        assert metrics_start(body) is None


class TestVenues:
    def probed(self, url, path="/time", timeout=1.0):
        probe = VenueProbe("v", url, path, timeout)
        return probe, probe.look()

    def test_a_venue_that_answers_is_up_and_its_clock_is_known(self):
        with answering({"/time": time_page(ahead=2.0)}) as url:
            probe, sight = self.probed(url)
        assert sight.up
        assert sight.offset == pytest.approx(2.0, abs=0.2)
        seen = values(venues.families([(probe, sight)]))
        assert seen["system_venue_round_trip_seconds_count{v}"] == 1
        assert 0 < seen["system_venue_round_trip_seconds_sum{v}"] < 1
        assert seen["system_venue_connect_seconds_count{v}"] == 1
        assert seen["system_venue_probe_failures_total{v,timeout}"] == 0

    @pytest.mark.parametrize(
        ("page", "reason"),
        [
            ((500, b"{}"), "status"),
            ((200, b"<html>"), "body"),
            ((200, b'{"serverTime": "7"}'), "body"),
            ((200, b"{}"), "body"),
        ],
    )
    def test_a_bad_answer_is_counted_by_its_reason(self, page, reason):
        with answering({"/time": page}) as url:
            probe, sight = self.probed(url)
        assert sight == VenueSight(up=False, offset=None)
        assert values(venues.families([(probe, sight)]))[f"system_venue_probe_failures_total{{v,{reason}}}"] == 1

    def test_nobody_there_is_refused(self):
        probe, sight = self.probed(f"http://127.0.0.1:{unused_port()}")
        assert not sight.up
        assert probe.counts()[2]["refused"] == 1

    def test_no_such_name_is_dns(self):
        probe, _ = self.probed("http://no-such-host.invalid")
        assert probe.counts()[2]["dns"] == 1

    def test_a_venue_that_hangs_is_a_timeout(self):
        with answering({"/time": time_page()}, delay=1.0) as url:
            probe, _ = self.probed(url, timeout=0.05)
        assert probe.counts()[2]["timeout"] == 1

    def test_a_venue_that_speaks_no_tls_is_told_apart(self):
        with answering({"/time": time_page()}) as url:
            probe, _ = self.probed(url.replace("http://", "https://"))
        assert probe.counts()[2]["tls"] == 1

    def test_the_offset_goes_with_a_failure(self):
        pages = {"/time": time_page()}
        with answering(pages) as url:
            probe, sight = self.probed(url)
            assert sight.offset is not None
            pages["/time"] = (500, b"")
            assert probe.look() == VenueSight(up=False, offset=None)

    def test_a_clock_that_was_set_is_believed_at_once(self):
        pages = {"/time": time_page()}
        with answering(pages) as url:
            probe, _ = self.probed(url)
            pages["/time"] = time_page(ahead=10)
            assert probe.look().offset == pytest.approx(10, abs=0.2)

    def test_a_venue_nobody_probed_has_only_its_counters(self):
        seen = values(venues.families([(VenueProbe("v", "http://x", "/t", 1), None)]))
        assert {name for name in seen if "_up" in name or "offset" in name} == set()
        assert {name for name in seen if "failures" in name} == {
            f"system_venue_probe_failures_total{{v,{reason}}}" for reason in REASONS
        }

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b'{"serverTime": -1}', b'{"serverTime": 1.5}', b'{"serverTime": true}']
    )
    def test_a_time_is_milliseconds(self, body):
        with pytest.raises(AskError):
            server_time(body)


def test_an_answer_is_read_up_to_a_bound():
    with answering({"/big": (200, b"x" * 5_000_000)}) as url:
        assert len(fetch(urlsplit(f"{url}/big"), 1.0)) == 1 << 20


class TestWatch:
    def test_the_last_sight_is_kept_until_it_is_stale(self):
        gate = threading.Event()
        looks = iter(range(100))

        def look():
            number = next(looks)
            if number:
                gate.wait(10)
            return number

        watch = Watch("w", look, 0.001, 0.2)
        assert watch.last is None
        watch.start()
        until(lambda: watch.last == 0, "the first sight")
        until(lambda: watch.last is None, "it to be stale, as the next look hangs")
        gate.set()
        until(lambda: (watch.last or 0) > 1, "later sights")
        watch.stop()

    def test_a_question_without_an_answer_is_down_where_that_is_what_it_means(self):
        gate = threading.Event()
        watch = Watch("w", lambda: gate.wait(10) and "up", 0.001, 0.05, "down")
        assert watch.last is None
        watch.start()
        assert watch.last is None
        until(lambda: watch.last == "down", "the first answer to be overdue")
        gate.set()
        until(lambda: watch.last == "up", "the answer")
        watch.stop()

    def test_a_look_that_raises_does_not_end_it(self):
        looks = iter([1, 0, 0.5])
        watch = Watch("w", lambda: 1 / next(looks), 0.001, 60)
        watch.start()
        until(lambda: watch.last == 2, "the look after the fault")
        watch.stop()


@pytest.mark.stack
def test_the_system_exporter_as_a_process(tmp_path):
    with answering({"/fapi/v1/time": time_page(), "/healthz": (200, b"")}) as url:
        config = {
            "system": {
                "listen": {"port": 0},
                "processes": [
                    {"name": "engine", "health_url": f"{url}/healthz"},
                    {"name": "ghost", "cmdline": "no such command line"},
                ],
                "venues": [{"venue": "sandbox", "url": url}],
                "host_seconds": 0.05,
            }
        }
        with exporter("system", config, tmp_path) as running:
            running.wait_for('system_process_up{process="engine"}', 1, "/metrics?set=kill")
            running.wait_for('system_process_up{process="ghost"}', 0)
            running.wait_for('system_venue_up{venue="sandbox"}', 1)
            assert 0 <= running.wait_for("system_cpu_usage_ratio") <= 1
            kill, rest = set(running.samples("/metrics?set=kill")), set(running.samples("/metrics?set=rest"))
            assert kill & rest == set()
            for path in ("/metrics", "/metrics?set=kill"):
                checked = subprocess.run(
                    ["promtool", "check", "metrics"], input=running.ask(path).body, capture_output=True, check=False
                )
                assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    until(lambda: running.process.poll() is not None, "its end")
    assert running.process.returncode == 0


@pytest.mark.stack
def test_a_scrape_waits_for_no_probe(tmp_path):
    """Everything that it looks at hangs; a scrape is answered all the same, without what it does not know."""
    with answering({}, delay=3.0) as url:
        config = {
            "system": {
                "listen": {"port": 0},
                "processes": [{"name": "engine", "health_url": f"{url}/healthz"}],
                "venues": [{"venue": "sandbox", "url": url}],
            }
        }
        with exporter("system", config, tmp_path) as running:
            began = time.perf_counter()
            seen = running.samples()
            assert time.perf_counter() - began < 1.0
            assert 'system_process_up{process="engine"}' not in seen
            assert 'system_venue_up{venue="sandbox"}' not in seen
