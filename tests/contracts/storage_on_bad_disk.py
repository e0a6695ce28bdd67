"""A process whose disk goes bad and comes back; started by test_storage_disk.py with a folder and a trouble.

A process of its own, because limits and users are of a process.  Writes what happened as one JSON object.
"""

import json
import os
import pwd
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.builders import NOW, a_switch, a_trip
from tests.disks import fill
from webhook.durability.port import Store
from webhook.errors import StoreOutageError
from webhook.storage import open_store


def outage(action: Callable[[], object]) -> str | None:
    try:
        action()
    except StoreOutageError as error:
        return error.reason
    return None


def write_much(store: Store) -> None:
    with store.begin() as transaction:
        transaction.put_switch(a_switch())
        for number in range(20):
            transaction.put_trip(a_trip(f"much-{number}", reason="x" * 10_000))


def file_too_large(folder: Path, _: Store) -> tuple[Callable[[], object], Callable[[], object]]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    used = max(file.stat().st_size for file in folder.iterdir())
    return (
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (used + 20_000, hard)),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard)),
    )


def disk_full(folder: Path, _: Store) -> tuple[Callable[[], object], Callable[[], object]]:
    return lambda: fill(folder), (folder / "ballast").unlink


def read_only(folder: Path, store: Store) -> tuple[Callable[[], object], Callable[[], object]]:
    def change(folder_mode: int, file_mode: int) -> None:
        store.close()  # an open file stays writable whatever its mode says
        for file in folder.iterdir():
            file.chmod(file_mode)
        folder.chmod(folder_mode)

    return lambda: change(0o555, 0o444), lambda: change(0o755, 0o644)


TROUBLES = {"file_too_large": file_too_large, "disk_full": disk_full, "read_only": read_only}


def main(folder: Path, trouble: str) -> None:
    if trouble == "read_only" and os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    store = open_store(f"sqlite:///{folder}/andon.db")
    with store.begin() as transaction:
        transaction.append("before", "me", {}, NOW)
    begin, end = TROUBLES[trouble](folder, store)
    seen: dict[str, object] = {}
    begin()
    seen["write"] = outage(lambda: write_much(store))
    seen["again"] = outage(lambda: write_much(store))
    if trouble == "read_only":
        seen["ping"] = outage(store.ping)
    end()
    seen["after"] = outage(lambda: write_much(store))
    with store.begin() as transaction:
        seen["trips"] = len(transaction.trips(limit=1000))
        seen["sequence"] = transaction.append("after", "me", {}, NOW).sequence
    store.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
