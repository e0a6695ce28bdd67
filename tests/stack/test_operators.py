"""One-time operators: the person gets the token, the file its hash, and nobody else's token is touched."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bin.stack.operators import mint
from webhook.access.operators import add_operator, parse_operators, token_hash
from webhook.access.principal import Role

TWELVE_HOURS = timedelta(hours=12)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "operators.json"
    path.write_text('{"operators": []}')
    return path


def test_the_webhook_accepts_what_was_minted_and_no_token_is_stored(file):
    before = datetime.now(UTC)
    tokens = mint(file, {"operator": Role.RISK, "approver": Role.RISK}, lifetime=TWELVE_HOURS)
    operators = {each.principal.name: each for each in parse_operators(file.read_text())}
    assert operators.keys() == {"operator", "approver"}
    for name, token in tokens.items():
        assert operators[name].token_sha256 == token_hash(token)
        assert operators[name].principal.role is Role.RISK
        assert timedelta(0) <= operators[name].expires_at - before - TWELVE_HOURS < timedelta(minutes=1)
        assert token not in file.read_text()
    assert tokens["operator"] != tokens["approver"]


def test_a_new_token_replaces_the_old_one_of_that_name_and_of_no_other(file):
    add_operator(file, "alice", Role.RISK, None)
    alice = json.loads(file.read_text())["operators"][0]
    first = mint(file, {"operator": Role.RISK}, lifetime=TWELVE_HOURS)["operator"]
    second = mint(file, {"operator": Role.RISK}, lifetime=TWELVE_HOURS)["operator"]
    entries = json.loads(file.read_text())["operators"]
    assert first != second
    assert [entry["name"] for entry in entries] == ["alice", "operator"]
    assert entries[0] == alice
    assert entries[1]["token_sha256"] == token_hash(second)


def test_the_file_stays_readable_and_unwritable(file):
    mint(file, {"operator": Role.RISK}, lifetime=TWELVE_HOURS)
    assert file.stat().st_mode & 0o777 == 0o444
    assert [path.name for path in file.parent.iterdir()] == ["operators.json"]
