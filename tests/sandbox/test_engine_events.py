"""Trading events: as docs/events.md says, in order, and never lost while the exporter is away for a while."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engine.delivery import Delivery
from sandbox.engine.events import EventQueue, Reporter, encode, plain
from tests.engine_fixtures import check_event, schema

NOW = datetime(2026, 11, 22, 22, 33, 44, 123456, tzinfo=UTC)


def queue(capacity=1000):
    return EventQueue("sandbox-engine", "session-1", lambda: NOW, capacity)


def reporter(events):
    return Reporter(events, "mm-btc", "sandbox", "mm", "BTC/USDT:USDT", "USDT")


def read(events):
    return [json.loads(line) for line in events.take(10_000)]


def tell_everything(one):
    amount = Decimal("0.010")
    one.parent_order("mm-btc_p1", "buy", amount, Decimal("60000.05"))
    one.order_sent(
        "mm-btc_1",
        "buy",
        "limit",
        amount,
        price=Decimal(60000),
        parent_id="mm-btc_p1",
        reduce_only=False,
        arrival_mid=None,
    )
    one.order_acknowledged("mm-btc_1", "8000000001")
    one.order_rejected("mm-btc_2", "-2019", "Margin is insufficient.")
    one.cancel_sent("mm-btc_1")
    one.order_cancelled("mm-btc_1", amount, order_id="8000000001", initiator="engine")
    one.fill(
        "mm-btc_1",
        "17",
        "buy",
        amount,
        Decimal(60000),
        time=NOW,
        order_id="8000000001",
        fee=Decimal("0.12"),
        fee_currency="USDT",
        liquidity="maker",
        realised_pnl=Decimal("-1.5"),
        arrival_mid=Decimal(60001),
    )
    one.position(Decimal("-0.01"), Decimal(60000), entry_price=Decimal(60100), unrealised_pnl=Decimal(1))
    for whole_account in (False, True):
        one.equity(
            Decimal(100_000),
            whole_account=whole_account,
            realised_pnl=Decimal(-1),
            unrealised_pnl=Decimal(0),
            net_deposits=Decimal("1E+3"),
            margin_balance=Decimal(100_000),
            maintenance_margin=Decimal("2.4"),
            initial_margin=Decimal(30),
        )
    one.heartbeat("running", NOW, 2)


def test_every_event_is_what_the_page_says():
    types, events = schema(), queue()
    tell_everything(reporter(events))
    told = read(events)
    for event in told:
        check_event(event, types)
    # This engine cancels and sends anew, and its account has one wallet, whose margin is in the equity.
    assert {event["type"] for event in told} == set(types) - {"modify_sent", "margin"}
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))


def test_the_equity_of_an_account_names_no_strategy():
    events = queue()
    tell_everything(reporter(events))
    of_strategy, of_account = (one for one in read(events) if one["type"] == "equity")
    assert of_strategy["strategy"] == "mm-btc"
    assert "strategy" not in of_account
    assert of_account["net_deposits"] == "1000"


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_written_without_an_exponent_and_loses_nothing(number):
    text = plain(number)
    assert "e" not in text.lower()
    assert Decimal(text) == number


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_is_never_told(number):
    with pytest.raises(ValueError, match="no place"):
        plain(number)


def test_a_field_without_a_value_is_left_out():
    assert encode({"a": None, "b": Decimal("1.50"), "c": NOW, "d": True}) == (
        b'{"b":"1.5","c":"2026-11-22T22:33:44.123456Z","d":true}\n'
    )


def test_the_oldest_go_when_nobody_listens_and_it_is_said(caplog):
    events = queue(capacity=5)
    with caplog.at_level(logging.WARNING):
        for _ in range(8):
            events.emit("heartbeat", state="running")
    assert events.dropped == 3
    assert [one["seq"] for one in read(events)] == [4, 5, 6, 7, 8]
    assert len([one for one in caplog.records if "dropping" in one.message]) == 1


# Delivery, to a real HTTP server.


class Exporter:
    """Takes events, as long as `status` is 202."""

    def __init__(self) -> None:
        self.status = 202
        self.largest = 10_000_000
        self.seen = []
        self.asked = 0
        self.headers = []

    async def post(self, request):
        self.asked += 1
        body = await request.read()
        self.headers.append(dict(request.headers))
        if len(body) > self.largest:
            return web.Response(status=413)
        if self.status == 202:
            self.seen += [json.loads(line) for line in body.splitlines()]
        return web.json_response({"accepted": 1, "duplicates": 0, "malformed": 0, "errors": []}, status=self.status)

    def seqs(self):
        return [one["seq"] for one in self.seen]


@asynccontextmanager
async def listening(exporter):
    app = web.Application()
    app.router.add_post("/api/v1/events", exporter.post)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/events"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def delivering(delivery):
    task = asyncio.create_task(delivery.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_events_arrive_in_order_in_batches_and_with_the_token(tmp_path):
    async def scenario():
        exporter, events = Exporter(), queue()
        async with listening(exporter) as url:
            delivery = Delivery(events, url, "secret", tmp_path / "events.jsonl")
            async with delivering(delivery):
                for _ in range(50):
                    events.emit("heartbeat", state="running")
                # The exporter has them a moment before the engine has its answer.
                await until(lambda: delivery.delivered == 50)
        assert exporter.seqs() == list(range(1, 51))
        assert exporter.asked == 1
        assert exporter.headers[0]["Authorization"] == "Bearer secret"
        assert exporter.headers[0]["Content-Type"] == "application/x-ndjson"
        assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 50

    asyncio.run(scenario())


def test_nothing_is_lost_while_the_exporter_refuses(caplog):
    async def scenario():
        exporter, events = Exporter(), queue()
        exporter.status = 503
        async with listening(exporter) as url:
            delivery = Delivery(events, url, None, None)
            async with delivering(delivery):
                events.emit("heartbeat", state="running")
                await until(lambda: exporter.asked >= 2)
                events.emit("heartbeat", state="paused")
                exporter.status = 202
                await until(lambda: len(exporter.seen) == 2)
        assert exporter.seqs() == [1, 2]
        assert "Authorization" not in exporter.headers[0]

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())
    assert [one.message for one in caplog.records if "answered 503" in one.message] == [
        "events: the exporter answered 503"
    ]


def test_nothing_is_lost_while_the_exporter_is_not_there():
    async def scenario():
        exporter, events = Exporter(), queue()
        async with listening(exporter) as url:
            pass
        delivery = Delivery(events, url, None, None)
        async with delivering(delivery):
            events.emit("heartbeat", state="running")
            await until(lambda: delivery.failures >= 1)
        async with listening(exporter) as url:
            again = Delivery(events, url, None, None)
            again._unfinished = delivery._unfinished
            await again.drain(2)
        assert exporter.seqs() == [1]

    asyncio.run(scenario())


def test_a_batch_that_is_too_large_is_sent_in_halves():
    async def scenario():
        exporter, events = Exporter(), queue()
        exporter.largest = 1000
        async with listening(exporter) as url, delivering(Delivery(events, url, None, None)):
            for _ in range(40):
                events.emit("heartbeat", state="running")
            await until(lambda: len(exporter.seen) == 40)
        assert exporter.seqs() == list(range(1, 41))

    asyncio.run(scenario())
