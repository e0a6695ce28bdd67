"""The launcher, with real processes: services start in order, come back when they die, stop in the reverse order."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable

import psutil
import pytest

from bin.stack.local import Running, Stack, answers, only_one, running_stack
from bin.stack.services import Service, SetupError
from tests.ports import free_port

# Answers 200, and appends to a file when it starts and when it is told to stop.
PROGRAM = """
import http.server, signal, sys
port, name, diary = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def note(what):
    with open(diary, "a") as file:
        file.write(f"{what} {name}\\n")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
def stop(*_):
    note("stop")
    raise SystemExit(0)
server = http.server.HTTPServer(("127.0.0.1", port), Answer)
signal.signal(signal.SIGTERM, stop)
note("start")
server.serve_forever()
"""


def service(tmp_path, name: str, program: str = PROGRAM, *, stop_seconds: float = 5.0) -> Running:
    port = free_port()
    argv = (sys.executable, "-c", program, str(port), name, str(tmp_path / "diary"))
    return Running(Service(name, argv, port, "/", stop_seconds=stop_seconds), tmp_path / f"{name}.log")


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (what is waited for happens in another process)
            await asyncio.sleep(0.02)


def test_waves_start_in_order_and_stop_in_the_reverse_order(tmp_path):
    async def story() -> None:
        stack = Stack([[service(tmp_path, "venue")], [service(tmp_path, "engine")]])
        await stack.start()
        assert all([await answers(wave[0].service) for wave in stack.waves])
        await stack.stop()

    asyncio.run(story())
    assert (tmp_path / "diary").read_text().splitlines() == ["start venue", "start engine", "stop engine", "stop venue"]


def test_a_service_that_dies_is_started_again(tmp_path):
    async def story() -> None:
        running = service(tmp_path, "webhook")
        stack = Stack([[running]])
        await stack.start()
        first = running.process.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: (tmp_path / "diary").read_text().count("start") == 2)
        assert running.process.pid != first
        await stack.stop()
        assert running.process.returncode == 0

    asyncio.run(story())


def test_what_a_dead_service_had_started_is_gone_before_it_comes_back(tmp_path):
    # The child inherits the listening socket, as the workers of a web server do.
    parent = PROGRAM.replace('note("start")', 'note("start")\nimport os\nif os.fork() == 0:\n    signal.pause()')

    async def story() -> None:
        running = service(tmp_path, "webhook", parent)
        stack = Stack([[running]])
        await stack.start()
        orphans = psutil.Process(running.process.pid).children()
        os.kill(running.process.pid, signal.SIGKILL)
        await until(lambda: (tmp_path / "diary").read_text().count("start") == 2)
        assert not any(orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE for orphan in orphans)
        await stack.stop()

    asyncio.run(story())


def test_a_service_that_cannot_start_is_reported_with_the_end_of_its_log(tmp_path):
    async def story() -> None:
        broken = Service("engine", (sys.executable, "-c", "raise SystemExit('no such account: mm')"), free_port())
        stack = Stack([[Running(broken, tmp_path / "engine.log")]])
        with pytest.raises(SetupError, match=r"engine ended with status 1(.|\n)*no such account: mm"):
            await stack.start()
        await stack.stop()

    asyncio.run(story())


def test_a_service_that_will_not_stop_is_ended_with_all_that_it_started(tmp_path):
    async def story() -> None:
        stubborn = PROGRAM.replace(
            "signal.signal(signal.SIGTERM, stop)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        )
        running = service(tmp_path, "webhook", stubborn, stop_seconds=0.2)
        stack = Stack([[running]])
        await stack.start()
        await stack.stop()
        assert running.process.returncode == -signal.SIGKILL

    asyncio.run(story())


def test_no_two_launchers_run_in_one_checkout(tmp_path):
    with only_one(tmp_path), pytest.raises(SetupError, match="make down"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        assert running_stack(tmp_path).pid == os.getpid()
    assert running_stack(tmp_path) is None


def test_a_program_that_got_the_number_of_a_launcher_that_is_gone_is_left_alone(tmp_path):
    own = psutil.Process()
    (tmp_path / "stack.pid").write_text(json.dumps({"pid": own.pid, "created": own.create_time() - 3600}))
    assert running_stack(tmp_path) is None
