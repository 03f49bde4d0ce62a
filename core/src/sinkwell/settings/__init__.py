"""TOML and environment into typed settings, with errors that name the place and the cure."""

from sinkwell.settings.load import load
from sinkwell.settings.model import (
    AlertsSettings,
    EventsSettings,
    IntakeSettings,
    LedgerSettings,
    LogSettings,
    RetrySettings,
    Route,
    ServerSettings,
    Settings,
    SpoolSettings,
)
from sinkwell.settings.problems import Problem, SettingsError

__all__ = [
    "AlertsSettings",
    "EventsSettings",
    "IntakeSettings",
    "LedgerSettings",
    "LogSettings",
    "Problem",
    "RetrySettings",
    "Route",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "SpoolSettings",
    "load",
]
