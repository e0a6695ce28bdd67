"""A simulated Binance: real paths, real shapes, real errors, and faults on command.

Why it exists: a kill switch that was only ever tested against mocks was never tested.  An unmodified ccxt trades here,
the killer cancels here, and both meet what a real venue does on a bad day (docs/sandbox.md).

Reading order: `instruments` (what is traded), `orders` and `accounts` (who owns what), `market` (books, and what moves
them), `matching` (what happens to an order), `faults` (breaking it), `rest` (Binance's paths), `venue` (all of it in
one object), `http` (how it is reached).
"""


def main(argv: list[str]) -> int:
    """Run the venue until it is told to stop; returns the exit code."""
    from sandbox.venue.cli import main as run  # noqa: PLC0415  # the catalogue of programs must import fast

    return run(argv)
