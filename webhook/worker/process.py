"""Which process holds a lease: a name that says where it runs, so that its end is seen without waiting."""

import os
import secrets
import socket

_MINE = f"{socket.gethostname()}/"


def new_holder() -> str:
    """The name of this process: host, process id, and a random part, as both may come again."""
    return f"{_MINE}{os.getpid()}/{secrets.token_hex(4)}"


def is_gone(holder: str, me: str) -> bool:
    """Whether *holder* is a process of this host that certainly ended; False when it cannot be known.

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
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


_alive_here: set[str] = set()


def announce(holder: str) -> None:
    """Say that *holder* lives in this process (a test may have several)."""
    _alive_here.add(holder)


def retire(holder: str) -> None:
    """Say that *holder* ended."""
    _alive_here.discard(holder)
