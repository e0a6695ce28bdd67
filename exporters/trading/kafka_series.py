"""The series about events over Kafka; there are none where it is not configured."""

from typing import Final

from exporters.series import counter, gauge

UP: Final = gauge(
    "trading_kafka_up",
    "",
    "rest",
    "boolean",
    "the Kafka client",
    "1 while a broker of the configured cluster is connected.",
)
LAG: Final = gauge(
    "trading_kafka_lag_messages",
    "topic",
    "rest",
    "messages",
    "the Kafka client",
    "Messages that are there and were not read yet; absent while no broker is connected.",
)
FAILURES: Final = counter(
    "trading_kafka_failures_total",
    "reason",
    "rest",
    "failures",
    "the Kafka client",
    "What went wrong, by the client's own name for it.",
)
SERIES: Final = (UP, LAG, FAILURES)
