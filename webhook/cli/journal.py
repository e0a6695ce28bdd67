"""``andon verify-audit``: walk the journal and name the first link that does not hold."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from webhook.audit.chain import Head, verify
from webhook.audit.record import Record
from webhook.cli import exits
from webhook.cli.client import Client
from webhook.cli.connect import client
from webhook.errors import AndonError
from webhook.settings import load
from webhook.settings.store_url import sqlite_path
from webhook.storage import open_store

_PAGE = 1000

Pages = Callable[[int], tuple[Record, ...]]
"""The records after a sequence, oldest first; none at the end."""


def verify_audit(options: argparse.Namespace) -> int:
    """Verify, print the head; returns the exit code."""
    head = None if options.head is None else Head.parse(options.head)
    last: list[Record] = []
    if options.store is None and options.config is None:
        fault = verify(_walk(_over_api(client(options)), last), head=head)
    else:
        url = options.store or load(options.config, os.environ).store.connection_url()
        with _in_store(url) as pages:
            fault = verify(_walk(pages, last), head=head)
    if fault is not None:
        sys.stdout.write(f"BROKEN at record {fault.sequence}: {fault.why}\n")
        return exits.FAILED
    if not last:
        sys.stdout.write("The journal is empty.\n")
        return exits.OK
    sys.stdout.write(f"Whole: {last[-1].sequence} records, each naming the hash of the one before it.\n")
    sys.stdout.write(f"Head: {Head(last[-1].sequence, last[-1].hash)}\n")
    if head is None:
        sys.stdout.write(
            "A journal whose end was cut off looks whole, too: keep this head elsewhere, and give it next time "
            "(--head).\n"
        )
    return exits.OK


def _walk(pages: Pages, last: list[Record]) -> Iterator[Record]:
    while found := pages(last[-1].sequence if last else 0):
        for record in found:
            yield record
            last[:] = [record]


def _over_api(service: Client) -> Pages:
    def pages(after: int) -> tuple[Record, ...]:
        return tuple(_record(one) for one in service.get("/api/v1/audit", after=after, limit=_PAGE)["records"])

    return pages


@contextmanager
def _in_store(url: str) -> Iterator[Pages]:
    file = sqlite_path(url)
    if file is not None and not file.is_file():
        raise AndonError(f"there is no store at {url}")
    store = open_store(url, migrate=False)
    try:

        def pages(after: int) -> tuple[Record, ...]:
            with store.view() as tx:
                return tx.records(after=after, limit=_PAGE)

        yield pages
    finally:
        store.close()


def _record(one: dict[str, Any]) -> Record:
    return Record(
        one["sequence"],
        datetime.fromisoformat(one["at"]),
        one["kind"],
        one["version"],
        one["actor"],
        one["body"],
        one["previous"],
        one["hash"],
    )
