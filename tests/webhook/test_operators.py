"""Who may act: the file, and minting tokens into it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from webhook.access.operators import OperatorsError, add_operator, parse_operators, token_hash
from webhook.access.principal import Role

HASH = "a" * 64


def an_entry(**changes: Any) -> dict[str, Any]:
    return {"name": "alice", "role": "risk", "token_sha256": HASH, "expires_at": None} | changes


def text(*entries: Any) -> str:
    return json.dumps({"operators": list(entries)})


def test_an_operator_is_a_name_a_role_and_a_hash() -> None:
    (found,) = parse_operators(text(an_entry(expires_at="2026-12-01T08:00:00+01:00")))
    assert (found.principal.name, found.principal.role) == ("alice", Role.RISK)
    assert found.expires_at == datetime(2026, 12, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "not JSON"),
        ("[]", "must be"),
        ("{}", "must be"),
        (text("alice"), "object"),
        (text(an_entry(role="intake")), "role"),
        (text(an_entry(role="root")), "role"),
        (text(an_entry(name="")), "name"),
        (text(an_entry(name="a b")), "name"),
        (text(an_entry(name=1)), "name"),
        (text(an_entry(token_sha256="plain-token")), "64 hex"),
        (text(an_entry(token="plain-token")), "unknown"),
        (text(an_entry(expires_at="tomorrow")), "time"),
        (text(an_entry(expires_at="2026-12-01T08:00:00")), "zone"),
        (text(an_entry(), an_entry(name="ALICE", token_sha256="b" * 64)), "second time"),
        (text(an_entry(), an_entry(name="bob")), "same token"),
    ],
)
def test_what_is_wrong_is_told_without_a_hash(content: str, word: str) -> None:
    with pytest.raises(OperatorsError, match=word) as raised:
        parse_operators(content)
    assert HASH not in str(raised.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(OperatorsError) as raised:
        parse_operators(text(an_entry(role="x"), an_entry(name=""), an_entry(token_sha256="")))
    assert len(raised.value.faults) == 3


def test_a_minted_token_is_stored_as_its_hash_only(tmp_path: Path) -> None:
    path = tmp_path / "operators.json"
    token = add_operator(path, "alice", Role.TRADER, None)
    assert len(token) >= 43
    assert token not in path.read_text()
    (found,) = parse_operators(path.read_text())
    assert found.token_sha256 == token_hash(token)
    assert [one.name for one in tmp_path.iterdir()] == ["operators.json"]


def test_a_name_is_given_once_until_its_token_has_expired(tmp_path: Path) -> None:
    path = tmp_path / "operators.json"
    add_operator(path, "alice", Role.RISK, datetime.now(UTC) - timedelta(hours=1))
    add_operator(path, "alice", Role.RISK, None)
    with pytest.raises(OperatorsError, match="already"):
        add_operator(path, "Alice", Role.RISK, None)
    assert len(parse_operators(path.read_text())) == 1


def test_a_broken_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "operators.json"
    path.write_text("{")
    with pytest.raises(OperatorsError):
        add_operator(path, "alice", Role.RISK, None)
    assert path.read_text() == "{"


def test_the_mode_of_the_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "operators.json"
    path.write_text('{"operators": []}')
    path.chmod(0o640)
    add_operator(path, "alice", Role.RISK, None)
    assert path.stat().st_mode & 0o777 == 0o640
