"""All that a plugin may import: everything else in Sinkwell may change without notice.

A plugin is a module (or any object) that the entry-point group ``sinkwell`` names and that
implements one or more of the hooks in :mod:`sinkwell.contract.hooks`. Hooks *register types*;
the types open sources, sinks and notifiers, one for each section of the settings.
"""

from sinkwell.contract.blob import Blob
from sinkwell.contract.errors import (
    AuthenticationError,
    GoneError,
    MalformedCallbackError,
    RejectedError,
    SinkError,
    SourceError,
    TransientError,
    UnusableError,
)
from sinkwell.contract.events import Event, Fact
from sinkwell.contract.headers import content_disposition, metadata_text
from sinkwell.contract.hooks import hookimpl
from sinkwell.contract.notifier import (
    BatchingNotifier,
    Notifier,
    NotifierContext,
    NotifierType,
)
from sinkwell.contract.settings import (
    Duration,
    IfPresent,
    NotifierBatch,
    NotifierSettings,
    Secret,
    SinkSettings,
    Size,
    SourceSettings,
)
from sinkwell.contract.sink import (
    Capability,
    DeletableSink,
    Finding,
    KeyLimits,
    PresigningSink,
    ReadableSink,
    Receipt,
    Sink,
    SinkContext,
    SinkType,
    Stat,
)
from sinkwell.contract.source import (
    Callback,
    Message,
    Part,
    PartFile,
    Source,
    SourceContext,
    SourceType,
    Transport,
)
from sinkwell.contract.sync import SharedSync

__all__ = [
    "AuthenticationError",
    "BatchingNotifier",
    "Blob",
    "Callback",
    "Capability",
    "DeletableSink",
    "Duration",
    "Event",
    "Fact",
    "Finding",
    "GoneError",
    "IfPresent",
    "KeyLimits",
    "MalformedCallbackError",
    "Message",
    "Notifier",
    "NotifierBatch",
    "NotifierContext",
    "NotifierSettings",
    "NotifierType",
    "Part",
    "PartFile",
    "PresigningSink",
    "ReadableSink",
    "Receipt",
    "RejectedError",
    "Secret",
    "SharedSync",
    "Sink",
    "SinkContext",
    "SinkError",
    "SinkSettings",
    "SinkType",
    "Size",
    "Source",
    "SourceContext",
    "SourceError",
    "SourceSettings",
    "SourceType",
    "Stat",
    "TransientError",
    "Transport",
    "UnusableError",
    "content_disposition",
    "hookimpl",
    "metadata_text",
]
