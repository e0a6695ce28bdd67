"""The series about risk."""

from typing import Final

from exporters.series import gauge

_BOOK: Final = "venue account strategy"
_ESTIMATE: Final = f"{_BOOK} method confidence horizon currency"
_EQUITY: Final = "`equity` events"

VALUE_AT_RISK: Final = gauge(
    "risk_value_at_risk",
    _ESTIMATE,
    "rest",
    "money in `currency`",
    _EQUITY,
    "Loss that is exceeded with probability 1 - confidence over the horizon; method is historical or parametric. "
    "Absent with too few observations.",
)
SHORTFALL: Final = gauge(
    "risk_expected_shortfall",
    _ESTIMATE,
    "rest",
    "money in `currency`",
    _EQUITY,
    "Mean of the losses beyond the value at risk.",
)
OBSERVATIONS: Final = gauge(
    "risk_value_at_risk_observations",
    _ESTIMATE,
    "rest",
    "changes",
    _EQUITY,
    "Changes of equity (deposits removed) that the estimate has to go by.",
)
LEVERAGE: Final = gauge(
    "risk_leverage_ratio",
    _BOOK,
    "rest",
    "ratio; `+Inf` without any equity",
    "`equity`, `position` events",
    "Gross exposure over equity in the same currency; the highest of the currencies.",
)
CONCENTRATION: Final = gauge(
    "risk_concentration_ratio",
    _BOOK,
    "rest",
    "ratio 0-1",
    "`position` events",
    "Largest position's notional over gross exposure; the highest of the currencies. Absent while flat.",
)
MAX_DRAWDOWN: Final = gauge(
    "risk_max_drawdown_ratio",
    _BOOK,
    "rest",
    "ratio 0-1 (above 1: equity below zero)",
    _EQUITY,
    "Deepest trading_drawdown_ratio of the last `trading.risk.drawdown_days` days with events; survives a restart.",
)
SERIES: Final = (VALUE_AT_RISK, SHORTFALL, OBSERVATIONS, LEVERAGE, CONCENTRATION, MAX_DRAWDOWN)
