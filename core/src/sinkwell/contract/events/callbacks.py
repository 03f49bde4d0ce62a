"""Callbacks, and the fetches that follow from them."""

from collections.abc import Mapping

from sinkwell.contract.events.fact import Fact


class CallbackReceived(Fact, frozen=True, kw_only=True):
    """An authentic callback with at least one file was accepted and is durable."""

    TYPE = "callback.received"
    callback_id: str
    source: str
    provider_id: str


class CallbackDuplicate(Fact, frozen=True, kw_only=True):
    """A callback arrived that was accepted before: answered alike, nothing delivered again."""

    TYPE = "callback.duplicate"
    callback_id: str
    """The callback that was accepted."""
    source: str
    provider_id: str
    same_content: bool
    """False when the repeat carried other bytes; the first ones stand."""


class CallbackRefused(Fact, frozen=True, kw_only=True):
    """Callbacks were answered with an error of the sender's; nothing of them was kept.

    Refusals of one kind are counted, and told once a minute at most.
    """

    TYPE = "callback.refused"
    source: str
    problem: str
    """The last part of the problem's ``type``: ``not-authentic``, ``too-large`` …"""
    status: int
    detail: str
    """What the newest of them was told."""
    count: int


class CallbackProviderFailed(Fact, frozen=True, kw_only=True):
    """The provider called back to say that it has no file."""

    TYPE = "callback.provider_failed"
    callback_id: str
    source: str
    provider_id: str
    provider_status: str


class CallbackMissing(Fact, frozen=True, kw_only=True):
    """A callback that was expected did not come in time."""

    TYPE = "callback.missing"
    source: str
    provider_id: str
    """Of the capture; empty when the source as a whole is silent."""
    waited: float
    """Seconds since the last callback, or since the capture was asked for."""


class CallbackNotice(Fact, frozen=True, kw_only=True):
    """The provider called back with news that bring no file, such as the end of a batch."""

    TYPE = "callback.notice"
    callback_id: str
    source: str
    provider_id: str
    provider_status: str
    labels: dict[str, str]


class BatchFinished(Fact, frozen=True, kw_only=True):
    """The provider called back to say that a batch of captures is over.

    Files of it may still be on their way here: the provider counts what it has made.
    """

    TYPE = "batch.finished"
    callback_id: str
    source: str
    batch_id: str
    labels: Mapping[str, str] = {}


class FetchAttemptFailed(Fact, frozen=True, kw_only=True):
    """A file that a callback points to could not be fetched; another attempt is due."""

    TYPE = "fetch.attempt_failed"
    file_id: str
    source: str
    attempt: int
    error: str
    due_at: float
    """When the next attempt is due, in seconds since 1970."""


class FetchRetried(Fact, frozen=True, kw_only=True):
    """A file that could not be fetched is tried again, by request or as its link was renewed."""

    TYPE = "fetch.retried"
    file_id: str
    source: str
