"""Minting tokens: the person gets the token, the file its hash."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from bin.stack.operators import mint, refuse_bad_name
from bin.stack.services import SetupError
from webhook.access.principal import Role
from webhook.operators import parse_operators

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TWELVE_HOURS = timedelta(hours=12)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "operators.json"
    path.write_text('{"operators": []}')
    return path


def test_the_webhook_accepts_what_was_minted_and_no_token_is_stored(file):
    tokens = mint(file, {"operator": "risk", "approver": "risk"}, now=NOW, lifetime=TWELVE_HOURS)
    operators = {each.principal.name: each for each in parse_operators(file.read_text())}
    assert operators.keys() == {"operator", "approver"}
    for name, token in tokens.items():
        assert operators[name].token_sha256 == hashlib.sha256(token.encode()).hexdigest()
        assert operators[name].principal.role is Role.RISK
        assert operators[name].expires_at == NOW + TWELVE_HOURS
        assert token not in file.read_text()
    assert tokens["operator"] != tokens["approver"]


def test_a_new_token_replaces_the_old_one_of_that_name_and_of_no_other(file):
    mint(file, {"alice": "risk"}, now=NOW, lifetime=None)
    before = json.loads(file.read_text())["operators"][0]
    first = mint(file, {"operator": "risk"}, now=NOW, lifetime=TWELVE_HOURS)["operator"]
    second = mint(file, {"operator": "risk"}, now=NOW, lifetime=TWELVE_HOURS)["operator"]
    entries = json.loads(file.read_text())["operators"]
    assert first != second
    assert [entry["name"] for entry in entries] == ["alice", "operator"]
    assert entries[0] == before
    assert entries[1]["token_sha256"] == hashlib.sha256(second.encode()).hexdigest()


def test_expired_tokens_are_swept_out(file):
    mint(file, {"yesterday": "admin"}, now=NOW - timedelta(days=1), lifetime=TWELVE_HOURS)
    mint(file, {"today": "admin"}, now=NOW, lifetime=TWELVE_HOURS)
    assert [entry["name"] for entry in json.loads(file.read_text())["operators"]] == ["today"]


def test_the_file_stays_readable_and_unwritable(file):
    mint(file, {"alice": "viewer"}, now=NOW, lifetime=None)
    assert file.stat().st_mode & 0o777 == 0o444
    assert [path.name for path in file.parent.iterdir()] == ["operators.json"]


@pytest.mark.parametrize("name", ["", "Alice", "a b", "-x", "a" * 65, "a\nb", "ä"])
def test_a_name_that_cannot_stand_in_a_journal_is_refused(name):
    with pytest.raises(SetupError, match="make token"):
        refuse_bad_name(name)
