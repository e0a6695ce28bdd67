"""What the series say after some events."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.trading.apply import apply
from exporters.trading.engines import Expected
from exporters.trading.events import parse
from exporters.trading.keys import Currencies
from exporters.trading.state import Limits, Options, State
from tests.exporters.lines import NOON, line, shown, state_after

MM = "sandbox,mm,mm-btc"
BTC = f"{MM},BTC/USDT:USDT"


def ratio_after(*lines: bytes, now=NOON):
    return shown(state_after(*lines), now).get(f"trading_child_parent_ratio{{{MM}}}")


def test_an_equity_event_gives_equity_peak_drawdown_and_daily_loss():
    seen = shown(state_after(line("equity", equity="1000"), line("equity", equity="900")))
    assert seen[f"trading_equity{{{MM},USDT}}"] == 900
    assert seen[f"trading_equity_peak{{{MM},USDT}}"] == 1000
    assert seen[f"trading_drawdown_ratio{{{MM}}}"] == pytest.approx(0.1)
    assert seen[f"trading_daily_loss_ratio{{{MM}}}"] == pytest.approx(0.1)
    assert seen[f"trading_daily_pnl{{{MM},USDT}}"] == -100


def test_half_a_portfolio_bought_in_another_currency_is_no_loss_of_half():
    """Told by wallet, nothing is known of the whole: no drawdown, no daily loss, and a series that says why."""
    wallets = [line("equity", equity="1000"), line("equity", equity="500"), line("equity", currency="BTC", equity="5")]
    for strategy in ("mm-btc", None):
        seen = shown(
            state_after(
                *(each.replace(b'"strategy": "mm-btc", ', b"") if strategy is None else each for each in wallets)
            )
        )
        assert not [name for name in seen if "drawdown" in name and "max" not in name]
        assert not [
            name for name in seen if "daily" in name or name.startswith(("trading_equity{", "trading_account_"))
        ]
        assert seen[f"trading_equity_currencies{{sandbox,mm,{strategy or ''}}}"] == 2


def test_equity_in_one_reporting_currency_is_known():
    seen = shown(state_after(line("equity", equity="1000"), line("equity", equity="990")))
    assert seen[f"trading_equity_currencies{{{MM}}}"] == 1
    assert seen[f"trading_drawdown_ratio{{{MM}}}"] == pytest.approx(0.01)


def test_the_equity_of_an_account_is_not_that_of_a_strategy():
    seen = shown(state_after(line("equity", strategy=None, equity="5000")))
    assert seen["trading_account_equity{sandbox,mm,USDT}"] == 5000
    assert seen["trading_account_drawdown_ratio{sandbox,mm}"] == 0
    assert not any(name.startswith("trading_equity{") for name in seen)


def test_nothing_is_known_before_the_first_event():
    seen = shown(state_after())
    assert [name for name in seen if "forgotten" not in name and not name.startswith("exporter_")] == []


def test_exposure_is_summed_over_the_symbols_of_a_strategy():
    seen = shown(
        state_after(
            line("position", quantity="2", mark_price="100"),
            line("position", symbol="ETH/USDT:USDT", quantity="-5", mark_price="10", multiplier="2"),
            line("position", symbol="SOL/USDC:USDC", quantity="1", mark_price="7", currency="USDC"),
        )
    )
    assert seen[f"trading_gross_exposure{{{MM},USDT}}"] == 300
    assert seen[f"trading_net_exposure{{{MM},USDT}}"] == 100
    assert seen[f"trading_gross_exposure{{{MM},USDC}}"] == 7
    assert seen[f"trading_position_notional{{{MM},ETH/USDT:USDT,USDT}}"] == -100


def test_a_closed_position_is_an_exposure_of_zero():
    seen = shown(state_after(line("position", quantity="2"), line("position", quantity="0")))
    assert seen[f"trading_gross_exposure{{{MM},USDT}}"] == 0
    assert seen[f"trading_position_quantity{{{BTC}}}"] == 0


def test_margin_usage_is_maintenance_over_balance():
    state = state_after(line("equity", margin_balance="1000", maintenance_margin="250"))
    assert shown(state)["trading_margin_usage_ratio{sandbox,mm,USDT}"] == 0.25


def test_a_margin_without_any_balance_is_infinitely_used():
    state = state_after(line("equity", margin_balance="-1", maintenance_margin="250"))
    assert shown(state)["trading_margin_usage_ratio{sandbox,mm,USDT}"] == float("inf")


def test_no_margin_on_no_balance_is_unknown():
    state = state_after(line("equity", margin_balance="0", maintenance_margin="0"))
    assert "trading_margin_usage_ratio{sandbox,mm,USDT}" not in shown(state)


def test_what_the_account_says_of_its_margin_outweighs_what_a_strategy_says():
    state = state_after(
        line("equity", strategy=None, margin_balance="100", maintenance_margin="50"),
        line("equity", margin_balance="100", maintenance_margin="1"),
    )
    assert shown(state)["trading_margin_usage_ratio{sandbox,mm,USDT}"] == 0.5


def test_two_wallets_of_an_account_keep_a_margin_each():
    near = line("equity", strategy=None, currency="BTC", margin_balance="1", maintenance_margin="0.9")
    state = state_after(near, line("margin", strategy=None, margin_balance="1000", maintenance_margin="10"))
    seen = shown(state)
    assert seen["trading_margin_usage_ratio{sandbox,mm,BTC}"] == 0.9
    assert seen["trading_margin_usage_ratio{sandbox,mm,USDT}"] == 0.01


def test_an_inverse_position_is_worth_what_it_holds_of_its_base():
    """0.1 BTC at 60,000 is 0.1 BTC, and never 6,000 BTC."""
    place = {"symbol": "BTC/USD:BTC", "quantity": "-0.1"}
    seen = shown(
        state_after(
            line("position", **place, currency="BTC", mark_price="60000"),
            line("fill", symbol="BTC/USD:BTC", quantity="0.1", price="60000"),
        )
    )
    assert seen[f"trading_gross_exposure{{{MM},BTC}}"] == 0.1
    assert seen[f"trading_net_exposure{{{MM},BTC}}"] == -0.1
    assert seen[f"trading_position_notional{{{MM},BTC/USD:BTC,BTC}}"] == -0.1
    assert seen[f"trading_traded_notional_total{{{MM},BTC/USD:BTC,BTC}}"] == 0.1
    in_quote = shown(state_after(line("position", **place, currency="USD", mark_price="60000")))
    assert in_quote[f"trading_gross_exposure{{{MM},USD}}"] == 6000


def test_orders_are_counted_by_outcome():
    seen = shown(
        state_after(
            line("order_sent", client_order_id="a"), line("order_acknowledged", client_order_id="a"),
            line("cancel_sent", client_order_id="a"), line("order_cancelled", client_order_id="a", initiator="kill"),
            line("order_sent", client_order_id="b"), line("order_rejected", client_order_id="b", code="-2019"),
            line("order_sent", client_order_id="c"),
        )
    )  # fmt: skip
    assert seen[f"trading_orders_sent_total{{{BTC}}}"] == 3
    assert seen[f"trading_orders_acknowledged_total{{{BTC}}}"] == 1
    assert seen[f"trading_cancels_sent_total{{{BTC}}}"] == 1
    assert seen[f"trading_orders_cancelled_total{{{BTC},kill}}"] == 1
    assert seen[f"trading_orders_cancelled_total{{{BTC},engine}}"] == 0
    assert seen[f"trading_orders_rejected_total{{{BTC},-2019}}"] == 1
    assert seen[f"trading_orders_open{{{BTC}}}"] == 1


def test_fills_add_up_without_drift():
    """0.1 ten thousand times is a thousand."""
    state = state_after(*(line("fill", quantity="0.1", price="0.1", fee="0.1") for _ in range(10_000)))
    instrument = state.instruments["sandbox", "mm", "mm-btc", "BTC/USDT:USDT"]
    assert instrument.fills.quantity == 1000
    assert instrument.fills.notional == 100
    assert instrument.fills.fees["USDT"] == 1000
    assert shown(state)[f"trading_fills_total{{{BTC}}}"] == 10_000


def test_a_rebate_is_not_a_fee_that_falls():
    seen = shown(
        state_after(line("fill", fee="0.5"), line("fill", fee="-0.2"), line("fill", fee="1", fee_currency="BNB"))
    )
    assert seen[f"trading_fees_total{{{BTC},USDT}}"] == 0.5
    assert seen[f"trading_fee_rebates_total{{{BTC},USDT}}"] == 0.2
    assert seen[f"trading_fees_total{{{BTC},BNB}}"] == 1


def test_notional_counts_the_multiplier_of_the_contract():
    seen = shown(state_after(line("position", multiplier="10"), line("fill", quantity="3", price="2")))
    assert seen[f"trading_traded_notional_total{{{BTC},USDT}}"] == 60


def test_acknowledgement_takes_from_sent_to_acknowledged_once():
    state = state_after(
        line("order_sent"), line("order_acknowledged", time=NOON + 0.02), line("order_acknowledged", time=NOON + 5)
    )
    assert shown(state)[f"trading_order_acknowledgement_seconds_count{{{MM}}}"] == 1
    assert shown(state)[f"trading_order_acknowledgement_seconds_sum{{{MM}}}"] == pytest.approx(0.02, abs=1e-5)


def test_profit_is_what_the_equity_events_say_else_the_sum_of_the_positions():
    of_positions = [
        line("position", realised_pnl="3", unrealised_pnl="-1"),
        line("position", symbol="ETH/USDT:USDT", realised_pnl="4", unrealised_pnl="-2"),
    ]
    seen = shown(state_after(*of_positions))
    assert seen[f"trading_realised_pnl{{{MM},USDT}}"] == 7
    assert seen[f"trading_unrealised_pnl{{{MM},USDT}}"] == -3
    seen = shown(state_after(*of_positions, line("equity", realised_pnl="10")))
    assert seen[f"trading_realised_pnl{{{MM},USDT}}"] == 10
    assert seen[f"trading_unrealised_pnl{{{MM},USDT}}"] == -3


class TestChildParentRatio:
    """Child quantity working or filled over the parent's."""

    parent = staticmethod(lambda quantity="10", **more: line("parent_order", quantity=quantity, **more))
    child = staticmethod(
        lambda name, quantity, **more: line(
            "order_sent", client_order_id=name, quantity=quantity, parent_id="p1", **more
        )
    )

    def test_is_zero_for_a_parent_without_children(self):
        assert ratio_after(self.parent()) == 0

    def test_counts_working_children_whole(self):
        assert ratio_after(self.parent(), self.child("a", "4"), self.child("b", "4")) == 0.8

    def test_is_above_one_for_a_runaway(self):
        assert ratio_after(self.parent(), *(self.child(str(n), "4") for n in range(10))) == 4

    def test_leaves_out_what_remained_of_a_cancelled_child(self):
        events = [
            self.parent(),
            self.child("a", "4"),
            line("fill", client_order_id="a", quantity="1"),
            line("order_cancelled", client_order_id="a", remaining_quantity="3"),
        ]
        assert ratio_after(*events) == 0.1

    def test_does_not_trust_a_remainder_above_the_order(self):
        events = [
            self.parent(),
            self.child("a", "4"),
            self.child("b", "3"),
            line("order_cancelled", client_order_id="a", remaining_quantity="400"),
        ]
        assert ratio_after(*events) == 0.3

    def test_leaves_out_a_rejected_child(self):
        assert ratio_after(self.parent(), self.child("a", "4"), line("order_rejected", client_order_id="a")) == 0

    def test_keeps_a_filled_child(self):
        assert ratio_after(self.parent(), self.child("a", "4"), line("fill", client_order_id="a", quantity="4")) == 0.4

    def test_counts_what_was_filled_beyond_the_order(self):
        assert ratio_after(self.parent(), self.child("a", "4"), line("fill", client_order_id="a", quantity="20")) == 2

    def test_is_that_of_the_worst_parent(self):
        events = [
            self.parent(),
            self.child("a", "4"),
            self.parent("2", parent_id="p2"),
            line("order_sent", client_order_id="z", quantity="3", parent_id="p2"),
        ]
        assert ratio_after(*events) == 1.5

    def test_forgets_a_parent_ten_minutes_after_its_last_event(self):
        events = [self.parent(), self.child("a", "40", time=NOON + 60)]
        assert ratio_after(*events, now=NOON + 659) == 4
        assert ratio_after(*events, now=NOON + 661) == 0

    def test_sees_an_old_parent_again_when_a_child_comes(self):
        assert ratio_after(self.parent(), self.child("a", "40", time=NOON + 5000), now=NOON + 5001) == 4

    def test_is_unknown_while_nobody_announced_the_parent(self):
        seen = shown(state_after(self.child("a", "4")))
        assert f"trading_child_parent_ratio{{{BTC}}}" not in seen
        assert seen[f"trading_child_orders_without_parent_total{{{BTC}}}"] == 1

    def test_counts_children_that_came_before_their_parent(self):
        assert ratio_after(self.child("a", "4"), self.parent()) == 0.4

    def test_is_unknown_for_a_strategy_that_uses_no_parents(self):
        assert ratio_after(line("order_sent")) is None

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans()), max_size=20))
    def test_is_the_sum_over_children_of_what_works_or_was_filled(self, children):
        """Whatever part of each child fills and whether the rest is cancelled."""
        events, expected = [self.parent()], 0
        for number, (quantity, wanted, cancel) in enumerate(children):
            filled = min(wanted, quantity)
            events.append(self.child(str(number), str(quantity)))
            if filled:
                events.append(line("fill", client_order_id=str(number), quantity=str(filled)))
            if cancel:
                events.append(
                    line("order_cancelled", client_order_id=str(number), remaining_quantity=str(quantity - filled))
                )
            expected += filled if cancel else quantity
        assert ratio_after(*events) == pytest.approx(expected / 10)


