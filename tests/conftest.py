"""For all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import NoPostgresError, Postgres

# Machines that run tests are slow at times; how fast the code is, is measured in tests/bench.
settings.register_profile("andon", deadline=None, max_examples=60)
settings.load_profile("andon")


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
