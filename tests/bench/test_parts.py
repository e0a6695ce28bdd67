"""`make bench` ends in a table, not in a traceback.  Nothing is timed here."""

import inspect
from pathlib import Path

import pytest

from tests.bench.__main__ import PARTS, part_named
from tests.bench.tables import Report


def test_make_bench_knows_every_file_that_measures_something():
    assert {"kill", "breach", "venue", "exporters", "market_scrape"} <= set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_bench_takes_a_folder_and_gives_tables(part):
    signature = inspect.signature(part_named(part))
    assert [one.annotation for one in signature.parameters.values()] == [Path]
    assert signature.return_annotation == list[Report]
