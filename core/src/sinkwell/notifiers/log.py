"""The notifier type ``log``: events as lines of the process's own log."""

import msgspec
import structlog

from sinkwell.contract import Event, Notifier, NotifierContext, NotifierSettings, NotifierType


class LogNotifier(Notifier):
    """Writes each event through structlog, as JSON or for the eye, as ``[log]`` says."""

    def __init__(self, name: str) -> None:
        self._log = structlog.get_logger().bind(notifier=name)

    async def notify(self, event: Event) -> None:
        """Write one line: the event's type as the message, its facts as fields."""
        facts = msgspec.to_builtins(event.data)
        self._log.info(event.type, position=event.position, event_id=event.id, **facts)

    async def close(self) -> None:
        """Nothing is held."""


async def _open(_: NotifierSettings, context: NotifierContext) -> Notifier:
    return LogNotifier(context.name)


LOG = NotifierType(
    name="log",
    summary="Writes every event to the log, as JSON or for the eye.",
    settings=NotifierSettings,
    open=_open,
    recorded=False,
)
