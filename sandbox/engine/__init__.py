"""The sandbox engine: three small strategies that trade on the sandbox venue, and the switches to stop them.

It stands where a user's own trading program will stand: it trades through an unmodified ccxt, tells the trading
exporter what it does (docs/events.md), obeys a control API, and breaks on command so that the kill path can be tried.
"""


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m sandbox engine``; the exit code says how it ended (0 asked to stop, 2 wrong options)."""
    from sandbox.engine.cli import main as run  # noqa: PLC0415  # ccxt takes a second to import: only when it is run

    return run(argv)
