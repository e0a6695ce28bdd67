"""Disks, what processes use, restarts, and time servers that answer as RFC 4330 says, or not."""

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil
import pytest

from exporters.settings import ConfigError, Process, load
from exporters.system import disks, ntp, usage
from exporters.system.disks import DiskSight
from exporters.system.ntp import NtpServer, NtpSight
from exporters.system.processes import watcher
from exporters.system.usage import Restarts, Usage, of_metrics, of_process
from tests.exporters.lines import values
from tests.exporters.running import until
from tests.exporters.test_system import a_sleeper, answering


class TestDisks:
    def test_use_is_of_what_may_be_used(self):
        seen = values(disks.families([("/", DiskSight(up=True, used=300, available=100))]))
        assert seen == {
            "system_disk_up{/}": 1,
            "system_disk_usage_ratio{/}": 0.75,
            "system_disk_available_bytes{/}": 100,
        }

    def test_the_file_system_of_a_path_is_looked_at(self, tmp_path):
        assert disks.look(tmp_path).available > 0

    def test_a_configured_path_that_is_not_there_is_shown(self, tmp_path):
        sight = disks.look(tmp_path / "missing")
        assert values(disks.families([("/missing", sight)])) == {"system_disk_up{/missing}": 0}

    def test_a_disk_without_room_at_all_and_one_nobody_saw_have_no_ratio(self):
        assert "system_disk_usage_ratio{/}" not in values(disks.families([("/", DiskSight(up=True))]))
        assert values(disks.families([("/", None)])) == {}


class TestUsage:
    def test_a_process_and_its_children_are_summed(self):
        code = (
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'print(flush=True); input()'], stdin=subprocess.PIPE)\n"
            "input()"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert parent.stdout is not None
            parent.stdout.readline()
            process = psutil.Process(parent.pid)
            alone = process.memory_info().rss
            seen = of_process(process)
            assert seen.memory_bytes > alone * 1.2
            assert seen.threads >= 2
            assert seen.open_fds >= 6
            assert seen.cpu_seconds > 0
        finally:
            for each in psutil.Process(parent.pid).children():
                each.kill()
            parent.kill()
            parent.communicate()
        assert of_process(process) is None

    def test_a_metrics_page_tells_of_a_process_elsewhere(self):
        page = b"# HELP x\nprocess_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 7e6\nprocess_open_fds x\n"
        assert of_metrics(page) == Usage(cpu_seconds=1.5, memory_bytes=7e6)
        assert of_metrics(b"up 1\n") is None

    def test_a_named_process_shows_what_it_uses_and_one_that_is_gone_nothing(self):
        mark = f"andon-test-{os.getpid()}-{time.monotonic_ns()}"
        look = watcher(Process(name="x", cmdline=mark), 1.0)
        with a_sleeper(mark):
            until(lambda: look().up, "the process")
            seen = values(usage.families({"x": look().usage}, {"x": Restarts()}))
            assert seen["system_process_resident_memory_bytes{x}"] > 1_000_000
            assert seen["system_process_threads{x}"] == 1
            assert seen["system_process_restarts_total{x}"] == 0
        assert values(usage.families({"x": look().usage}, {"x": Restarts()})) == {"system_process_restarts_total{x}": 0}

    def test_a_process_with_a_metrics_page_is_read_from_there(self):
        pages = {
            "/healthz": (200, b""),
            "/metrics": (200, b"process_start_time_seconds 5\nprocess_open_fds 9\nprocess_cpu_seconds_total 2\n"),
        }
        with answering(pages) as url:
            sight = watcher(Process(name="x", health_url=f"{url}/healthz", metrics_url=f"{url}/metrics"), 1.0)()
        assert sight.started_at == 5
        assert sight.usage == Usage(cpu_seconds=2, open_fds=9)


class TestRestarts:
    def after(self, *looks: object):
        restarts = Restarts()
        for up, started_at, told_by in looks:
            restarts.observe(up=up, started_at=started_at, told_by=told_by)
        return restarts.count

    def test_another_start_is_a_restart_even_when_nobody_saw_it_down(self):
        assert self.after((True, 100.0, "local"), (True, 160.0, "local"), (True, 160.0, "local")) == 1

    def test_the_same_start_after_a_hiccup_is_none(self):
        assert self.after((True, 100.0, "local"), (False, None, ""), (True, 100.9, "local")) == 0

    def test_the_first_start_is_none(self):
        assert self.after((False, None, ""), (True, 100.0, "local")) == 0

    def test_two_sources_that_do_not_agree_are_none(self):
        assert self.after((True, 100.0, "a"), (True, 150.0, "b"), (True, 100.0, "a"), (True, 150.0, "b")) == 0

    def test_where_nobody_says_since_when_coming_back_is_a_restart(self):
        assert self.after((True, None, ""), (False, None, ""), (False, None, ""), (True, None, "")) == 1


def stamp(moment):
    return round((moment + 2_208_988_800) * 2**32) % 2**64


