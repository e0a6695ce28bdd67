"""Another process on the same store; started by test_storage.py with a URL, a task and its argument.

It says what it does on standard output, one JSON value a line.
"""

import json
import sys
import time
from datetime import timedelta

from tests.builders import NOW, a_switch, a_trip
from webhook.storage import open_store

PARCELS = 40
LATER = NOW + timedelta(hours=1)


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


def main(url: str, task: str, argument: str) -> None:
    store = open_store(url)
    say("ready")
    sys.stdin.readline()
    match task:
        case "append":
            for number in range(int(argument)):
                with store.begin() as transaction:
                    transaction.append("counted", argument, {"number": number}, NOW)
        case "claim":
            taken: list[int] = []
            for _ in range(PARCELS):
                with store.begin() as transaction:
                    parcels = transaction.claim_parcels(argument, NOW, LATER, 2)
                taken += [parcel.notice["number"] for parcel in parcels]
            say(taken)
        case "lease":
            epochs: set[int] = set()
            for _ in range(40):
                with store.begin() as transaction:
                    lease = transaction.acquire_lease("account/a", argument, timedelta(minutes=1), gone=True)
                    assert lease is not None
                    assert lease.holder == argument
                epochs.add(lease.epoch)
            say(sorted(epochs))
        case "hang":
            with store.begin() as transaction:
                transaction.put_switch(a_switch())
                transaction.put_trip(a_trip("trip-hanging"))
                transaction.append("half", "nobody", {}, NOW)
                say("inside")
                time.sleep(600)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:4])
