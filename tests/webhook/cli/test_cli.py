"""The command line against a real service over HTTP."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.builders import an_alert
from tests.rig import Rig, a_rig, settings_document
from tests.web_app import app_of, served
from webhook.access.operators import add_operator
from webhook.access.principal import Role
from webhook.actions.port import Side
from webhook.cli import main

SCOPE = "venue=sandbox,account=mm,strategy=mm-btc"
BTC = "BTC/USDT:USDT"


@dataclass
class Terminal:
    """Runs commands; `who` has a token file."""

    rig: Rig
    folder: Path
    capsys: Any

    def run(self, *arguments: str, who: str | None = None) -> tuple[int, str, str]:
        token = ("--token-file", str(self.folder / f"{who}.token")) if who else ()
        code = main([*arguments, *token])
        told = self.capsys.readouterr()
        return code, told.out, told.err


Keys, Screen = pytest.MonkeyPatch, pytest.CaptureFixture[str]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: Keys, capsys: Screen) -> Iterator[Terminal]:
    yield from open_terminal(tmp_path, monkeypatch, capsys)


@pytest.fixture
def shadow_terminal(tmp_path: Path, monkeypatch: Keys, capsys: Screen) -> Iterator[Terminal]:
    """The service runs in shadow mode."""
    yield from open_terminal(tmp_path, monkeypatch, capsys, mode="shadow")


def open_terminal(tmp_path: Path, monkeypatch: Keys, capsys: Screen, **changes: Any) -> Iterator[Terminal]:
    operators = tmp_path / "operators.json"
    for name, role in {"vic": Role.VIEWER, "tom": Role.TRADER, "rita": Role.RISK}.items():
        (tmp_path / f"{name}.token").write_text(add_operator(operators, name, role, None))
    with a_rig(tmp_path, **changes) as rig, served(app_of(rig)) as url:
        monkeypatch.setenv("ANDON_URL", url)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("ANDON_TOKEN", raising=False)
        yield Terminal(rig, tmp_path, capsys)


def test_status_is_0_when_everything_is_normal(terminal: Terminal) -> None:
    code, out, _ = terminal.run("status", who="vic")
    assert code == 0
    assert "everything is NORMAL" in out
    assert "Watchdog: never heard" in out


def test_status_is_3_and_shows_what_is_tripped_and_who_is_waited_for(terminal: Terminal) -> None:
    terminal.rig.until_verified(terminal.rig.trip())
    terminal.rig.all_resolve()
    terminal.run("resume", "--scope", SCOPE, "--reason", "looked at it", who="tom")
    code, out, _ = terminal.run("status", who="vic")
    assert code == 3
    assert "1 HALTED" in out
    assert SCOPE in out
    assert "looked at it" in out
    assert "nothing" in out


def test_status_is_2_when_nothing_answers(terminal: Terminal) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        code, _, err = terminal.run("status", "--url", url, who="vic")
    assert code == 2
    assert "does not answer" in err


def test_a_trip_is_followed_until_verified(terminal: Terminal) -> None:
    code, out, _ = terminal.run(
        "trip", "--action", "flatten", "--scope", SCOPE, "--reason", "test", "--wait", who="tom"
    )
    assert code == 0
    assert "first cancel sent" in out
    assert "Verified" in out


def test_a_trip_that_is_not_verified_in_time_is_4(terminal: Terminal) -> None:
    terminal.rig.venue("sandbox-mm").faults.unreachable = True
    code, out, _ = terminal.run(
        "trip", "--action", "halt", "--scope", SCOPE, "--reason", "test", "--wait", "--timeout", "0.5", who="tom"
    )
    assert code == 4
    assert "NOT verified" in out
    assert "sandbox-mm does not answer" in out


def test_a_trip_may_keep_the_stops_that_can_only_close(terminal: Terminal) -> None:
    venue = terminal.rig.venue("sandbox-mm")
    venue.place(
        BTC, Side.SELL, Decimal(1), Decimal(80), book="trigger", reduce_only=True, client_order_id="mm-btc_stop"
    )
    venue.place(BTC, Side.BUY, Decimal(1), Decimal(90), client_order_id="mm-btc_quote")
    arguments = ("--scope", SCOPE, "--reason", "test", "--keep", "protective")
    code, out, _ = terminal.run("trip", "--action", "halt", "--wait", *arguments, who="tom")
    assert (code, "Verified" in out) == (0, True)
    assert [one.client_order_id for one in venue.open_orders(None, 1.0).orders] == ["mm-btc_stop"]
    code, out, _ = terminal.run("status", who="vic")
    assert (code, "keeps protective stops" in out) == (3, True)
    code, _, err = terminal.run("trip", "--action", "flatten", *arguments, who="tom")
    assert (code, "keeps no stops" in err) == (1, True)


def test_what_is_left_at_the_venue_is_told_while_it_waits_and_in_the_status(terminal: Terminal) -> None:
    venue = terminal.rig.venue("sandbox-mm")
    venue.place(BTC, Side.SELL, Decimal(1), Decimal(80), cancellable=False)
    wait = ("--wait", "--timeout", "1.5")
    code, out, _ = terminal.run("trip", "--action", "halt", "--scope", SCOPE, "--reason", "test", *wait, who="tom")
    assert code == 4
    assert "left: sandbox-mm: 1 orders, 0 positions" in out
    assert "sandbox-mm has an order that cannot be cancelled" in out
    code, out, _ = terminal.run("status", who="vic")
    assert code == 3
    assert "unverified" in out
    assert "sandbox-mm has an order that cannot be cancelled" in out


def test_shadow_mode_lists_what_it_would_have_touched(shadow_terminal: Terminal) -> None:
    venue = shadow_terminal.rig.venue("sandbox-mm")
    venue.place(BTC, Side.BUY, Decimal("0.5"), Decimal(90), client_order_id="mm-btc_1")
    venue.hold(BTC, Decimal(-2))
    listed = (
        "sandbox-mm: would cancel mm-btc_1 of mm-btc: buy 0.5 BTC/USDT:USDT at 90, worth 45.0",
        "sandbox-mm: would close -2 BTC/USDT:USDT, worth 200 USDT",
    )
    code, out, _ = shadow_terminal.run(
        "trip", "--action", "flatten", "--scope", SCOPE, "--reason", "test", "--wait", who="tom"
    )
    assert code == 0
    assert "Shadow mode: nothing was sent." in out
    assert all(line in out for line in listed)
    code, out, _ = shadow_terminal.run("status", who="vic")
    assert (code, "shadow mode: nothing is sent" in out) == (3, True)
    assert all(line in out for line in listed)


def test_one_person_clears_what_was_only_shadow(shadow_terminal: Terminal) -> None:
    shadow_terminal.run("trip", "--action", "halt", "--scope", SCOPE, "--reason", "test", "--wait", who="tom")
    code, _, err = shadow_terminal.run("trip", "--action", "halt", "--scope", SCOPE, "--reason", "test", who="rita")
    assert (code, "(shadow)" in err) == (1, True)
    code, out, _ = shadow_terminal.run("resume", "--scope", SCOPE, "--reason", "seen", who="tom")
    assert (code, out) == (0, f"Resumed: {SCOPE} is normal.\n")
    assert shadow_terminal.run("status", who="vic")[0] == 0


def test_a_trip_without_wait_says_that_asking_is_not_doing(terminal: Terminal) -> None:
    code, out, _ = terminal.run(
        "trip", "--action", "reduce", "--scope", "venue=sandbox", "--reason", "x", "--minutes", "5", who="tom"
    )
    assert code == 0
    assert "andon status" in out


def test_what_is_refused_is_1_and_said_in_words(terminal: Terminal) -> None:
    code, _, err = terminal.run("trip", "--action", "halt", "--scope", SCOPE, "--reason", "x", who="vic")
    assert code == 1
    assert "(forbidden)" in err
    code, _, err = terminal.run("trip", "--action", "halt", "--scope", "venu=x", "--reason", "x", who="tom")
    assert (code, "unknown scope label venu" in err) == (1, True)


def test_two_people_resume(terminal: Terminal) -> None:
    terminal.run("trip", "--action", "halt", "--scope", SCOPE, "--reason", "test", "--wait", who="tom")
    code, out, _ = terminal.run("resume", "--scope", SCOPE, "--reason", "fine", who="tom")
    assert code == 0
    request = out.rpartition("andon approve ")[2].strip()
    assert terminal.run("approve", request, who="tom")[0] == 1
    code, out, _ = terminal.run("approve", request, who="rita")
    assert (code, "is normal" in out) == (0, True)
    assert terminal.run("status", who="vic")[0] == 0


def test_a_request_is_withdrawn(terminal: Terminal) -> None:
    terminal.run("trip", "--action", "halt", "--scope", SCOPE, "--reason", "test", who="tom")
    _, out, _ = terminal.run("resume", "--scope", SCOPE, "--reason", "fine", who="tom")
    code, out, _ = terminal.run("withdraw", out.rpartition("andon approve ")[2].strip(), who="tom")
    assert (code, "Withdrawn" in out) == (0, True)


def test_no_resume_while_the_alert_fires(terminal: Terminal) -> None:
    terminal.rig.trip()
    terminal.rig.all_resolve()
    terminal.rig.prometheus.fires(an_alert(starts_at=datetime.now(UTC)))
    code, _, err = terminal.run("resume", "--scope", SCOPE, "--reason", "fine", who="tom")
    assert (code, "(still_firing)" in err) == (1, True)


class TestTokens:
    """A token comes from a file or the environment, never from an argument."""

    def test_environment(self, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANDON_TOKEN", (terminal.folder / "vic.token").read_text())
        assert terminal.run("status")[0] == 0

    def test_home(self, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        place = terminal.folder / ".config" / "andon" / "token"
        place.parent.mkdir(parents=True)
        place.write_text((terminal.folder / "vic.token").read_text() + "\n")
        assert terminal.run("status")[0] == 0

    def test_none(self, terminal: Terminal) -> None:
        code, _, err = terminal.run("status")
        assert (code, "--token-file" in err) == (1, True)

    def test_wrong(self, terminal: Terminal) -> None:
        (terminal.folder / "wrong.token").write_text("nobody-knows-this-token")
        code, _, err = terminal.run("status", who="wrong")
        assert (code, "(unauthorised)" in err) == (1, True)
        assert "nobody-knows-this-token" not in err

    def test_unreadable(self, terminal: Terminal) -> None:
        code, _, err = terminal.run("status", who="absent")
        assert (code, "cannot be read" in err) == (1, True)


class TestJournal:
    """`verify-audit` over the API and in the store."""

    def test_whole(self, terminal: Terminal) -> None:
        terminal.rig.until_verified(terminal.rig.trip())
        code, out, _ = terminal.run("verify-audit", who="vic")
        assert (code, "Whole: " in out) == (0, True)
        head = out.partition("Head: ")[2].split()[0]
        store = f"sqlite:///{terminal.folder / 'andon.db'}"
        assert terminal.run("verify-audit", "--store", store, "--head", head)[0] == 0
        assert terminal.run("verify-audit", "--config", str(terminal.folder / "andon.json"), "--head", head)[0] == 0

    def test_another_head(self, terminal: Terminal) -> None:
        terminal.rig.trip()
        code, out, _ = terminal.run("verify-audit", "--head", "1:" + "0" * 64, who="vic")
        assert (code, "BROKEN at record 1" in out) == (1, True)
        code, out, _ = terminal.run("verify-audit", "--head", "99:" + "0" * 64, who="vic")
        assert (code, "end is missing" in out) == (1, True)
        assert terminal.run("verify-audit", "--head", "nonsense", who="vic")[0] == 1

    def test_changed(self, terminal: Terminal) -> None:
        terminal.rig.until_verified(terminal.rig.trip())
        terminal.rig.assembly.worker.stop()
        with sqlite3.connect(terminal.folder / "andon.db") as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            journal = next(
                table
                for table in tables
                if {"previous", "hash"} <= {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            )
            for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {trigger}")
            database.execute(f"UPDATE {journal} SET actor = 'somebody else' WHERE sequence = 1")
        database.close()
        code, out, _ = terminal.run("verify-audit", "--store", f"sqlite:///{terminal.folder / 'andon.db'}")
        assert (code, "BROKEN at record 1" in out) == (1, True)

    def test_absent(self, terminal: Terminal) -> None:
        code, _, err = terminal.run("verify-audit", "--store", f"sqlite:///{terminal.folder / 'absent.db'}")
        assert (code, "no store" in err) == (1, True)
        assert not (terminal.folder / "absent.db").exists()


class TestMachine:
    """What is run where the service is."""

    @pytest.fixture
    def run(self, capsys: pytest.CaptureFixture[str]) -> Run:
        def run(*arguments: str) -> tuple[int, str, str]:
            code = main(list(arguments))
            told = capsys.readouterr()
            return code, told.out, told.err

        return run

    def test_check_config_says_what_it_would_do(self, terminal: Terminal) -> None:
        code, out, _ = terminal.run("check-config", "--config", str(terminal.folder / "andon.json"))
        assert code == 0
        assert "armed: sandbox-mm, sandbox-shared" in out
        assert "never" not in out

    def test_check_config_says_what_can_never_be_verified(self, run: Run, tmp_path: Path) -> None:
        document = settings_document(tmp_path)
        document["venues"][0]["options"]["unread_books"] = ["trigger"]
        document["venues"][1]["options"]["has_positions"] = False
        path = tmp_path / "andon.json"
        path.write_text(json.dumps(document))
        code, out, _ = run("check-config", "--config", str(path))
        assert code == 0
        assert 'warning: sandbox-mm: "no open order" can never be verified: ' in out
        assert 'warning: sandbox-shared: "no position" can never be verified: ' in out

    def test_check_config_says_that_an_exchange_nobody_knows_is_never_verified(self, run: Run, tmp_path: Path) -> None:
        document = settings_document(tmp_path)
        for name in ("key", "secret"):
            (tmp_path / name).write_text("0123456789abcdef")
        options = {"exchange": "phemex", "symbols": ["BTC/USDT:USDT"], "api_key_file": "key", "secret_file": "secret"}
        document["venues"][1] |= {"adapter": "ccxt", "mode": "live", "options": options}
        path = tmp_path / "andon.json"
        path.write_text(json.dumps(document))
        code, out, err = run("check-config", "--config", str(path))
        assert code == 0, err
        assert 'sandbox-shared: "no open order" can never be verified: phemex: which order books it has is not' in out
        assert "sandbox-mm:" not in out

    def test_check_config_makes_each_adapter(self, run: Run, tmp_path: Path) -> None:
        document = settings_document(tmp_path)
        document["venues"][0] |= {"adapter": "ccxt", "options": {"exchange": "binanse"}}
        path = tmp_path / "andon.json"
        path.write_text(json.dumps(document))
        code, _, err = run("check-config", "--config", str(path))
        assert code == 1
        assert "venues[0].options: exchange: ccxt has no 'binanse'; did you mean" in err

    def test_check_config_lists_every_fault(self, terminal: Terminal) -> None:
        path = terminal.folder / "andon.json"
        document = json.loads(path.read_text())
        document["venues"][0]["options"]["wrong"] = 1
        document["notifiers"][0]["adapter"] = "pigeon"
        document["strategies"]["mm-btc"]["account"] = "nowhere"
        document["limits"]["sweep_seconds"] = 0
        path.write_text(json.dumps(document))
        code, _, err = terminal.run("check-config", "--config", str(path))
        assert code == 1
        assert "venues[0].options.wrong" in err
        assert "'pigeon' is not one of" in err
        assert "strategies.mm-btc.account" in err
        assert "limits.sweep_seconds" in err

    def test_an_operator_is_added_and_listed(self, run: Run, tmp_path: Path) -> None:
        path = tmp_path / "operators.json"
        code, out, err = run("operator", "add", "--file", str(path), "--name", "eve", "--role", "risk", "--hours", "12")
        assert code == 0
        assert out.strip() not in err
        assert out.strip() not in path.read_text()
        code, out, _ = run("operator", "list", "--file", str(path))
        assert (code, "eve" in out, "UTC" in out) == (0, True, True)
        assert run("operator", "add", "--file", str(path), "--name", "eve", "--role", "risk")[0] == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["stop"],
            ["trip"],
            ["trip", "--action", "page", "--scope", "global", "--reason", "x"],
            ["drill", "--fault", "fire"],
        ],
    )
    def test_a_wrong_command_line_is_64(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 64
        assert "usage: andon" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "command",
        [
            "status",
            "trip",
            "resume",
            "approve",
            "withdraw",
            "verify-audit",
            "drill",
            "serve",
            "check-config",
            "operator",
        ],
    )
    def test_every_command_explains_itself(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
        assert "exit codes:" in capsys.readouterr().out

    def test_a_broken_pipe_is_no_trace(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "webhook", "check-config", "--reference"],
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[3],
            check=False,
        )
        os.close(writing)
        assert b"Traceback" not in done.stderr
