"""Run the whole stack as local processes, for machines without a Docker engine.

Only processes that this program started are ever signalled.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bin.stack.operators import mint
from bin.stack.services import (
    OPERATORS_FILE,
    ROOT,
    RUN,
    Choice,
    Service,
    SetupError,
    binary,
    choose,
    host_file,
    read_ports,
    refuse_taken_ports,
    render,
    services,
)
from bin.stack.summary import ONE_TIME_OPERATORS, TOKEN_LIFETIME, modes, read_settings, summary
from webhook.settings import Settings

HEALTHY_WITHIN_SECONDS = 60.0
# As with `restart: unless-stopped`: a service that dies comes back, after a pause that doubles while it keeps dying.
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS, STEADY_AFTER_SECONDS = 0.2, 30.0, 10.0
READY_FILE = RUN / "stack.ready"
PR_SET_PDEATHSIG = 1
# Set for the launcher that `up --detach` leaves behind.
IN_BACKGROUND = "ANDON_IN_BACKGROUND"


def say(text: str) -> None:
    """A line for the person who ran `make up`."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """In the child: be told to stop when the launcher dies, even by SIGKILL, so that no service is left behind."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def answers(service: Service) -> bool:
    """Whether the service's health path answers 200 within a second."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            try:
                writer.write(f"GET {service.health} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split()[1:2] == [b"200"]


@dataclass(slots=True)
class Running:
    """One service under supervision: its process now, and the task that restarts it when it dies."""

    service: Service
    log: Path
    process: asyncio.subprocess.Process | None = None
    watcher: asyncio.Task[None] | None = None
    stopping: bool = False
    started_at: float = 0.0

    async def start(self) -> None:
        """Start the process; its output is appended to its log."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.service.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C in the terminal reaches the launcher only, which then stops in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.service.env},
            )
        self.started_at = time.monotonic()

    async def become_healthy(self) -> None:
        """Wait until it answers. Raises SetupError with the end of its log when it dies or takes too long."""
        assert self.process is not None  # noqa: S101  (start() came before)
        while not await answers(self.service):
            waited = time.monotonic() - self.started_at
            if self.process.returncode is not None:
                raise SetupError(f"{self.service.name} ended with status {self.process.returncode}.\n{self.tail()}")
            if waited > HEALTHY_WITHIN_SECONDS:
                raise SetupError(f"{self.service.name} was not healthy within {waited:.0f} s.\n{self.tail()}")
            await asyncio.sleep(0.1)
        seconds = time.monotonic() - self.started_at
        say(f"  \u2713 {self.service.name:<22} healthy in {seconds:5.1f} s   {self.service.url}")

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"The end of {self.log}:", *(f"  | {line[:300]}" for line in lines)])

    def watch(self) -> None:
        """From now on restart it whenever it dies."""
        self.watcher = asyncio.create_task(self._keep_running())

    async def _keep_running(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while self.process is not None:
            status = await self.process.wait()
            if self.stopping:
                return
            # What it started goes with it, as in a container; else an orphan would hold its port.
            self._end_all()
            if time.monotonic() - self.started_at > STEADY_AFTER_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            say(f"  ! {self.service.name} ended with status {status}; starting it again in {backoff:.1f} s")
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
            await self.start()

    async def stop(self) -> None:
        """Ask it to stop, and end it and what it started when it does not."""
        self.stopping = True
        if self.watcher is not None:
            self.watcher.cancel()
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self.service.stop_seconds):
                await process.wait()
        except TimeoutError:
            say(f"  ! {self.service.name} did not stop within {self.service.stop_seconds:.0f} s and was killed")
            self._end_all()
            await process.wait()

    def _end_all(self) -> None:
        """End every process of the service's own session."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def reload(self) -> None:
        """Tell it to read its configuration again."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGHUP)


