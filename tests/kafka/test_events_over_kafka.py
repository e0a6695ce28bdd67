"""Trading events over a real Kafka broker: at least once, never counted twice, and a broker that goes away."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.exporters.lines import line
from tests.exporters.running import exporter, until
from tests.kafka.broker import running_broker

confluent_kafka = pytest.importorskip("confluent_kafka", reason="the extra andon[kafka] is not installed")
admin = pytest.importorskip("confluent_kafka.admin")

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
BTC = 'account="mm",strategy="mm-btc",symbol="BTC/USDT:USDT",venue="sandbox"'
SENT = f"trading_orders_sent_total{{{BTC}}}"
OPEN = f"trading_orders_open{{{BTC}}}"
DUPLICATES = 'trading_events_duplicate_total{transport="kafka"}'
QUIET = {"log_level": 0}


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def topic(broker, request):
    name = f"t-{request.node.name[:40]}"
    client = admin.AdminClient({"bootstrap.servers": broker.address, **QUIET})
    client.create_topics([admin.NewTopic(name, 1, 1)])[name].result(30)
    return name


def config(broker, topic, folder: Path):
    kafka = {"bootstrap_servers": broker.address, "topics": [topic], "group": f"g-{topic}"}
    return {
        "trading": {
            "listen": {"port": 0},
            "state_file": str(folder / "state.json"),
            "events": {"http": False, "kafka": kafka},
        }
    }


def produce(broker, topic, lines):
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, **QUIET})
    for each in lines:
        producer.produce(topic, each, key=b"sandbox-engine")
    assert producer.flush(30) == 0


def committed(broker, topic):
    """The group's offset; -1001 when it never committed."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": f"g-{topic}", **QUIET})
    try:
        return consumer.committed([confluent_kafka.TopicPartition(topic, 0)], 10)[0].offset
    finally:
        consumer.close()


def orders(first, count):
    now = time.time()
    return [line("order_sent", time=now, client_order_id=f"k{n}") for n in range(first, first + count)]


def test_events_become_series_and_replays_change_nothing(broker, topic, tmp_path):
    lines = orders(0, 500)
    produce(broker, topic, [*lines, b"no event", *lines])
    with exporter("trading", config(broker, topic, tmp_path), tmp_path) as running:
        running.wait_for(DUPLICATES, 500)
        assert running.samples()[SENT] == 500
        assert running.samples()['trading_events_malformed_total{transport="kafka"}'] == 1
        running.wait_for("trading_kafka_up", 1)
        running.wait_for(f'trading_kafka_lag_messages{{topic="{topic}"}}', 0)
        until(lambda: committed(broker, topic) == 1001, "the commit")


def test_a_killed_exporter_takes_up_where_its_state_file_was(broker, topic, tmp_path):
    produce(broker, topic, orders(0, 300))
    with exporter("trading", config(broker, topic, tmp_path), tmp_path) as running:
        running.wait_for(SENT, 300)
        until(lambda: committed(broker, topic) == 300, "the commit")
        produce(broker, topic, orders(300, 200))
        running.wait_for(SENT, 500)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(10)
    produce(broker, topic, orders(500, 100))
    with exporter("trading", config(broker, topic, tmp_path), tmp_path) as running:
        assert running.wait_for(OPEN, 600) == 600
        until(lambda: committed(broker, topic) == 600, "the commit")
        seen = running.samples()
        assert seen[SENT] + seen[DUPLICATES] <= 300
        assert 'trading_events_missing_total{engine="sandbox-engine"}' in seen
        assert seen['trading_events_missing_total{engine="sandbox-engine"}'] == 0


def test_nothing_is_committed_before_the_state_is_on_disk(broker, topic, tmp_path):
    in_the_way = tmp_path / "disk"
    in_the_way.write_text("not a folder")
    settings = config(broker, topic, tmp_path)
    settings["trading"]["state_file"] = str(in_the_way / "state.json")
    produce(broker, topic, orders(0, 50))
    with exporter("trading", settings, tmp_path) as running:
        running.wait_for(SENT, 50)
        until(lambda: running.samples()['exporter_state_save_failures_total{exporter="trading"}'] >= 2, "failed writes")
        assert committed(broker, topic) == -1001
        in_the_way.unlink()
        until(lambda: committed(broker, topic) == 50, "the commit")


def test_a_broker_that_goes_away_is_said_survived_and_caught_up_with(broker, topic, tmp_path):
    produce(broker, topic, orders(0, 10))
    with exporter("trading", config(broker, topic, tmp_path), tmp_path) as running:
        running.wait_for(SENT, 10)
        running.wait_for("trading_kafka_up", 1)
        broker.stop()
        running.wait_for("trading_kafka_up", 0)
        assert running.ask("/healthz").status == 200
        seen = running.samples()
        assert seen[SENT] == 10
        assert not any(name.startswith("trading_kafka_lag") for name in seen), "unknown is absent"
        broker.start()
        produce(broker, topic, orders(10, 40))
        until(lambda: running.samples()[SENT] == 50, "the events that came meanwhile", 60)
        running.wait_for("trading_kafka_up", 1)
        assert running.process.poll() is None


def test_an_exporter_that_starts_without_its_broker_serves_and_waits(broker, topic, tmp_path):
    produce(broker, topic, orders(0, 5))
    broker.stop()
    try:
        with exporter("trading", config(broker, topic, tmp_path), tmp_path) as running:
            assert running.samples()["trading_kafka_up"] == 0
            until(lambda: any(name.startswith("trading_kafka_failures") for name in running.samples()), "the failures")
            broker.start()
            until(lambda: running.samples().get(SENT) == 5, "the events", 60)
    finally:
        if broker.process is None:
            broker.start()
