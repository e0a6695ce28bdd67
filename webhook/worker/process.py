"""Which process holds a lease: a name that says where it runs, so that its end is seen without waiting."""

import os
import secrets
import socket
from pathlib import Path


def _place() -> str:
    """Where process ids mean what they mean here.

    Two hosts may have the same name, and containers that share one name may not share their process ids.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        ids = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}~{boot[:12]}~{str(ids).strip('pid:[]')}"


_MINE = f"{_place()}/"


def new_holder() -> str:
    """The name of this process: its place, process id, and a random part, as both may come again."""
    return f"{_MINE}{os.getpid()}/{secrets.token_hex(4)}"


def is_gone(holder: str, me: str) -> bool:
    """Whether *holder* is a process of this place that certainly ended; False when it cannot be known.

    A process id that is in use again counts as alive: then the lease has to run out.
    """
    if holder == me or not holder.startswith(_MINE):
        return False
    try:
        pid = int(holder.removeprefix(_MINE).partition("/")[0])
    except ValueError:
        return False
    if pid == os.getpid():
        # Our own id under another random part: an earlier life in the same place (a restarted container).
        return holder not in _alive_here
    return not _exists(pid) or _is_zombie(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_zombie(pid: int) -> bool:
    """Whether it ended, and its parent did not look yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state in ("Z", "X")


_alive_here: set[str] = set()


def announce(holder: str) -> None:
    """Say that *holder* lives in this process (a test may have several)."""
    _alive_here.add(holder)


def retire(holder: str) -> None:
    """Say that *holder* ended."""
    _alive_here.discard(holder)
