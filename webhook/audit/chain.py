"""The hash chain: each record's hash covers the one before it, so that no record can change without all later ones.

The chain finds a record that was changed, removed, inserted or moved.  It cannot find that the *end* was cut off: what
is left is a whole chain.  Whoever wants to find that keeps a copy of the head (sequence and hash) somewhere else and
gives it to `verify`.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhook.audit.canonical import canonical, time_text
from webhook.audit.record import Record

GENESIS = "0" * 64
"""What the first record names as the hash before it."""


def chain(previous: str, *, sequence: int, at: datetime, kind: str, version: int, actor: str, body: Any) -> str:
    """The SHA-256, in hex, over the previous hash and everything the record says."""
    return hashlib.sha256(canonical([previous, sequence, time_text(at), kind, version, actor, body])).hexdigest()


def seal(last: Record | None, *, kind: str, actor: str, body: dict[str, Any], at: datetime, version: int = 1) -> Record:
    """Make the record that follows *last* (None: the first); its body is what every store will give back."""
    settled = json.loads(canonical(body))
    sequence, previous = (1, GENESIS) if last is None else (last.sequence + 1, last.hash)
    digest = chain(previous, sequence=sequence, at=at, kind=kind, version=version, actor=actor, body=settled)
    return Record(sequence, at, kind, version, actor, settled, previous, digest)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the journal at some moment, as somebody outside wrote it down; its text is ``SEQUENCE:HASH``."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read ``SEQUENCE:HASH``; raises `ValueError` with what would be right."""
        number, _, digest = text.strip().partition(":")
        digest = digest.lower()
        if not (number.isascii() and number.isdigit() and len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
            raise ValueError("a head is written SEQUENCE:HASH, with the 64 hex digits of the hash")
        return cls(int(number), digest)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """The first place where the journal is not what it says it is, and why."""

    sequence: int
    why: str


def verify(
    records: Iterable[Record], *, expect_first_previous: str = GENESIS, expect_first: int = 1, head: Head | None = None
) -> BrokenLink | None:
    """Walk the journal, oldest first; None when every link holds.

    Start in the middle by giving the sequence and previous hash that the first record must have.  *head* is an outside
    copy: the journal must reach it and have that hash there.
    """
    expected, previous = expect_first, expect_first_previous
    for record in records:
        broken = _check(record, expected, previous) or _against(head, record)
        if broken is not None:
            return broken
        expected, previous = record.sequence + 1, record.hash
    if head is not None and expected <= head.sequence:
        return BrokenLink(
            expected, f"the journal ends at {expected - 1}, but was known to reach {head.sequence}: its end is missing"
        )
    return None


def _check(record: Record, expected: int, previous: str) -> BrokenLink | None:
    if record.sequence != expected:
        return BrokenLink(
            expected,
            f"record {expected} is expected and {record.sequence} comes: records are missing, doubled or moved",
        )
    if record.previous != previous:
        return BrokenLink(expected, f"record {expected} does not name the hash of the record before it")
    try:
        digest = chain(
            record.previous,
            sequence=record.sequence,
            at=record.at,
            kind=record.kind,
            version=record.version,
            actor=record.actor,
            body=record.body,
        )
    except (TypeError, ValueError) as error:
        return BrokenLink(expected, f"record {expected} cannot be written again: {error}")
    if digest != record.hash:
        return BrokenLink(expected, f"the content of record {expected} is not what its hash was made over")
    return None


def _against(head: Head | None, record: Record) -> BrokenLink | None:
    if head is None or record.sequence != head.sequence or record.hash == head.hash:
        return None
    return BrokenLink(record.sequence, f"record {record.sequence} has another hash than the copy that was kept outside")