@dataclass(slots=True)
class Stack:
    """All services, in the waves in which they are started."""

    waves: list[list[Running]]
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Start wave after wave; each service says when it is healthy. Raises SetupError when one is not."""
        for wave in self.waves:
            for running in wave:
                await running.start()
            await asyncio.gather(*(self._healthy_or_stopped(running) for running in wave))
            if self.stop_asked.is_set():
                return
            for running in wave:
                running.watch()

    async def _healthy_or_stopped(self, running: Running) -> None:
        healthy = asyncio.ensure_future(running.become_healthy())
        stopped = asyncio.ensure_future(self.stop_asked.wait())
        await asyncio.wait({healthy, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not healthy.done():
            healthy.cancel()
        else:
            healthy.result()

    async def stop(self) -> None:
        """Stop in the reverse order, so that nothing watches a service that is already gone."""
        for wave in reversed(self.waves):
            await asyncio.gather(*(running.stop() for running in wave))

    def reload(self) -> None:
        """Render the configuration anew; Prometheus and Alertmanager read it again."""
        render(read_ports(os.environ), choose(os.environ))
        for wave in self.waves:
            for running in wave:
                if running.service.name in {"prometheus", "alertmanager"}:
                    running.reload()
        say("  \u21bb configuration rendered; Prometheus and Alertmanager were told to read it")


async def supervise(waves: Sequence[Sequence[Service]], when_healthy: Callable[[], str]) -> None:
    """Run the stack until Ctrl-C, SIGTERM or the end of its terminal; SIGUSR1 reloads its configuration."""
    stack = Stack([[Running(service, RUN / "log" / f"{service.name}.log") for service in wave] for wave in waves])
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stack.stop_asked.set)
    loop.add_signal_handler(signal.SIGUSR1, stack.reload)
    try:
        await stack.start()
        if not stack.stop_asked.is_set():
            say(await asyncio.to_thread(when_healthy))
            READY_FILE.touch()
            await stack.stop_asked.wait()
    except SetupError as error:
        # Said before everything is stopped again, while it is still clear what it belongs to.
        say(f"  \u2717 {error}")
        raise SetupError("The stack did not start; nothing is left running.") from error
    finally:
        READY_FILE.unlink(missing_ok=True)
        say("\nStopping ...")
        await stack.stop()
        say("Stopped.")


@contextlib.contextmanager
def only_one(run: Path) -> Iterator[None]:
    """Hold the lock of the stack that keeps its state in `run`, and say in stack.pid who does."""
    pid_file = run / "stack.pid"
    with (run / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError("A stack of this checkout is running already: make down stops it.") from error
        pid_file.write_text(json.dumps({"pid": os.getpid(), "created": psutil.Process().create_time()}))
        try:
            yield
        finally:
            pid_file.unlink(missing_ok=True)


def running_stack(run: Path) -> psutil.Process | None:
    """The launcher that wrote the pid file, if it still runs; a program that got its number later is not it."""
    try:
        known = json.loads((run / "stack.pid").read_text())
        process = psutil.Process(known["pid"])
        return process if process.create_time() == known["created"] else None
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        return None


def up(*, detach: bool) -> None:
    """Start the stack; stay with it, or with `detach` return when it is healthy."""
    # The journal and the logs are nobody else's business.
    RUN.mkdir(mode=0o700, exist_ok=True)
    (RUN / "log").mkdir(exist_ok=True)
    if detach:
        _up_in_background()
        return
    replay = host_file(os.environ, "ANDON_REPLAY")
    ports = read_ports(os.environ)
    choice = choose(os.environ)
    settings = read_settings(choice, os.environ)
    with only_one(RUN):
        refuse_taken_ports({name: ports[name] for name in choice.services})
        render(ports, choice)
        waves = services(ports, choice, replay=replay)
        # In the background standard output is a log, which no token may be in: who waits for the stack mints them.
        when_healthy = str if IN_BACKGROUND in os.environ else functools.partial(_invitation, ports, choice, settings)
        market = "" if choice.own else f", replaying {replay}" if replay else ", on a synthetic market"
        say(f"Andon on {modes(settings.venues, settings)}{market}; logs in .run/log/")
        asyncio.run(supervise(waves, when_healthy))


def _invitation(ports: Mapping[str, int], choice: Choice, settings: Settings) -> str:
    tokens = mint(OPERATORS_FILE, ONE_TIME_OPERATORS, lifetime=TOKEN_LIFETIME)
    return summary(ports, tokens, choice, settings, docker=False)


def _up_in_background() -> None:
    READY_FILE.unlink(missing_ok=True)
    output = RUN / "log" / "stack.log"
    with output.open("wb") as log:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "bin.stack", "up"],
            cwd=ROOT,
            env={**os.environ, "ANDON_STACK": "local", IN_BACKGROUND: "yes"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    with output.open() as log:
        while launcher.poll() is None and not READY_FILE.exists():
            sys.stdout.write(log.read())
            sys.stdout.flush()
            time.sleep(0.1)
        sys.stdout.write(log.read())
    if launcher.poll() is not None:
        raise SetupError("The stack did not start.")
    choice = choose(os.environ)
    say(_invitation(read_ports(os.environ), choice, read_settings(choice, os.environ)))
    say("  Running in the background.")


def down() -> None:
    """Stop the stack that runs elsewhere."""
    launcher = running_stack(RUN)
    if launcher is None:
        say("No local stack is running.")
        return
    launcher.send_signal(signal.SIGTERM)
    launcher.wait(timeout=120)
    say("Stopped.")


def reload() -> None:
    """Have the running stack read the configuration of this checkout again; raises SetupError when it is faulty."""
    launcher = running_stack(RUN)
    if launcher is None:
        raise SetupError("No local stack is running.")
    command = [binary("promtool"), "check", "config", str(ROOT / "prometheus" / "prometheus.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if checked.returncode != 0:
        raise SetupError(f"Nothing was reloaded.\n{checked.stdout}{checked.stderr}")
    launcher.send_signal(signal.SIGUSR1)
    say("Asked the running stack to read its configuration again.")


def logs() -> None:
    """Follow the services' logs until Ctrl-C."""
    files = sorted((RUN / "log").glob("*.log"))
    if not files:
        raise SetupError("No local stack has run here yet: make up")
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])  # noqa: S606, S607
