"""What the sink asks of a store, whichever way the requests are made.

Two ways exist: :class:`~sinkwell_s3.native.Native` makes them itself, at a fraction of the cost,
:class:`~sinkwell_s3.boto.Boto3` leaves them to boto3. Both make each request once.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sinkwell.contract import Blob
from sinkwell_s3.answers import Answer
from sinkwell_s3.resource import Params

OK = 200
NOT_FOUND = 404
FORBIDDEN = 403
CONFLICT = 409
PRECONDITION_FAILED = 412
UNDECIDED = frozenset({500, 502, 504})
"""Statuses that may come, from the store or from something before it, although all was done."""


class Wire(Protocol):
    """Requests for one bucket.

    Every call returns the answer, whatever its status. It raises ``AnswerLostError`` when the
    request may have been carried out all the same, and other ``SinkError``s when it was not made.
    ``label`` begins their messages. ``params`` are those of S3's API, by boto3's names.
    """

    async def put(self, name: str, blob: Blob, params: Params, label: str) -> Answer:
        """Store a blob as one object (PutObject)."""
        ...

    async def head(self, name: str, params: Params, label: str) -> Answer:
        """Ask for an object's headers (HeadObject)."""
        ...

    def get(self, name: str, params: Params, label: str) -> "AbstractAsyncContextManager[Download]":
        """Ask for an object (GetObject); its bytes are still to come."""
        ...

    async def delete(self, name: str, params: Params, label: str) -> Answer:
        """Remove an object (DeleteObject)."""
        ...

    async def create_upload(self, name: str, params: Params, label: str) -> Answer:
        """Begin an upload in parts (CreateMultipartUpload); the answer has an ``UploadId``."""
        ...

    async def put_part(
        self, name: str, upload: str, number: int, blob: Blob, params: Params, label: str
    ) -> Answer:
        """Send one part of an upload (UploadPart)."""
        ...

    async def complete_upload(
        self, name: str, upload: str, parts: "Parts", params: Params, label: str
    ) -> Answer:
        """Make the object of its parts (CompleteMultipartUpload)."""
        ...

    async def abort_upload(self, name: str, upload: str, params: Params, label: str) -> Answer:
        """Throw the parts away (AbortMultipartUpload)."""
        ...

    async def list_uploads(self, prefix: str, params: Params, label: str) -> list[tuple[str, str]]:
        """Return names, with this prefix, and ids of unfinished uploads (ListMultipartUploads).

        It gives a thousand at most, and raises ``SinkError`` also for an answer of no success.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


Parts = list[Mapping[str, str | int]]
"""The parts of an upload in order: ``PartNumber``, ``ETag`` and a checksum of each."""


class Download(Protocol):
    """An answer whose body is read in pieces."""

    answer: Answer
    """Status and headers; the body too, when it is not the object's."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the object. Raises ``SinkError``."""
        ...
