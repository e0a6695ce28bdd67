"""docs/metrics.md says what the exporters serve, no more and no less, and every name keeps the conventions."""

import gzip
import time

import pytest

from exporters import settings as config
from exporters.catalogue import EXPORTERS
from exporters.market_data import exporter as market_data
from exporters.market_data.settings import Measure
from exporters.reference import tables
from exporters.scrape import Scrape
from exporters.series import Series
from exporters.serve import Exporter
from exporters.system import databases
from exporters.system import exporter as system
from exporters.system.databases import DatabaseSight
from exporters.system.settings import Ntp
from exporters.trading import exporter as trading
from exporters.trading import reconciliation
from exporters.trading.intake import kafka
from exporters.trading.retirement.request import Retirement, Retirements
from tests.exporters.lines import TYPES, line
from tests.exporters.running import REPOSITORY, until
from tests.exporters.test_system import a_sleeper, answering, time_page
from tests.exporters.test_system_more import a_time_server, reply

PAGE = REPOSITORY / "docs" / "metrics.md"
UNITS = ("_seconds", "_bytes", "_ratio", "_total")
EVERY: list[Series] = list({each.name: each for entry in EXPORTERS.values() for each in entry.series}.values())


def test_the_page_is_what_the_program_prints():
    """After a change: python -m exporters --reference, below the marker."""
    _, _, reference = PAGE.read_text().partition("<!-- reference -->\n")
    assert reference == tables()


@pytest.mark.parametrize("series", EVERY, ids=lambda series: series.name)
def test_a_name_keeps_the_conventions(series):
    assert series.name.islower()
    assert series.name.endswith("_total") == (series.kind == "counter")
    assert series.name.split("_")[0] in ("trading", "market", "system", "exporter", "risk", "database", "anomaly")
    assert series.help.endswith(".")
    assert not set(series.labels) & {
        "type_",
        "service",
        "env",
        "cluster",
        "region",
        "job",
        "instance",
        "le",
        "quantile",
    }
    if "ratio" in series.unit:
        assert series.name.endswith("_ratio")
    if series.unit.startswith("seconds") and series.kind != "counter":
        assert "_seconds" in series.name or series.name.endswith("_seconds")


def test_a_series_is_declared_the_same_way_wherever_it_is_served():
    for entry in EXPORTERS.values():
        for series in entry.series:
            assert series in EVERY


def served(exporter: Exporter):
    """Family names with their kinds, labels and set."""
    scrape = Scrape(exporter.name, exporter.collectors)
    scrape.families(None)
    found = {}
    for subset in ("kill", "rest"):
        for family in scrape.families(subset):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name not in found, f"{name} is in both sets"
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, labels, subset)
    return found


def declared(name):
    return {each.name: (each.kind, set(each.labels), each.subset) for each in EXPORTERS[name].series}


def test_the_trading_exporter_serves_what_it_declares(tmp_path):
    risk = config.TradingRisk(interval_seconds=1, min_observations=2, confidences=("0.5",), horizons=("1s",))
    expected = config.ExpectedStrategy(name="s", engine="e", venue="v", account="a")
    made = trading.build(config.TradingSettings(state_file=tmp_path / "state.json", risk=risk, strategies=(expected,)))
    now = time.time()
    lines = [
        *(line("equity", time=now - 9 + second) for second in range(5)),
        line("equity", time=now, strategy=None, margin_balance="5", maintenance_margin="1"),
        line("equity", time=now, realised_pnl="1", unrealised_pnl="1"),
        line("order_sent", time=now, client_order_id="x", parent_id="p1"),
        line("heartbeat", time=now, strategy="left", state="stopped", open_orders=0),
        line("heartbeat", time=now, strategy=None, started_at="2026-11-22T12:00:00Z", open_orders=1),
        line("fill", time=now, fee="-1", arrival_mid="99"),
        *(line(kind, time=now) for kind in TYPES),
    ]
    store, intake = made.sources[0], made.sources[0]._intake
    assert intake.feed(lines, "http").accepted == len(lines)
    store.save()
    Retirements(intake, None).retire(Retirement(venue="v", account="a", strategy="old", who="me", reason="moved"))
    # Tests with a real broker and a real venue look at these.
    elsewhere = {each.name for each in (*kafka.SERIES, *reconciliation.SERIES)}
    assert served(made) == {name: each for name, each in declared("trading").items() if name not in elsewhere}


def test_the_market_data_exporter_serves_what_it_declares(tmp_path):
    capture = tmp_path / "c.gz"
    stream = '1723161255000000000 {"stream":"btcusdt@%s","data":%s}\n'
    capture.write_bytes(
        gzip.compress(
            (
                '1723161255000000000 {"lastUpdateId":6,"bids":[["100","1"]],"asks":[["102","1"]]}\n'
                + stream % ("bookTicker", '{"E":1723161255000,"u":7,"b":"100","B":"1","a":"102","A":"1"}')
                + stream % ("trade", '{"E":1723161255000,"t":7,"p":"100","q":"1"}')
                + stream % ("depth@0ms", '{"E":1723161255000,"U":7,"u":8,"pu":6,"b":[],"a":[]}')
            ).encode()
        )
    )
    feed = config.CaptureFeed(venue="v", source="capture", file=capture, symbols=("BTC/USDT:USDT",), pace="fast")
    asked = config.NdjsonFeed(
        venue="w", source="ndjson", url="http://127.0.0.1:1", symbols=("BTC/USDT:USDT",), status_path="/exchangeInfo"
    )
    quick = Measure(session_seconds=60, depth_ratio_band_bps=500, move_windows=("10s",), volatility_windows=("10s",))
    made = market_data.build(config.MarketDataSettings(feeds=(feed, asked), measure=quick, first_message_seconds=1e-9))
    recording, sampler = made.sources[0], made.sources[-1]
    recording._play()  # not its thread: at the end of it the book would be lost
    recording._feed.now_ns = lambda: moment * 1_000_000_000
    for moment in range(1_723_161_255, 1_723_161_355):  # as if a minute and more went by
        for market in recording._feed.markets.values():
            market.book.updated_ns = market.best.received_ns = moment * 1_000_000_000
        sampler.sample()
    assert served(made) == declared("market-data")


def test_the_system_exporter_serves_what_it_declares():
    mark = f"andon-test-{time.monotonic_ns()}"
    with (
        answering({"/time": time_page(), "/healthz": (200, b"")}) as url,
        a_time_server(lambda question: [reply(question)]) as (server, _),
        a_sleeper(mark),
    ):
        made = system.build(
            config.SystemSettings(
                processes=(config.Process(name="p", health_url=f"{url}/healthz", cmdline=mark),),
                venues=(config.ProbedVenue(venue="v", url=url, time_path="/time"),),
                ntp=Ntp(servers=(server,)),
                host_seconds=0.02,
            )
        )
        # What a database shows needs one: test_system_databases.py.
        expected = {name: what for name, what in declared("system").items() if not name.startswith("database_")}
        for source in made.sources:
            source.start()
        until(lambda: len(served(made)) == len(expected), "every probe")
        assert served(made) == expected
        for source in made.sources:
            source.stop()
    sight = DatabaseSight(True, {"a": 1.0}, {"a": 1.0}, 0.5, {"a": 1.0}, {"a": 1.0}, 1.0, {"a": 1.0})
    shown = {family.name for family in databases.families([("d", sight)])}
    assert shown == {name.removesuffix("_total") for name in declared("system") if name.startswith("database_")}
