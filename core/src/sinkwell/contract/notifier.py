"""Notifiers: who is told of events."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sinkwell.contract.events import Event
from sinkwell.contract.settings import NotifierSettings

SettingsT = TypeVar("SettingsT", bound=NotifierSettings)


class Notifier(ABC):
    """One configured listener outside."""

    @abstractmethod
    async def notify(self, event: Event) -> None:
        """Tell the listener. It may see one event more than once, always with the same id.

        Raises the ``SinkError`` classes, with the meaning they have for a put.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything. Called once or more; no other call follows."""


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


AnyNotifierType = NotifierType[Any]
