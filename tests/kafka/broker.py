"""One real Apache Kafka broker (KRaft, one process) out of its Maven jars; they are kept in .cache/kafka."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
CACHE = REPOSITORY / ".cache" / "kafka"
START_SECONDS = 60.0
_JAVA = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def jars() -> str:
    """The class path; skips the test where there is no Java, no Maven or nothing to fetch from."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine: the broker is Apache Kafka from its Maven jars")
    folder = CACHE / "jars"
    stamp = CACHE / "pom.xml"
    if not stamp.exists() or stamp.read_bytes() != POM.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(
            ["mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"],
            cwd=CACHE, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        if fetched.returncode != 0:
            pytest.skip(f"Maven could not fetch the broker: {fetched.stdout[-500:]}")
        stamp.write_bytes(POM.read_bytes())
    return f"{folder}/*"


@dataclass
class Broker:
    """A broker that can be stopped and started again with all that it holds."""

    folder: Path
    classes: str
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        assert self.process is None
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["java", *_JAVA, "-cp", self.classes, "kafka.Kafka", str(self.folder / "server.properties")],
                cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not self._listens():
            assert self.process.poll() is None, (self.folder / "broker.log").read_text()[-2000:]
            assert time.monotonic() < end, "the broker did not start"
            time.sleep(0.1)

    def stop(self) -> None:
        """Kill it: nobody is told, as when its machine goes away."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    classes = jars()
    port, controller = free_port(), free_port()
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "num.partitions": 1,
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
    file = folder / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    subprocess.run(
        ["java", "-cp", classes, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", file.name],
        cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    broker = Broker(folder, classes, port)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
