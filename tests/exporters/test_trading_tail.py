"""A followed file: every line once, whatever happens to the file and to us."""

import json
from contextlib import contextmanager

import pytest

from exporters.trading import snapshot
from exporters.trading.intake.intake import Intake
from exporters.trading.intake.tail import Tail
from exporters.trading.state import State
from tests.exporters.lines import NOON, line
from tests.exporters.running import until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.ndjson"


def an_intake():
    return Intake(State(), clock=lambda: NOON)


@contextmanager
def following(path, intake):
    tail = Tail(path, intake)
    tail.start()
    try:
        yield tail
    finally:
        tail.stop()


def sent(intake):
    with intake.lock:
        return sum(each.counts.sent for each in intake.state.instruments.values())


def append(path, *lines: bytes):
    with path.open("ab") as file:
        file.write(b"".join(each + b"\n" for each in lines))


def orders(count):
    return [line("order_sent") for _ in range(count)]


def restarted(intake):
    """The next process, with what the state file says."""
    fresh = an_intake()
    fresh.marks = snapshot.restore(fresh.state, json.loads(json.dumps(snapshot.dump(intake.state, intake.marks))))
    return fresh


def test_lines_are_read_as_they_are_appended(path):
    intake = an_intake()
    with following(path, intake):
        append(path, *orders(2))
        until(lambda: sent(intake) == 2, "the first lines")
        append(path, *orders(3))
        until(lambda: sent(intake) == 5, "the next lines")


def test_a_line_is_taken_only_when_it_is_whole(path):
    intake = an_intake()
    whole = line("order_sent")
    path.write_bytes(whole[:40])
    with following(path, intake):
        append(path, whole[40:], line("order_sent"))
        until(lambda: sent(intake) == 2, "both lines")
    assert intake.malformed["file"] == 0


def test_a_malformed_line_costs_only_itself(path):
    intake = an_intake()
    append(path, line("order_sent"), b"\xff\xfe nonsense", b"", line("order_sent"))
    with following(path, intake):
        until(lambda: sent(intake) == 2, "the good lines")
    assert intake.malformed["file"] == 1


def test_a_line_without_end_is_counted_once_and_passed_over(path):
    intake = an_intake()
    path.write_bytes(b"x" * 1_000_000)
    with following(path, intake):
        until(lambda: intake.malformed["file"] == 1, "the endless line")
        append(path, b"", line("order_sent"))
        until(lambda: sent(intake) == 1, "the line after it")
    assert intake.malformed["file"] == 1


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(path):
    intake = an_intake()
    append(path, *orders(1))
    with following(path, intake):
        until(lambda: sent(intake) == 1, "the first line")
        append(path, *orders(2))
        path.rename(path.with_name("events.ndjson.1"))
        append(path, *orders(4))
        until(lambda: sent(intake) == 7, "the lines of both files")


def test_the_last_line_of_a_rotated_file_may_lack_its_end(path):
    intake = an_intake()
    append(path, *orders(1))
    with following(path, intake):
        until(lambda: sent(intake) == 1, "the first line")
        with path.open("ab") as file:
            file.write(line("order_sent"))
        path.rename(path.with_name("events.ndjson.1"))
        append(path, *orders(1))
        until(lambda: sent(intake) == 3, "the line without an end and the new file")


def test_a_truncated_file_is_read_from_its_beginning(path):
    intake = an_intake()
    append(path, *orders(5))
    with following(path, intake):
        until(lambda: sent(intake) == 5, "the first lines")
        path.write_bytes(b"")
        until(lambda: intake.marks[str(path)].offset == 0, "the truncation to be seen")
        append(path, *orders(2))
        until(lambda: sent(intake) == 7, "the lines after the truncation")


def test_a_file_that_was_truncated_and_grew_beyond_our_mark_is_known_by_its_beginning(path):
    intake = an_intake()
    append(path, *orders(2))
    with following(path, intake):
        until(lambda: sent(intake) == 2, "the first lines")
    path.write_bytes(b"".join(each + b"\n" for each in orders(6)))
    again = restarted(intake)
    with following(path, again):
        until(lambda: sent(again) == 6, "the whole new content")


def test_a_restart_goes_on_where_the_last_process_was(path):
    intake = an_intake()
    append(path, *orders(3))
    with following(path, intake):
        until(lambda: sent(intake) == 3, "the first lines")
    append(path, *orders(2))
    again = restarted(intake)
    with following(path, again):
        until(lambda: sent(again) == 2, "the lines written meanwhile")
    assert again.duplicates["file"] == 0


def test_what_a_crash_makes_us_read_twice_counts_once(path):
    """The state file is older than the last lines: they are read again, and those before it are not."""
    intake = an_intake()
    append(path, *orders(3))
    with following(path, intake):
        until(lambda: sent(intake) == 3, "the first lines")
    again = restarted(intake)
    append(path, *orders(2))
    with following(path, intake):
        until(lambda: sent(intake) == 5, "lines the state file does not know")
    with following(path, again):
        until(lambda: sent(again) == 2, "the same lines once more")


def test_a_rotation_while_nobody_looked_loses_nothing(path):
    intake = an_intake()
    append(path, *orders(3))
    with following(path, intake):
        until(lambda: sent(intake) == 3, "the first lines")
    append(path, *orders(1))
    path.rename(path.with_name("events.ndjson.1"))
    append(path, *orders(2))
    again = restarted(intake)
    with following(path, again):
        until(lambda: sent(again) == 3, "the rest of the old file and the new one")
    assert again.duplicates["file"] == 0


def test_another_file_of_the_same_lines_changes_nothing(path):
    """A copy put in the file's place is read from its beginning; its numbers were all seen."""
    intake = an_intake()
    append(path, *orders(3))
    with following(path, intake):
        until(lambda: sent(intake) == 3, "the first lines")
    content = path.read_bytes()
    path.unlink()
    path.with_name("x").write_bytes(b"takes the inode")
    path.write_bytes(content)
    again = restarted(intake)
    with following(path, again):
        until(lambda: again.duplicates["file"] == 3 or again.marks[str(path)].offset == len(content), "the copy")
    assert sent(again) == 0


def test_a_file_that_comes_later_is_waited_for(path):
    intake = an_intake()
    with following(path, intake):
        append(path, *orders(1))
        until(lambda: sent(intake) == 1, "the line")