def test_a_number_that_was_seen_changes_nothing():
    first, again = line("order_sent", seq=500), line("order_sent", seq=500, client_order_id="other")
    state = state_after(first)
    assert not apply(state, parse(again), NOON)
    assert not apply(state, parse(line("equity", seq=499)), NOON)
    assert shown(state)[f"trading_orders_sent_total{{{BTC}}}"] == 1
    assert state.books == {}


def test_a_new_session_counts_anew():
    state = state_after(line("order_sent", seq=500))
    assert apply(state, parse(line("order_sent", seq=1, session="s2")), NOON)
    assert not apply(state, parse(line("order_sent", seq=500)), NOON)


def test_numbers_left_out_are_counted_as_missing():
    state = state_after(line("heartbeat", seq=10), line("heartbeat", seq=11), line("heartbeat", seq=15))
    assert shown(state)["trading_events_missing_total{sandbox-engine}"] == 3


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_replay_of_everything_changes_nothing(data):
    kinds = data.draw(
        st.lists(st.sampled_from(["order_sent", "fill", "equity", "position", "parent_order"]), min_size=1, max_size=15)
    )
    lines = [line(kind) for kind in kinds]
    state = state_after(*lines)
    before = shown(state)
    for again in data.draw(st.permutations(lines)):
        assert not apply(state, parse(again), NOON)
    assert shown(state) == before


