"""All that a plugin may import: everything else in Sinkwell may change without notice.

A plugin is a module (or any object) that the entry-point group ``sinkwell`` names and that
implements one or more of the hooks in :mod:`sinkwell.contract.hooks`. Hooks *register types*;
the types open sources, sinks and notifiers, one for each section of the settings.
"""

from sinkwell.contract.background import Background
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
from sinkwell.contract.headers import content_disposition, metadata_text, retry_after
from sinkwell.contract.hooks import hookimpl
from sinkwell.contract.notifier import (
    BatchingNotifier,
    Notifier,
    NotifierContext,
    NotifierType,
)
from sinkwell.contract.settings import (
    Duration,
    FetchSettings,
    IfPresent,
    NotifierBatch,
    NotifierSettings,
    OnMismatch,
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
    Policy,
    PresigningSink,
    ReadableSink,
    Receipt,
    Sink,
    SinkContext,
    SinkType,
    Stat,
)
from sinkwell.contract.source import (
    BodyFile,
    Callback,
    FileReference,
    InlineFile,
    LinkedFile,
    Message,
    Part,
    PartFile,
    Source,
    SourceContext,
    SourceType,
    Transport,
    decode_json,
)
from sinkwell.contract.sync import SharedSync

__all__ = [
    "AuthenticationError",
    "Background",
    "BatchingNotifier",
    "Blob",
    "BodyFile",
    "Callback",
    "Capability",
    "DeletableSink",
    "Duration",
    "Event",
    "Fact",
    "FetchSettings",
    "FileReference",
    "Finding",
    "GoneError",
    "IfPresent",
    "InlineFile",
    "KeyLimits",
    "LinkedFile",
    "MalformedCallbackError",
    "Message",
    "Notifier",
    "NotifierBatch",
    "NotifierContext",
    "NotifierSettings",
    "NotifierType",
    "OnMismatch",
    "Part",
    "PartFile",
    "Policy",
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
    "decode_json",
    "hookimpl",
    "metadata_text",
    "retry_after",
]
