"""Whatever one engine sends, the page stays within what Prometheus takes: a scrape above a limit fails as a whole."""

import time

import pytest
import yaml

from exporters.page import encode
from exporters.scrape import Scrape
from exporters.settings import TradingRisk, TradingSettings
from exporters.trading import exporter as trading
from exporters.trading.events import MAX_TEXT
from exporters.trading.retirement.request import Retirement, Retirements
from exporters.trading.risk.sampler import RiskSampler
from tests.exporters.lines import line
from tests.exporters.running import REPOSITORY

JOBS = {
    job["job_name"]: job
    for job in yaml.safe_load((REPOSITORY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
}
SIZES = {"KB": 2**10, "MB": 2**20}


def size(text):
    return int(text[:-2]) * SIZES[text[-2:]]


def long(name, number):
    """A label value of the most bytes there may be, of letters that have four each."""
    return f"{name}{number:08}".ljust(12, "x") + "\U0001f514" * ((MAX_TEXT - 12) // 4)


def garbage():
    """More of everything than there is room for, and of each what makes the most of a page."""
    now = time.time()

    def said(kind, n, **changes: object):
        strategy = {"strategy": long("s", n % 300), "venue": long("v", n % 300), "account": long("a", n % 300)}
        engine = {"engine": long("e", n % 32), "session": f"{kind}{n}"}
        return line(kind, time=now, **{**engine, **strategy, "symbol": long("y", n), **changes})

    for n in range(320):
        money = {"currency": long("c", n % 300)}
        margin = {"margin_balance": "1", "maintenance_margin": "1"}
        yield said("equity", n, **money, **margin, realised_pnl="1", unrealised_pnl="1")
        yield said("heartbeat", n, state="stopped", open_orders=n % 2)
        yield said("heartbeat", n, session="own", strategy=None, started_at="2026-11-22T11:00:00Z", open_orders=1)
    for n in range(1_300):
        money = {"currency": long("c", n % 300)}
        order = {"client_order_id": str(n)}
        yield said("position", n, **money, realised_pnl="1", unrealised_pnl="1")
        yield said("parent_order", n, parent_id=str(n))
        yield said("order_sent", n, **order, parent_id=str(n))
        yield said("order_acknowledged", n, **order)
        for extra in range(9):
            yield said("order_rejected", n, **order, session=f"r{n}{extra}", code=f"code-{extra}".ljust(32, "c"))
        for extra in range(10):
            paid = {"fee": str((-1) ** extra), "fee_currency": long("f", extra), "arrival_mid": "9"}
            yield said("fill", n, **order, session=f"f{n}{extra}", **paid)
    yield from (line("heartbeat", time=now, engine=long("x", n)) for n in range(5))


@pytest.fixture(scope="module")
def full():
    made = trading.build(TradingSettings(risk=TradingRisk(interval_seconds=1, min_observations=2, observations=100)))
    (sampler,) = [each for each in made.sources if isinstance(each, RiskSampler)]
    intake = sampler._intake
    assert intake.feed(list(garbage()), "http").malformed == 0
    for curve in intake.state.curves.values():  # as if they had been told for a while
        for change in range(100):
            curve.add(float(change), intake.state.options.risk)
    sampler.sample()
    for number in range(300):
        place = {"venue": long("v", number), "account": "a", "strategy": "b", "engine": long("e", number)}
        Retirements(intake, None).retire(Retirement(**place, who="w", reason="r"))
    room_left = {name for name, dropped in intake.state.dropped.items() if not dropped}
    assert room_left == {"sessions"}, "these have no samples"
    return Scrape(made.name, made.collectors)


@pytest.mark.parametrize("subset", ["kill", "rest"])
def test_a_page_full_of_garbage_is_one_that_prometheus_takes(full, subset):
    job = JOBS["trading-kill" if subset == "kill" else "trading"]
    families = full.families(subset)
    samples = [sample for family in families for sample in family.samples]
    assert len(samples) > 1_000
    print(subset, len(samples), len(encode(families)))
    assert len(samples) <= job["sample_limit"]
    assert len(encode(families)) <= size(job["body_size_limit"])
    # job, instance and, in a bucket, le are added to these.
    assert max(len(sample.labels) for sample in samples) + 3 <= job["label_limit"]
    values = {value for sample in samples for value in sample.labels.values()}
    assert max(len(value.encode()) for value in values) <= job["label_value_length_limit"]
