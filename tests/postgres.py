"""A private PostgreSQL server for tests: real binaries, in a folder of its own, reached over a Unix socket alone.

The server can be frozen as a whole, and a connection to it can lead over a `Wire` that delays or cuts a commit.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROLE = "andon"


class NoPostgresError(Exception):
    """No server can be had on this machine; the message says why."""


def _binaries() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise NoPostgresError("no PostgreSQL server binaries (apt-get install postgresql)")


def _user() -> str | None:
    """PostgreSQL does not run as root: whom to be instead; None to stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoPostgresError("running as root, and there is no user postgres or nobody to run the server as")


class Postgres:
    """One cluster; `start` and `stop` may be called again and again."""

    def __init__(self) -> None:
        self._binaries = _binaries()
        self._user = _user()
        # Not under pytest's folder: its path is too long for a socket, and closed to other users.
        self.folder = Path(tempfile.mkdtemp(prefix="andon-pg-", dir="/tmp"))
        self._databases = 0
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        try:
            self._run("initdb", "-D", "data", "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise NoPostgresError(f"initdb did not work: {error}") from error

    def start(self) -> None:
        """Start, and return when it answers."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=60"
        self._run("pg_ctl", "-D", "data", "-w", "-s", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        """Stop at once: open transactions are lost, connections are cut."""
        self._run("pg_ctl", "-D", "data", "-w", "-s", "-m", "immediate", "stop")

    def remove(self) -> None:
        """Stop if it runs, and delete everything."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server, as a hung disk or host does: it neither answers nor hangs up."""
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        stopped: list[int] = []
        try:
            # The first one starts no others once it is stopped.
            for pid in (postmaster, *_children(postmaster)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    stopped.append(pid)
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def new_database(self) -> str:
        """The URL of a database nobody has used."""
        self._databases += 1
        name = f"t{self._databases}"
        self._run("createdb", "-h", str(self.folder), "-U", ROLE, name)
        return f"postgresql+psycopg://{ROLE}@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        subprocess.run(
            command,
            cwd=self.folder,
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )


def _children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


class Wire:
    """A connection to the server that can be made to do what networks do to a commit.

    ``commit_passes`` is an event: while it is clear, a COMMIT does not reach the server.  ``answer_passes``: while it
    is clear, the answer to a COMMIT does not come back.  ``cut``: ``before`` or ``after`` a COMMIT, the connection is
    closed, so that nobody here knows what became of it.  ``commits`` counts what came in.
    """

    def __init__(self, url: str) -> None:
        self.server_url = url
        self._server = url.partition("?host=")[2] + "/.s.PGSQL.5432"
        self._folder = Path(tempfile.mkdtemp(prefix="andon-wire-", dir="/tmp"))
        self.url = url.partition("?host=")[0] + f"?host={self._folder}"
        self.commit_passes, self.answer_passes = threading.Event(), threading.Event()
        self.commit_passes.set()
        self.answer_passes.set()
        self.cut = ""
        self.commits = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hang up everywhere."""
        self.commit_passes.set()
        self.answer_passes.set()
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open += [client, server]
                in_commit = threading.Event()
                threading.Thread(target=self._forth, args=(client, server, in_commit), daemon=True).start()
                threading.Thread(target=self._back, args=(client, server, in_commit), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket, in_commit: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                if b"COMMIT\0" in data:
                    self.commits += 1
                    self.commit_passes.wait()
                    if self.cut == "before":
                        break
                    in_commit.set()
                server.sendall(data)
        self._hang_up(client, server)

    def _back(self, client: socket.socket, server: socket.socket, in_commit: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if in_commit.is_set():
                    in_commit.clear()
                    self.answer_passes.wait()
                    if self.cut == "after":
                        break
                client.sendall(data)
        self._hang_up(client, server)

    @staticmethod
    def _hang_up(*ends: socket.socket) -> None:
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
