"""A private PostgreSQL server for tests: real binaries, in a folder of its own, reached over a Unix socket alone."""

import os
import pwd
import shutil
import subprocess
import tempfile
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
