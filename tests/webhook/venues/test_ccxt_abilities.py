"""What the adapter believes an exchange can do, and what it refuses to be built with."""

from pathlib import Path
from typing import Any

import ccxt
import pytest
from pydantic import ValidationError

from tests.venue_benches import ccxt_venue
from webhook.errors import PermanentError
from webhook.venues import ccxt_tables
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


@pytest.mark.parametrize(
    ("exchange", "changes", "books", "positions", "wide"),
    [
        ("binance", {}, ("normal",), False, False),
        ("binance", {"options": {"defaultType": "swap"}}, ("normal", "trigger"), True, False),
        ("binance", {"symbols": ["BTC/USDT:USDT"]}, ("normal", "trigger"), True, False),
        ("binance", {"market_types": ["spot", "swap"]}, ("normal", "trigger"), True, False),
        ("binanceusdm", {}, ("normal", "trigger"), True, False),
        ("binancecoinm", {}, ("normal", "trigger"), True, False),
        ("bybit", {}, ("normal", "trigger"), True, True),
        ("gate", {}, ("normal", "trigger"), False, True),
        ("kraken", {}, ("normal",), False, True),
        ("krakenfutures", {}, ("normal",), True, True),
        ("mexc", {}, ("normal", "trigger"), False, False),
    ],
)
def test_capabilities_follow_exchange_and_market_type(options, exchange, changes, books, positions, wide):
    with ccxt_venue(options(exchange, **changes)) as venue:
        said = venue.capabilities
        assert (said.books, said.positions, said.account_wide_cancel) == (books, positions, wide)


def test_okx_has_three_books_no_cancel_all_and_batches(options):
    with ccxt_venue(options("okx", *KEYS)) as venue:
        assert venue.capabilities.books == ("normal", "trigger", "trailing")
        assert not venue.capabilities.account_wide_cancel
        assert venue.capabilities.batch_cancel


def test_options_have_the_last_word(options):
    given = {
        "books": {"normal": {}, "plan": {"planOrder": True}},
        "positions": False,
        "account_wide_cancel": True,
        "account_wide_read": False,
        "batch_cancel": False,
    }
    with ccxt_venue(options("binanceusdm", capabilities=given)) as venue:
        said = venue.capabilities
        assert said.books == ("normal", "plan")
        assert (said.positions, said.account_wide_cancel) == (False, True)
        assert (said.account_wide_read, said.batch_cancel) == (False, False)


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm", "bybit", "hyperliquid", "kraken", "gate", "bitget"])
def test_every_address_is_moved_to_the_base_url(options, exchange):
    keys = ("wallet_address_file", "private_key_file") if exchange == "hyperliquid" else KEYS
    with ccxt_venue(options(exchange, *keys, base_url="http://127.0.0.1:8710")) as venue:
        addresses = list(flat(venue._exchange.urls["api"]))
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
        {"capabilities": {"batch_size": 0}},
        {"capabilities": {"cancel": True}},
    ],
    ids=str,
)
def test_options_are_strict(wrong):
    with pytest.raises(ValidationError):
        Options.model_validate({"exchange": "binanceusdm", **wrong})


def test_the_tables_name_only_exchanges_and_credentials_that_ccxt_has():
    aliases = {"huobi", "gateio"}
    named = (
        ccxt_tables.TRIGGER_BOOKS
        | ccxt_tables.CONTRACT_TRIGGER_BOOKS
        | ccxt_tables.TRAILING_BOOKS
        | ccxt_tables.NO_TRIGGER_CANCEL_ALL
        | ccxt_tables.SYMBOL_REQUIRED_TO_CANCEL_ALL
        | ccxt_tables.SYMBOL_REQUIRED_TO_READ
        | ccxt_tables.BATCH_TRIGGER
        | set(ccxt_tables.BATCH_SIZES)
        | set(ccxt_tables.PAGE_SIZES)
        | set(ccxt_tables.BOOK_DEPTHS)
        | set(ccxt_tables.CONSTRUCTION)
    )
    assert named - aliases <= set(ccxt.exchanges)
    assert set(CREDENTIAL_FIELDS) <= set(ccxt.binance().requiredCredentials)


@pytest.mark.parametrize(
    ("default", "symbols", "types", "expected"),
    [
        (("spot", None), [], [], [{}]),
        (("spot", None), ["BTC/USDT"], [], [{}]),
        (("spot", None), ["BTC/USDT:USDT"], [], [{"type": "swap"}]),
        (("spot", None), ["BTC/USDT", "BTC/USDT:USDT"], [], [{"type": "spot"}, {"type": "swap"}]),
        (("spot", None), ["BTC/USDT:USDT", "BTC/USDT:USDT-271231"], [], [{"type": "swap"}, {"type": "future"}]),
        (("spot", None), ["BTC/USD:BTC"], [], [{"type": "swap", "subType": "inverse"}]),
        (("spot", None), ["BTC/USDT:USDT-271231-50000-C"], [], [{"type": "option"}]),
        (("swap", "linear"), ["BTC/USDT:USDT"], [], [{}]),
        (("swap", None), ["BTC/USDT:USDT"], [], [{}]),
        (("swap", "inverse"), ["BTC/USD:BTC"], [], [{}]),
        (
            ("swap", "linear"),
            ["BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT"],
            [],
            [{"type": "swap", "subType": "linear"}, {"type": "swap", "subType": "inverse"}, {"type": "spot"}],
        ),
        (("spot", None), ["BTC/USDT"], ["spot", "margin"], [{"type": "spot"}, {"type": "margin"}]),
    ],
)
def test_the_whole_account_is_asked_for_in_every_market_that_it_trades_in(default, symbols, types, expected):
    assert list(ccxt_tables.wide_markets(default, symbols, types)) == expected


@pytest.mark.parametrize(
    ("exchange", "symbol", "market_id", "expected"),
    [
        ("binanceusdm", "BTC/USDT:USDT", None, ("BTCUSDT", "swap", True)),
        ("binance", "BTC/USDT", None, ("BTCUSDT", "spot", None)),
        ("binancecoinm", "BTC/USD:BTC", None, ("BTCUSD_PERP", "swap", False)),
        ("okx", "BTC/USDT:USDT", None, ("BTC-USDT-SWAP", "swap", True)),
        ("kraken", "BTC/USD", "XXBTZUSD", ("XXBTZUSD", "spot", None)),
        ("binanceusdm", "FOOUSDT", "FOOUSDT", ("FOOUSDT", "swap", True)),
    ],
)
def test_a_market_can_be_guessed_well_enough_to_cancel_in(exchange, symbol, market_id, expected):
    market = ccxt_tables.guessed_market(exchange, symbol, market_id, contract=True)
    assert market is not None
    assert (market["id"], market["type"], market["linear"]) == expected


@pytest.mark.parametrize(
    ("exchange", "symbol"), [("kraken", "BTC/USD"), ("binanceusdm", "BTC/USDT:USDT-251226"), ("binanceusdm", "BTCUSDT")]
)
def test_a_market_is_not_guessed_where_the_name_is_not_known(exchange, symbol):
    assert ccxt_tables.guessed_market(exchange, symbol) is None
