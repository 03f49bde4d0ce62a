"""How Sinkwell itself fares: its sinks, its spool, its notifiers."""

from typing import Literal

from sinkwell.contract.events.fact import Fact


class SinkPaused(Fact, frozen=True, kw_only=True):
    """A sink does not work; its deliveries wait while it is probed."""

    TYPE = "sink.paused"
    sink: str
    error: str


class SinkStillPaused(Fact, frozen=True, kw_only=True):
    """A sink has been paused for longer than ``[alerts] sink_paused``; told once a pause."""

    TYPE = "sink.still_paused"
    sink: str
    paused_for: float
    """Seconds."""
    error: str


class SinkResumed(Fact, frozen=True, kw_only=True):
    """A paused sink works again."""

    TYPE = "sink.resumed"
    sink: str
    paused_for: float
    """Seconds."""


class SinkFailing(Fact, frozen=True, kw_only=True):
    """Attempts at a sink failed one after the other, with no success between.

    Told at 50, 70, 90 and 100 percent of ``[alerts] failures``.
    """

    TYPE = "sink.failing"
    sink: str
    failures: int
    percent: int
    error: str
    """What the newest of them failed with."""


class SinkMisbehaved(Fact, frozen=True, kw_only=True):
    """A sink broke the contract: a foreign exception, or a receipt that does not agree."""

    TYPE = "sink.misbehaved"
    sink: str
    delivery_id: str
    error: str


class SpoolLow(Fact, frozen=True, kw_only=True):
    """The spool is fuller than ``[alerts] spool_full``; told again once it was emptier."""

    TYPE = "spool.low"
    used: int
    """Bytes that waiting files take."""
    free: int
    """Bytes that may still come before callbacks are answered 503."""


class NotificationFailed(Fact, frozen=True, kw_only=True):
    """A notifier will not be told of an event: it rejects it, or the last attempt failed.

    There is none of a notification that was itself about a ``notification.failed``.
    """

    TYPE = "notification.failed"
    notification_id: str
    notifier: str
    about_id: str
    """The event that is not told."""
    about_type: str
    state: Literal["rejected", "exhausted"]
    attempt: int
    error: str


class NotifierDisabled(Fact, frozen=True, kw_only=True):
    """A notifier is told nothing more until someone enables it; its notifications wait."""

    TYPE = "notifier.disabled"
    notifier: str
    reason: str


class NotifierEnabled(Fact, frozen=True, kw_only=True):
    """Someone enabled a notifier that was disabled."""

    TYPE = "notifier.enabled"
    notifier: str


class NotifierTest(Fact, frozen=True, kw_only=True):
    """Someone asks whether a notifier works. Told to that one alone; it is not in the log."""

    TYPE = "notifier.test"
    notifier: str
