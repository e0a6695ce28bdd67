"""Which books the adapter knows of an account, and what it refuses to be built with."""

from pathlib import Path
from typing import Any

import ccxt
import pytest
from pydantic import ValidationError

from tests.venue_benches import ccxt_venue
from webhook.errors import PermanentError
from webhook.venues.ccxt.exchanges import CATALOGUE
from webhook.venues.ccxt.markets import Markets
from webhook.venues.ccxt.options import CREDENTIAL_FIELDS, Options

KEYS = ("api_key_file", "secret_file", "password_file")


@pytest.fixture
def options(tmp_path):
    def make(exchange: str, *keys: str, **changes: Any) -> dict[str, Any]:
        for key in keys or KEYS[:2]:
            (tmp_path / key).write_text("0x" + "ab" * 32)
        files = {key: str(tmp_path / key) for key in keys or KEYS[:2]}
        return {"exchange": exchange, **files, **changes}

    return make


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm", "bybit", "hyperliquid", "kraken", "gate", "bitget"])
def test_every_address_is_moved_to_the_base_url(options, exchange):
    keys = ("wallet_address_file", "private_key_file") if exchange == "hyperliquid" else KEYS
    with ccxt_venue(options(exchange, *keys, base_url="http://127.0.0.1:8710")) as venue:
        addresses = list(flat(venue._client.urls["api"]))
        assert addresses
        assert all(address.startswith("http://127.0.0.1:8710") for address in addresses)


def flat(address: Any):
    """Every address in a nest of them."""
    if isinstance(address, dict):
        for inner in address.values():
            yield from flat(inner)
    elif isinstance(address, str):
        yield address


def test_an_unknown_exchange_is_refused_with_a_guess(options):
    with pytest.raises(PermanentError, match="binanceusdm"), ccxt_venue(options("binanceusdmm")):
        pass


def test_a_missing_key_names_the_option(options):
    with pytest.raises(PermanentError, match="password_file"), ccxt_venue(options("okx")):
        pass


@pytest.mark.parametrize(("content", "told"), [(None, "cannot read"), ("  \n", "is empty")])
def test_a_key_file_that_is_missing_or_empty_is_named(options, content, told):
    given = options("binanceusdm")
    path = Path(given["secret_file"])
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(PermanentError, match=r"secret_file: .*secret_file") as fault, ccxt_venue(given):
        pass
    assert told in str(fault.value)


def test_an_exchange_without_a_test_system_is_refused_one(options):
    with pytest.raises(PermanentError, match="test system"), ccxt_venue(options("kraken", sandbox=True)):
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"exchange": 7},
        {"secret": "in-the-configuration"},
        {"base_url": "127.0.0.1:8710"},
        {"base_url": "http://127.0.0.1:8710/path"},
        {"request_timeout_seconds": 0},
        {"symbols": "BTC/USDT"},
        {"sandbox": "yes"},
        {"products": "spot"},
        {"capabilities": {}},
    ],
    ids=str,
)
def test_options_are_strict(wrong):
    with pytest.raises(ValidationError):
        Options.model_validate({"exchange": "binanceusdm", **wrong})


def test_a_product_that_the_exchange_does_not_have_is_refused_with_those_it_has(options):
    with pytest.raises(PermanentError, match=r"usdm.*coinm"), ccxt_venue(options("binance", products=["swap"])):
        pass


def test_binance_means_all_of_binance_until_it_is_told_otherwise(options):
    # With perpetuals configured alone, spot, COIN-M and margin were never read.
    with ccxt_venue(options("binance", symbols=["BTC/USDT:USDT"])) as venue:
        assert venue.order_books(None) is None
        assert venue.order_books(["BTC/USDT:USDT"]) == {"usdm", "usdm algo", "futures algorithms"}
        assert venue.order_books(["BTC/USD:BTC"]) == {"coinm", "coinm algo"}
        assert venue.position_books(None) is None
        assert venue.position_books(["BTC/USDT:USDT"]) == {"usdm"}
    with ccxt_venue(options("binance", products=["spot", "usdm", "coinm"])) as venue:
        assert venue.order_books(None) == {"spot", "usdm", "usdm algo", "coinm", "coinm algo"}
    with ccxt_venue(options("binance", products=["spot", "isolated_margin"])) as venue:
        assert venue.order_books(["BTC/USDT"]) == {"spot", "isolated margin"}


def test_a_market_that_the_account_cannot_trade_has_no_known_books(options):
    with ccxt_venue(options("binanceusdm")) as venue:
        assert venue.order_books(["BTC/USD:BTC"]) is None
        assert venue.order_books(["BTCUSDT"]) is None


def test_an_exchange_without_a_file_is_never_verified(options):
    with ccxt_venue(options("whitebit")) as venue:
        assert venue.order_books(None) is None
        assert venue.order_books(["BTC/USDT"]) is None
        assert venue.position_books(None) is None


def test_the_credentials_have_the_names_that_ccxt_has():
    assert set(CREDENTIAL_FIELDS) <= set(ccxt.binance().requiredCredentials)


@pytest.mark.parametrize(
    ("exchange", "symbol", "expected"),
    [
        ("binanceusdm", "BTC/USDT:USDT", "BTCUSDT"),
        ("binance", "BTC/USDT", "BTCUSDT"),
        ("binance", "BTC/USD:BTC", "BTCUSD_PERP"),
        ("binancecoinm", "BTC/USD:BTC", "BTCUSD_PERP"),
        ("binanceusdm", "FOOUSDT", "FOOUSDT"),
        ("binanceusdm", "BTC/USDT:USDT-251226", None),
    ],
)
def test_the_own_name_of_a_market_is_guessed_where_its_form_is_known(exchange, symbol, expected):
    known = CATALOGUE[exchange]
    assert Markets(known, known.products, {}, ()).own_name(symbol) == expected


def test_a_configured_own_name_is_taken():
    known = CATALOGUE["binance"]
    assert Markets(known, known.products, {"BTC/USD": "XXBTZUSD"}, ()).own_name("BTC/USD") == "XXBTZUSD"


@pytest.mark.parametrize(
    ("exchange", "products", "symbol", "books"),
    [
        # A TWAP order of Hyperliquid, or a spread of Bybit, may trade this market, and no list shows it.
        ("hyperliquid", [], "BTC/USDC:USDC", None),
        ("hyperliquid", ["perpetuals"], "BTC/USDC:USDC", {"orders"}),
        ("bybit", [], "BTC/USD:BTC", None),
        ("bybit", ["inverse"], "BTC/USD:BTC", {"inverse"}),
        # A spread of OKX is in two markets at once: a read of one symbol does not show it.
        ("okx", [], "BTC/USDT:USDT", None),
        ("gate", [], "BTC/USDT:USDT", None),
        ("bitget", ["spot", "margin"], "BTC/USDT", None),
    ],
)
def test_a_symbol_is_covered_only_where_nothing_that_can_trade_it_is_left_out(
    options, exchange, products, symbol, books
):
    keys = ("wallet_address_file", "private_key_file") if exchange == "hyperliquid" else KEYS
    with ccxt_venue(options(exchange, *keys, products=products)) as venue:
        assert venue.order_books([symbol]) == books
