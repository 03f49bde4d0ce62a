"""A strict S3 store for tests: it verifies what clients send, and fails when it is told to."""

from sinkwell.testing.s3.destination import StubDestination
from sinkwell.testing.s3.faults import FAULTS, Manner, Rule, S3Fault, answering
from sinkwell.testing.s3.requests import S3Request
from sinkwell.testing.s3.store import S3Behaviour, S3Object
from sinkwell.testing.s3.stub import S3Stub

__all__ = [
    "FAULTS",
    "Manner",
    "Rule",
    "S3Behaviour",
    "S3Fault",
    "S3Object",
    "S3Request",
    "S3Stub",
    "StubDestination",
    "answering",
]
