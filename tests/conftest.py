"""For all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import NoPostgresError, Postgres

# Machines that run tests are slow at times; how fast the code is, is measured in tests/bench.
settings.register_profile("andon", deadline=None, max_examples=60)
settings.load_profile("andon")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes go first: they take longest, and many short files let all workers end together."""
    slow = {item.path for item in items if item.get_closest_marker("stack")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL server; a test that stops or freezes it sets it going again."""
    try:
        server = Postgres()
    except NoPostgresError as error:
        pytest.skip(str(error))
    try:
        server.start()
        yield server
    finally:
        server.remove()
