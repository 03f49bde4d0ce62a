"""Built-in notifier types, registered through the same hook as a stranger's."""

from collections.abc import Iterable

from sinkwell.contract import hookimpl
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.notifiers.broker import BROKER
from sinkwell.notifiers.chat import CHAT
from sinkwell.notifiers.command import COMMAND
from sinkwell.notifiers.log import LOG
from sinkwell.notifiers.webhook import WEBHOOK


@hookimpl
def sinkwell_notifiers() -> Iterable[AnyNotifierType]:
    """Return the built-in notifier types."""
    return [BROKER, CHAT, COMMAND, LOG, WEBHOOK]
