"""bin/secrets.sh: random, one secret a file, nothing overwritten, the kill keys apart from the engine's."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(folder: Path) -> str:
    done = subprocess.run(
        ["sh", str(ROOT / "bin" / "secrets.sh"), str(folder)], check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "secrets"
    make(folder)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_the_folder_keeps_others_out_and_a_container_s_user_can_read_its_file(made):
    assert made.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in made.iterdir()} == {0o444}


def test_running_it_again_changes_nothing(made):
    before = contents(made)
    assert make(made) == ""
    assert contents(made) == before


def test_no_two_secrets_and_no_two_machines_are_alike(made, tmp_path):
    make(tmp_path / "other")
    single = {name: text for name, text in contents(made).items() if not name.endswith(".json")}
    other = {name: text for name, text in contents(tmp_path / "other").items() if not name.endswith(".json")}
    assert len({*single.values(), *other.values()}) == len(single) + len(other)
    assert all(len(text) >= 32 for text in single.values())
    assert len(single["pagerduty_routing_key"]) == 32


def test_the_venue_knows_both_keys_of_an_account_the_engine_its_own_only(made):
    files = contents(made)
    venue = json.loads(files["sandbox_accounts.json"])["accounts"]
    engine = json.loads(files["engine_accounts.json"])["accounts"]
    assert (
        [account["name"] for account in venue] == [account["name"] for account in engine] == ["mm", "trend", "meanrev"]
    )
    for account in venue:
        keys = {key["name"]: (key["api_key"], key["secret"]) for key in account["keys"]}
        name = account["name"]
        assert keys["killer"] == (files[f"venue_{name}_api_key"], files[f"venue_{name}_secret"])
        assert keys["engine"] == (files[f"engine_{name}_api_key"], files[f"engine_{name}_secret"])
        assert keys["killer"][0] not in files["engine_accounts.json"]
        assert keys["killer"][1] not in files["engine_accounts.json"]


def test_a_secret_that_was_lost_is_made_anew_and_the_accounts_follow(tmp_path):
    make(tmp_path / "s")
    before = contents(tmp_path / "s")
    (tmp_path / "s" / "venue_mm_api_key").unlink()
    make(tmp_path / "s")
    after = contents(tmp_path / "s")
    assert after["venue_mm_api_key"] != before["venue_mm_api_key"]
    assert after["venue_mm_api_key"] in after["sandbox_accounts.json"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"venue_mm_api_key", "sandbox_accounts.json"}


def test_no_operator_is_there_by_default(made):
    assert json.loads((made / "operators.json").read_text()) == {"operators": []}
