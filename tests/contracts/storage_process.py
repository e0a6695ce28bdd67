"""Another process on the same store; started by test_storage.py with a URL, a task and its argument.

It says what it does on standard output, one JSON value a line.
"""

import json
import sys
import time
from datetime import timedelta

from tests.builders import NOW, a_switch, a_trip
from webhook.clock import SystemClock
from webhook.storage import open_store

TRIPS = 40
LATER = NOW + timedelta(hours=1)


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


def main(url: str, task: str, argument: str) -> None:
    store = open_store(url, SystemClock())
    say("ready")
    sys.stdin.readline()
    match task:
        case "append":
            for number in range(int(argument)):
                with store.begin() as transaction:
                    transaction.append("counted", argument, {"number": number}, NOW)
        case "claim":
            taken: list[str] = []
            for number in range(TRIPS):
                with store.begin() as transaction:
                    steps = transaction.claim_steps(f"trip-{number}", argument, NOW, LATER)
                    parcels = transaction.claim_parcels(argument, NOW, LATER, 2)
                taken += [step.id for step in steps] + [f"parcel-{parcel.id}" for parcel in parcels]
            say(taken)
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
