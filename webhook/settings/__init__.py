"""The configuration: one YAML file, the environment on top, and every fault told at once.

``load`` returns frozen `Settings` or raises `ConfigError` with the whole list of what is wrong, each with its dotted
path and what to do.  Nothing is guessed: an unknown key, a value of another kind, a secret that is missing, empty or
writable by anybody stops the service before it starts.
"""

from webhook.settings.faults import ConfigError, ConfigFault
from webhook.settings.load import load
from webhook.settings.models import (
    AccessSettings,
    BudgetSettings,
    EngineSettings,
    FlattenSettings,
    IntakeSettings,
    LimitSettings,
    ListenSettings,
    LogSettings,
    NotifierSettings,
    PolicyRuleSettings,
    PolicySettings,
    PrometheusSettings,
    Settings,
    StoreSettings,
    StrategySettings,
    VenueSettings,
)

__all__ = [
    "AccessSettings",
    "BudgetSettings",
    "ConfigError",
    "ConfigFault",
    "EngineSettings",
    "FlattenSettings",
    "IntakeSettings",
    "LimitSettings",
    "ListenSettings",
    "LogSettings",
    "NotifierSettings",
    "PolicyRuleSettings",
    "PolicySettings",
    "PrometheusSettings",
    "Settings",
    "StoreSettings",
    "StrategySettings",
    "VenueSettings",
    "load",
]
