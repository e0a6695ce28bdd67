"""Ports of the loopback for the processes that tests start, each given out once at a time on this machine.

A port that was free a moment ago may be taken before the process binds it: by another worker, or by the kernel for an
outgoing connection.  These lie below the kernel's own range, and a lock that lasts as long as this process keeps other
workers, and other runs, off them.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

FIRST, BEHIND_LAST = 20_000, 32_768
_LOCKS = os.open(Path(tempfile.gettempdir()) / f"andon-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)


def free_port() -> int:
    """A port that nobody listens on and no other test process was given."""
    for port in _candidates:
        try:
            # One byte of the file for each port: the locks end with this process, however it ends.
            fcntl.lockf(_LOCKS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            continue
        if _can_be_bound(port):
            return port
    raise RuntimeError("unreachable: the candidates do not end")


def free_host() -> str:
    """``127.0.0.1:port`` with a `free_port`."""
    return f"127.0.0.1:{free_port()}"


def _all_ports() -> Iterator[int]:
    begin = random.randrange(FIRST, BEHIND_LAST)
    while True:
        yield from range(begin, BEHIND_LAST)
        yield from range(FIRST, begin)


_candidates = _all_ports()


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
