"""The conformance kits that third parties run, and what tests and demos share."""

from sinkwell.testing.notifiers.contract import NotifierContract
from sinkwell.testing.notifiers.receiver import Arrival, NotifierFault, NotifierFaults, Receiver
from sinkwell.testing.sinks.contract import SinkContract
from sinkwell.testing.sinks.destination import LARGE, Destination, Fault, Faults
from sinkwell.testing.sources.contract import SourceContract
from sinkwell.testing.sources.provider import (
    Expected,
    ExpectedBody,
    ExpectedContent,
    ExpectedLink,
    ExpectedPart,
    Provider,
    Sample,
)
from sinkwell.testing.sources.requests import (
    Body,
    Field,
    FormFile,
    Header,
    NotOffered,
    Request,
    json_request,
    multipart,
    raw_request,
)

__all__ = [
    "LARGE",
    "Arrival",
    "Body",
    "Destination",
    "Expected",
    "ExpectedBody",
    "ExpectedContent",
    "ExpectedLink",
    "ExpectedPart",
    "Fault",
    "Faults",
    "Field",
    "FormFile",
    "Header",
    "NotOffered",
    "NotifierContract",
    "NotifierFault",
    "NotifierFaults",
    "Provider",
    "Receiver",
    "Request",
    "Sample",
    "SinkContract",
    "SourceContract",
    "json_request",
    "multipart",
    "raw_request",
]