def test_heartbeats_of_engine_and_strategy_are_apart():
    seen = shown(
        state_after(
            line(
                "heartbeat",
                strategy=None,
                time=NOON - 9,
                state="paused",
                started_at="2026-11-22T11:00:00Z",
                open_orders=4,
            ),
            line("heartbeat", time=NOON - 2),
        )
    )
    assert seen["trading_engine_last_heartbeat_timestamp_seconds{sandbox-engine}"] == NOON - 9
    assert seen["trading_strategy_last_heartbeat_timestamp_seconds{sandbox-engine,mm-btc}"] == NOON - 2
    assert seen["trading_last_event_timestamp_seconds{sandbox-engine}"] == NOON - 2
    assert seen["trading_engine_state{sandbox-engine,paused}"] == 1
    assert seen["trading_engine_state{sandbox-engine,running}"] == 0
    assert seen["trading_strategy_state{sandbox-engine,mm-btc,running}"] == 1
    assert seen["trading_engine_start_time_seconds{sandbox-engine}"] == NOON - 3600
    assert seen["trading_engine_open_orders{sandbox-engine}"] == 4
    assert seen["trading_events_lag_seconds{sandbox-engine}"] == 2


def test_a_clock_that_is_ahead_does_not_make_a_heartbeat_younger_than_it_is():
    state = state_after(line("heartbeat", time=NOON + 50))
    seen = shown(state)
    assert seen["trading_strategy_last_heartbeat_timestamp_seconds{sandbox-engine,mm-btc}"] == NOON
    assert seen["trading_last_event_timestamp_seconds{sandbox-engine}"] == NOON


