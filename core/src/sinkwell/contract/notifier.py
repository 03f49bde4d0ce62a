"""Notifiers: who is told of events."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from sinkwell.contract.events import Event
from sinkwell.contract.settings import NotifierSettings

SettingsT = TypeVar("SettingsT", bound=NotifierSettings)


class Notifier(ABC):
    """One configured listener outside."""

    @abstractmethod
    async def notify(self, event: Event) -> None:
        """Tell the listener. It may see one event more than once, always with the same id.

        Several calls may be under way at once. Raises the ``SinkError`` classes, with the meaning
        they have for a put.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything. Called once or more; no other call follows."""


@runtime_checkable
class BatchingNotifier(Protocol):
    """A notifier whose type has ``batches``."""

    async def notify_batch(self, events: Sequence[Event]) -> None:
        """Tell several events at once, one at least, in the order of the log.

        They succeed or fail together, as those of ``notify`` do.
        """
        ...


@dataclass(frozen=True, slots=True)
class NotifierContext:
    """What the core hands to a notifier when it opens it."""

    name: str
    """The ``NAME`` of its section ``[notifiers.NAME]``, for messages."""


@dataclass(frozen=True)
class NotifierType(Generic[SettingsT]):
    """A kind of notifier, as a plugin registers it."""

    name: str
    """The ``type`` that users write: lower-case letters, digits and dashes."""
    summary: str
    """One line for ``sinkwell plugins``."""
    settings: type[SettingsT]
    open: Callable[[SettingsT, NotifierContext], Awaitable[Notifier]]
    batches: bool = False
    """Whether its notifiers are :class:`BatchingNotifier`, so that ``batch`` may be set."""
    recorded: bool = True
    """Whether each notification is planned, tried again and kept on record, like a delivery.
    False suits what is local, quick and always there, as a log: events are told one by one in
    the order of the log, and some of them again after a crash."""


AnyNotifierType = NotifierType[Any]