def reply(question, ahead=0.0, mode=4, stratum=2, leap=0, **changes: int):
    """What a server says whose clock is *ahead* of ours."""
    cookie = struct.unpack("!Q", question[40:48])[0]
    moment = time.time() + ahead
    said = {"originate": cookie, "received": stamp(moment), "replied": stamp(moment), **changes}
    head = struct.pack("!BBBb3I", leap << 6 | 4 << 3 | mode, stratum, 6, -20, 0, 0, 0x7F000001)
    return head + struct.pack("!4Q", stamp(moment - 10), said["originate"], said["received"], said["replied"])


@contextmanager
def a_time_server(answer):
    """*answer*: question -> packets to send back."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    asked = []

    def run():
        while True:
            question, who = server.recvfrom(512)
            if question == b"end":
                return
            asked.append(question)
            for each in answer(question):
                server.sendto(each, who)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    address = server.getsockname()
    try:
        yield f"127.0.0.1:{address[1]}", asked
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", address)
        thread.join(5)
        server.close()


class TestNtp:
    @pytest.mark.parametrize("ahead", [0.0, 2.5, -40.0])
    def test_the_offset_is_the_servers_clock_minus_ours(self, ahead):
        with a_time_server(lambda question: [reply(question, ahead)]) as (address, asked):
            sight = NtpServer(address, 1.0, 64.0).look()
        assert sight.up
        assert sight.offset == pytest.approx(ahead, abs=0.1)
        assert len(asked[0]) == 48
        assert asked[0][0] == 0b00_100_011
        assert asked[0][1:40] == bytes(39)
        seen = values(ntp.families([("s", sight), ("nobody", None)]))
        assert set(seen) == {"system_ntp_up{s}", "system_ntp_offset_seconds{s}"}

    def test_the_definition_by_hand(self):
        # T1 = 100, T2 = 110.2, T3 = 110.3, T4 = 100.5: ((10.2) + (9.8)) / 2
        head = struct.pack("!BBBb3I", 4 << 3 | 4, 1, 6, -20, 0, 0, 0)
        answer = head + struct.pack("!4Q", 0, 77, stamp(110.2), stamp(110.3))
        received, replied = ntp.read(answer, 77, 100.0)
        assert ((received - 100.0) + (replied - 100.5)) / 2 == pytest.approx(10.0)

    def test_the_next_era_is_meant_when_it_is_nearer(self):
        after = 2_085_978_496 + 1000.0  # in 2036 the 32 bits of seconds start over
        head = struct.pack("!BBBb3I", 4 << 3 | 4, 1, 6, -20, 0, 0, 0)
        answer = head + struct.pack("!4Q", 0, 77, stamp(after), stamp(after))
        assert ntp.read(answer, 77, after - 5) == (pytest.approx(after), pytest.approx(after))

    @pytest.mark.parametrize(
        "answer",
        [
            lambda _: [],
            lambda _: [b"short"],
            lambda question: [question],
            lambda question: [reply(question, originate=5)],
            lambda question: [reply(question, mode=5)],
            lambda question: [reply(question, stratum=16)],
            lambda question: [reply(question, leap=3)],
            lambda question: [reply(question, replied=0)],
        ],
    )
    def test_what_must_not_be_believed_is_no_answer(self, answer):
        with a_time_server(answer) as (address, _):
            sight = NtpServer(address, 0.1, 64.0).look()
        assert sight == NtpSight(up=False, offset=None)
        assert values(ntp.families([("s", sight)])) == {"system_ntp_up{s}": 0}

    def test_a_forged_answer_before_the_true_one_is_passed_over(self):
        with a_time_server(lambda q: [reply(q, 500.0, originate=5), reply(q, 1.0)]) as (address, _):
            assert NtpServer(address, 1.0, 64.0).look().offset == pytest.approx(1.0, abs=0.1)

    def test_a_server_that_asks_to_be_left_alone_is(self):
        with a_time_server(lambda question: [reply(question, stratum=0)]) as (address, asked):
            server = NtpServer(address, 1.0, 64.0)
            for _ in range(3):
                assert not server.look().up
            assert len(asked) == 1

    def test_nobody_there_and_no_such_name_are_down(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        assert not NtpServer(f"127.0.0.1:{port}", 0.2, 64.0).look().up
        assert not NtpServer("no-such-host.invalid", 0.2, 64.0).look().up


@pytest.mark.parametrize(
    "conninfo",
    ["host=db password=x", "postgresql://andon:secret@db/orders"],
)
def test_a_password_is_not_written_into_the_configuration(conninfo, tmp_path):
    file = tmp_path / "c.yml"
    file.write_text(f"system: {{databases: [{{name: d, conninfo: '{conninfo}'}}]}}")
    with pytest.raises(ConfigError) as wrong:
        load(file, {})
    assert "password_file" in str(wrong.value)
    assert "secret" not in str(wrong.value)
