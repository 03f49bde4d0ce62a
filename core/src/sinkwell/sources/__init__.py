"""Built-in source types, registered through the same hook as a stranger's."""

from collections.abc import Iterable

from sinkwell.contract import hookimpl
from sinkwell.contract.source import AnySourceType
from sinkwell.sources.screenshotcenter import SCREENSHOTCENTER
from sinkwell.sources.shotbot import SHOTBOT
from sinkwell.sources.webhook import WEBHOOK


@hookimpl
def sinkwell_sources() -> Iterable[AnySourceType]:
    """Return the built-in source types."""
    return [SHOTBOT, SCREENSHOTCENTER, WEBHOOK]