def test_a_configured_strategy_starts_at_zero():
    expected = Expected("sandbox-engine", ("sandbox", "mm", "mm-btc"), ("BTC/USDT:USDT",))
    state = State(Options(expected=(expected,), reject_codes=("-2010",)))
    seen = shown(state)
    for name in (
        f"trading_orders_sent_total{{{BTC}}}", f"trading_fills_total{{{BTC}}}", f"trading_child_parent_ratio{{{MM}}}",
        f"trading_orders_per_second{{{MM}}}", f"trading_slippage_cost_total{{{MM},USDT}}",
        f"trading_orders_rejected_total{{{BTC},-2010}}", f"trading_orders_rejected_total{{{BTC},other}}",
        f"trading_orders_cancelled_total{{{BTC},kill}}", f"trading_fees_total{{{BTC},USDT}}",
        f"trading_order_acknowledgement_seconds_count{{{MM}}}", "trading_events_total{sandbox-engine,fill}",
    ):  # fmt: skip
        assert seen[name] == 0, name
    assert not any("last_heartbeat" in name or "_equity" in name or "exposure" in name for name in seen)


class TestBounds:
    """Memory does not grow with what somebody sends."""

    def test_instruments(self):
        state = state_after(*(line("order_sent", symbol=f"S{n}/USDT") for n in range(9)), limits=Limits(instruments=3))
        assert len(state.instruments) == 3
        assert state.dropped["instruments"] == 6

    def test_engines(self):
        state = state_after(*(line("heartbeat", engine=f"e{n}") for n in range(9)), limits=Limits(engines=3))
        assert len(state.engines) == 3
        assert state.dropped["engines"] == 6

    def test_equities(self):
        state = state_after(*(line("equity", strategy=f"s{n}") for n in range(9)), limits=Limits(strategies=3))
        assert len(state.books) == 3
        assert state.dropped["strategies"] == 6

    def test_heartbeats(self):
        state = state_after(*(line("heartbeat", strategy=f"s{n}") for n in range(9)), limits=Limits(strategies=3))
        assert len(state.engines["sandbox-engine"].strategies) == 3

    def test_sessions_forget_the_one_that_was_silent_longest(self):
        sessions = ["a", "b", "c", "a", "d"]
        state = state_after(*(line("heartbeat", session=name) for name in sessions), limits=Limits(sessions=3))
        assert list(state.engines["sandbox-engine"].sessions) == ["c", "a", "d"]

    def test_open_orders(self):
        state = state_after(
            *(line("order_sent", client_order_id=str(n)) for n in range(9)), limits=Limits(open_orders=3)
        )
        assert len(state.orders.open) == 3
        assert shown(state)["trading_orders_forgotten_total{open_order}"] == 6

    def test_parents(self):
        state = state_after(*(line("parent_order", parent_id=str(n)) for n in range(9)), limits=Limits(parents=3))
        assert len(state.orders.parents) == 3
        assert shown(state)["trading_orders_forgotten_total{parent_order}"] == 6

    def test_reject_codes(self):
        state = state_after(*(line("order_rejected", code=f"c{n}") for n in range(100)))
        rejected = state.instruments["sandbox", "mm", "mm-btc", "BTC/USDT:USDT"].counts.rejected
        assert len(rejected) == 8
        assert rejected["other"] == 100 - 7

    def test_fee_currencies(self):
        state = state_after(*(line("fill", fee="1", fee_currency=f"c{n}") for n in range(100)))
        assert len(state.instruments["sandbox", "mm", "mm-btc", "BTC/USDT:USDT"].fills.fees) == 4
        assert state.dropped["currencies"] == 100 - 3


@pytest.mark.parametrize(
    ("symbol", "currency"),
    [
        ("BTC/USDT:USDT", "USDT"),
        ("BTC/USD:BTC", "BTC"),
        ("ETH/BTC", "BTC"),
        ("BTC/USDT:USDT-261225", "USDT"),
        ("BTCUSDT", ""),
    ],
)
def test_the_settlement_currency_stands_in_the_symbol(symbol, currency):
    assert Currencies.of(symbol).settle == currency


def test_quantities_of_twenty_digits_are_summed_exactly():
    state = state_after(line("fill", quantity="0.00000000000000000001"), line("fill", quantity="1"))
    instrument = state.instruments["sandbox", "mm", "mm-btc", "BTC/USDT:USDT"]
    assert instrument.fills.quantity == Decimal("1.00000000000000000001")
