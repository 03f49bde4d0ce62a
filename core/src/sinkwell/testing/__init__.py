"""The conformance kits that third parties run, and what tests and demos share."""

from sinkwell.testing.notifier_contract import NotifierContract
from sinkwell.testing.notifier_receiver import Arrival, NotifierFault, NotifierFaults, Receiver
from sinkwell.testing.sink_contract import SinkContract
from sinkwell.testing.sink_destination import LARGE, Destination, Fault, Faults
from sinkwell.testing.source_contract import SourceContract
from sinkwell.testing.source_provider import Expected, ExpectedPart, Provider, Sample
from sinkwell.testing.source_requests import (
    Body,
    Field,
    FormFile,
    Header,
    NotOffered,
    Request,
    multipart,
)

__all__ = [
    "LARGE",
    "Arrival",
    "Body",
    "Destination",
    "Expected",
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
    "multipart",
]
