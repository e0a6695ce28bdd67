"""A peak is set anew by a person with the token, survives a restart, and never goes unsaid."""

import json
import signal
import time

import pytest

from exporters.trading.admin import RefusedError
from exporters.trading.intake.intake import Intake
from exporters.trading.peaks import PeakReset, PeakResets
from exporters.trading.state_file import StateFile
from tests.exporters.lines import NOON, line, shown, state_after
from tests.exporters.running import exporter, until
from tests.exporters.test_trading_process import config

MM = "{sandbox,mm,mm-btc}"
WHO = {"venue": "sandbox", "account": "mm", "strategy": "mm-btc", "reason": "hedge booked twice", "who": "alice"}
URL = "/api/v1/peaks/reset"
ALLOWED = {"Authorization": "Bearer open-sesame"}


def lost(*more: bytes) -> Intake:
    """1,000 at the start of the day, 800 now."""
    state = state_after(*more, line("equity", equity="1000"), line("equity", equity="800"))
    return Intake(state, clock=lambda: NOON)


def reset(intake: Intake, **changes: object):
    return PeakResets(intake, None, clock=lambda: NOON).reset(PeakReset(**{**WHO, **changes}))


def test_the_peak_becomes_the_equity_and_the_day_stays():
    intake = lost()
    done = reset(intake)
    seen = shown(intake.state)
    assert seen[f"trading_drawdown_ratio{MM}"] == 0
    assert seen[f"trading_daily_loss_ratio{MM}"] == pytest.approx(0.2)
    assert done["books"] == [
        {
            "currency": "USDT",
            "equity": "800",
            "peak_before": "1000",
            "peak": "800",
            "day_start_before": "1000",
            "day_start": "1000",
        }
    ]


def test_the_start_of_the_day_is_set_only_when_asked_for():
    intake = lost()
    reset(intake, peak=False, day_start=True)
    seen = shown(intake.state)
    assert seen[f"trading_drawdown_ratio{MM}"] == pytest.approx(0.2)
    assert seen[f"trading_daily_loss_ratio{MM}"] == 0


def test_a_loss_after_it_is_measured_from_it():
    intake = lost()
    reset(intake, day_start=True)
    intake.feed([line("equity", equity="760")], "http")
    seen = shown(intake.state)
    assert seen[f"trading_drawdown_ratio{MM}"] == pytest.approx(0.05)
    assert seen[f"trading_daily_loss_ratio{MM}"] == pytest.approx(0.05)


def test_every_currency_of_the_strategy_and_nothing_else_is_set():
    other = (line("equity", strategy="other", equity="10"), line("equity", strategy="other", equity="5"))
    own = (line("equity", currency="EUR", equity="10"), line("equity", currency="EUR", equity="5"))
    intake = lost(*other, *own)
    assert {book["currency"] for book in reset(intake)["books"]} == {"USDT", "EUR"}
    peaks = {key[2:]: book.peak for key, book in intake.state.books.items()}
    assert peaks == {("other", "USDT"): 10, ("mm-btc", "EUR"): 5, ("mm-btc", "USDT"): 800}


def test_an_empty_strategy_means_the_account():
    account = (line("equity", strategy=None, equity="10"), line("equity", strategy=None, equity="5"))
    intake = lost(*account)
    reset(intake, strategy="")
    seen = shown(intake.state)
    assert seen["trading_account_drawdown_ratio{sandbox,mm}"] == 0
    assert seen[f"trading_drawdown_ratio{MM}"] == pytest.approx(0.2)


def test_what_has_no_equity_cannot_be_set():
    intake = lost(line("equity", strategy="broke", equity="10"), line("equity", strategy="broke", equity="-1"))
    with pytest.raises(RefusedError, match="not above zero") as refused:
        reset(intake, strategy="broke")
    assert refused.value.status == 409
    with pytest.raises(RefusedError, match="ever said") as unknown:
        reset(intake, strategy="nobody")
    assert unknown.value.status == 404


