"""What each role may do, cell by cell."""

import pytest

from webhook.access.principal import Role
from webhook.access.roles import MAY, Verb, may, who_may

TABLE = """
                 deliver_alerts  read  trip  request_resume  approve_resume  withdraw_resume
intake           yes             -     -     -               -               -
viewer           -               yes   -     -               -               -
trader           -               yes   yes   yes             -               -
risk             -               yes   yes   yes             yes             yes
admin            yes             yes   yes   yes             yes             yes
"""
HEADER, *ROWS = [line.split() for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize(
    ("role", "verb", "expected"),
    [(row[0], verb, cell == "yes") for row in ROWS for verb, cell in zip(HEADER, row[1:], strict=True)],
)
def test_the_table(role: str, verb: str, expected: bool):
    assert may(Role(role), Verb(verb)) is expected


def test_the_table_is_whole():
    assert set(HEADER) == set(Verb)
    assert {row[0] for row in ROWS} == set(Role) == set(MAY)


def test_who_is_not_in_the_table_may_nothing():
    assert not any(may("stranger", verb) for verb in Verb)  # type: ignore[arg-type]


def test_a_refusal_can_say_who_may():
    assert who_may(Verb.APPROVE_RESUME) == "risk or admin"
