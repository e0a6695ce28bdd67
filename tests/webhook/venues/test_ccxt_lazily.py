"""ccxt loaded one exchange at a time is the ccxt that everybody knows; each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

ONLY_WHAT_IS_ASKED_FOR = """
import sys
from webhook.venues import VENUES
assert not [name for name in sys.modules if name.startswith("ccxt.abstract.")], "an exchange was loaded"
from webhook.venues.ccxt.venue import ccxt
assert "kraken" in ccxt.exchanges
assert issubclass(ccxt.binanceusdm, ccxt.binance)
loaded = {name for name in sys.modules if name.startswith("ccxt.abstract.")}
assert loaded == {"ccxt.abstract.binance", "ccxt.abstract.binanceusdm"}, loaded
assert not hasattr(ccxt, "no_such_exchange")
"""
EVERY_EXCHANGE = """
from webhook.venues.ccxt.venue import ccxt as asynchronous
import ccxt
from ccxt import kraken, OrderNotFound
assert kraken is ccxt.kraken
for package in (asynchronous, ccxt):
    for name in package.exchanges:
        made = getattr(package, name)
        assert isinstance(made, type), name
        assert made({}).id == name, name
"""
LOADED_BEFORE = """
import ccxt.async_support
before = ccxt.async_support.binanceusdm
from webhook.venues.ccxt.venue import ccxt as ours
assert ours is ccxt.async_support
assert ours.binanceusdm is before
"""


@pytest.mark.parametrize("program", [ONLY_WHAT_IS_ASKED_FOR, EVERY_EXCHANGE, LOADED_BEFORE])
def test_an_exchange_is_loaded_when_it_is_asked_for(program):
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