def test_it_is_on_disk_before_it_is_answered(tmp_path):
    intake = lost()
    store = StateFile(tmp_path / "state.json", intake)
    resets = PeakResets(intake, store.save, clock=lambda: NOON)
    assert resets.reset(PeakReset(**WHO))["persisted"] is True
    again = Intake(state_after())
    StateFile(tmp_path / "state.json", again).load()
    assert shown(again.state)[f"trading_equity_peak{'{sandbox,mm,mm-btc,USDT}'}"] == 800


def test_a_disk_that_refuses_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    intake = lost()
    store = StateFile(tmp_path / "file" / "state.json", intake)
    assert PeakResets(intake, store.save, clock=lambda: NOON).reset(PeakReset(**WHO))["persisted"] is False


def test_each_is_counted_from_zero():
    intake = lost()
    resets = PeakResets(intake, None, clock=lambda: NOON)

    def counted():
        (family,) = resets.families()
        return {tuple(sample.labels.values()): sample.value for sample in family.samples}

    assert counted() == {("sandbox", "mm", "mm-btc"): 0}
    resets.reset(PeakReset(**WHO))
    assert counted() == {("sandbox", "mm", "mm-btc"): 1}


@pytest.fixture(scope="module")
def allowed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resets")
    (folder / "admin").write_text("open-sesame\n")
    asked = config(folder, admin_token_file=str(folder / "admin"))
    with exporter("trading", asked, folder) as running:
        running.ask(
            "/api/v1/events", b"\n".join(line("equity", time=time.time(), equity=each) for each in ("1000", "800"))
        )
        yield running


@pytest.mark.stack
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xe9"}])
def test_nobody_without_the_token_is_heard(allowed, headers):
    assert allowed.ask(URL, json.dumps(WHO).encode(), headers).status == 401


@pytest.mark.stack
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"hello", ""),
        (b"[]", ""),
        (json.dumps({**WHO, "reason": " "}).encode(), "reason"),
        (json.dumps({**WHO, "who": None}).encode(), "who"),
        (json.dumps({**WHO, "strategies": "all"}).encode(), "strategies"),
        (json.dumps({**WHO, "day_start": "yes"}).encode(), "day_start"),
        (json.dumps({**WHO, "peak": False}).encode(), ""),
    ],
)
def test_what_cannot_be_read_names_its_fault(allowed, body, field):
    answer = allowed.ask(URL, body, ALLOWED)
    assert answer.status == 422
    assert answer.json["errors"][0]["field"] == field


@pytest.mark.stack
def test_a_body_above_the_limit_is_refused(allowed):
    assert allowed.ask(URL, b" " * 20_000, ALLOWED).status == 413


@pytest.mark.stack
def test_reset_over_http_survives_a_kill_and_is_in_the_log(tmp_path):
    (tmp_path / "admin").write_text("open-sesame\n")
    asked = config(tmp_path, admin_token_file=str(tmp_path / "admin"))
    drawdown = 'trading_drawdown_ratio{account="mm",strategy="mm-btc",venue="sandbox"}'
    with exporter("trading", asked, tmp_path) as running:
        running.ask(
            "/api/v1/events", b"\n".join(line("equity", time=time.time(), equity=each) for each in ("1000", "800"))
        )
        assert running.wait_for(drawdown) == pytest.approx(0.2)
        answer = running.ask(URL, json.dumps(WHO).encode(), ALLOWED)
        assert answer.status == 200
        assert answer.json["persisted"] is True
        assert running.wait_for(drawdown, 0) == 0
        assert running.samples()['trading_peak_resets_total{account="mm",strategy="mm-btc",venue="sandbox"}'] == 1
        until(lambda: any(each["event"] == "peak reset" for each in list(running.log)), "the log line")
        (said,) = [each for each in running.log if each["event"] == "peak reset"]
        assert (said["who"], said["reason"], said["books"][0]["peak_before"]) == ("alice", "hedge booked twice", "1000")
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(10)
    with exporter("trading", asked, tmp_path) as running:
        assert running.wait_for(drawdown) == 0


@pytest.mark.stack
def test_without_a_token_file_there_is_no_such_path(tmp_path):
    with exporter("trading", config(tmp_path), tmp_path) as running:
        assert running.ask(URL, json.dumps(WHO).encode(), ALLOWED).status == 404
