"""The hash chain: any change of the journal is found, and where it began is named."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW
from webhook.audit.canonical import canonical
from webhook.audit.chain import GENESIS, BrokenLink, Head, chain, seal, verify
from webhook.audit.record import Record

BODIES = st.dictionaries(
    st.text(max_size=6), st.integers() | st.text(max_size=6) | st.floats(allow_nan=False), max_size=3
)


def a_journal(*bodies: dict[str, Any]) -> list[Record]:
    records: list[Record] = []
    for number, body in enumerate(bodies):
        last = records[-1] if records else None
        at = NOW + timedelta(seconds=number)
        records.append(seal(last, kind="tripped", actor="alert", body=body, at=at))
    return records


JOURNALS = st.lists(BODIES, min_size=1, max_size=6).map(lambda bodies: a_journal(*bodies))


def test_the_bytes_under_the_hash_never_change():
    """A journal of today must be provable by every later version."""
    covered = b'["' + b"0" * 64 + b'",1,"2026-11-22T10:00:00.123456Z","tripped",1,"alert",{"scope":"global"}]'

    record = seal(None, kind="tripped", actor="alert", body={"scope": "global"}, at=NOW)

    assert (record.sequence, record.previous) == (1, GENESIS)
    assert record.hash == hashlib.sha256(covered).hexdigest()


@given(JOURNALS)
def test_a_journal_that_nobody_touched_holds(records: list[Record]):
    assert verify(records) is None
    assert verify(iter(records)) is None


def test_an_empty_journal_holds():
    assert verify([]) is None


@given(JOURNALS, st.data())
def test_any_change_of_any_byte_is_found_where_it_is(records: list[Record], data: Any):
    index = data.draw(st.integers(0, len(records) - 1))
    record = records[index]
    name = data.draw(st.sampled_from(["sequence", "at", "kind", "version", "actor", "body", "previous", "hash"]))
    changed = changed_by_one(record, name, data)

    broken = verify([*records[:index], changed, *records[index + 1 :]])

    assert broken is not None
    assert broken.sequence == record.sequence


def changed_by_one(record: Record, name: str, data: Any) -> Record:
    value = getattr(record, name)
    if isinstance(value, int):
        return replace(record, **{name: value + data.draw(st.sampled_from([-1, 1]))})
    if name == "at":
        return replace(record, at=value + timedelta(microseconds=data.draw(st.sampled_from([-1, 1]))))
    if name == "body":
        return replace(record, body=data.draw(BODIES.filter(lambda body: canonical(body) != canonical(value))))
    place = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != value[place]))
    return replace(record, **{name: value[:place] + letter + value[place + 1 :]})


@given(st.lists(BODIES, min_size=2, max_size=6), st.data())
def test_a_record_that_is_missing_in_the_middle_or_at_the_start_is_found(bodies: list[dict[str, Any]], data: Any):
    records = a_journal(*bodies)
    index = data.draw(st.integers(0, len(records) - 2))

    broken = verify(records[:index] + records[index + 1 :])

    assert broken is not None
    assert broken.sequence == index + 1
    assert "missing" in broken.why


@given(st.lists(BODIES, min_size=2, max_size=6), st.data())
def test_records_that_changed_places_are_found(bodies: list[dict[str, Any]], data: Any):
    records = a_journal(*bodies)
    order = data.draw(st.permutations(range(len(records))).filter(lambda order: order != sorted(order)))

    assert verify([records[index] for index in order]) is not None


@given(JOURNALS, st.data())
def test_a_record_that_was_put_in_is_found(records: list[Record], data: Any):
    index = data.draw(st.integers(0, len(records) - 1))
    last = records[index - 1] if index else None
    forged = seal(last, kind="resumed", actor="mallory", body={}, at=NOW)

    assert verify([*records[:index], forged, *records[index:]]) is not None


@given(st.lists(BODIES, min_size=2, max_size=6), st.data())
def test_a_journal_that_was_written_anew_from_somewhere_on_is_found_by_an_old_head(bodies: list, data: Any):
    records = a_journal(*bodies)
    head = Head(records[-1].sequence, records[-1].hash)
    index = data.draw(st.integers(0, len(records) - 1))
    forged = records[:index]
    for record in records[index:]:
        last = forged[-1] if forged else None
        body = {"forged": True} if record is records[index] else record.body
        forged.append(seal(last, kind=record.kind, actor=record.actor, body=body, at=record.at))

    assert verify(forged) is None
    assert verify(forged, head=head) is not None


class TestTheHead:
    JOURNAL = a_journal({"a": 1}, {"a": 2}, {"a": 3})
    HEAD = Head(3, JOURNAL[2].hash)

    def test_finds_that_the_end_was_cut_off(self):
        assert verify(self.JOURNAL, head=self.HEAD) is None
        assert verify(self.JOURNAL[:2]) is None
        assert verify(self.JOURNAL[:2], head=self.HEAD) == BrokenLink(
            3, "the journal ends at 2, but was known to reach 3: its end is missing"
        )
        assert verify([], head=self.HEAD).sequence == 1

    def test_may_be_an_old_one(self):
        assert verify(self.JOURNAL, head=Head(2, self.JOURNAL[1].hash)) is None

    def test_with_another_hash_is_named(self):
        broken = verify(self.JOURNAL, head=Head(2, "f" * 64))

        assert broken == BrokenLink(2, "record 2 has another hash than the copy that was kept outside")

    def test_has_a_text(self):
        assert Head.parse(str(self.HEAD)) == self.HEAD
        assert Head.parse(f" {self.HEAD.sequence}:{self.HEAD.hash.upper()}\n") == self.HEAD

    @pytest.mark.parametrize(
        "text", ["", "3", "3:", ":" + "f" * 64, "3:" + "g" * 64, "-1:" + "f" * 64, "3:" + "f" * 63]
    )
    def test_of_another_form_is_refused(self, text: str):
        with pytest.raises(ValueError, match="SEQUENCE:HASH"):
            Head.parse(text)


def test_a_journal_can_be_proved_in_pages():
    records = a_journal({}, {}, {}, {})

    assert verify(records[2:], expect_first=3, expect_first_previous=records[1].hash) is None
    assert verify(records[2:], expect_first=3, expect_first_previous=GENESIS).sequence == 3


def test_what_cannot_be_written_again_is_a_broken_link_and_no_crash():
    (record,) = a_journal({})

    assert "cannot be written again" in verify([replace(record, body={"x": object()})]).why


def test_the_hash_depends_on_the_one_before():
    facts = {"sequence": 1, "at": NOW, "kind": "k", "version": 1, "actor": "a", "body": {}}

    assert chain(GENESIS, **facts) != chain("1" * 64, **facts)
