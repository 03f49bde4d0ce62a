"""The requests as boto3 makes them, in threads: ``transfer = "boto3"``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from multidict import CIMultiDict

from sinkwell.contract import Blob
from sinkwell.contract.sink import RunBlocking
from sinkwell_s3.answers import Answer
from sinkwell_s3.errors import NO_ANSWER, answer_of, from_boto, refused
from sinkwell_s3.identity import Identity
from sinkwell_s3.payload import WRITE, opened, verify
from sinkwell_s3.resource import Params
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.wire import Parts

P = ParamSpec("P")
T = TypeVar("T")


class Boto3:
    """Requests for one bucket; see :class:`~sinkwell_s3.wire.Wire`."""

    def __init__(self, settings: S3Settings, identity: Identity, run_blocking: RunBlocking) -> None:
        self._identity = identity
        self._run_blocking = run_blocking
        self._bucket = settings.bucket

    async def put(self, name: str, blob: Blob, params: Params, label: str) -> Answer:
        return await self._send("put_object", name, blob, params, label)

    async def head(self, name: str, params: Params, label: str) -> Answer:
        return await self._call("head_object", label, Key=name, **params)

    @asynccontextmanager
    async def get(self, name: str, params: Params, label: str) -> AsyncIterator["_Download"]:
        answer, body = await self.do(label, self._get, Key=name, **params)
        try:
            yield _Download(answer, body, self, label)
        finally:
            if body is not None:
                body.close()

    async def delete(self, name: str, params: Params, label: str) -> Answer:
        return await self._call("delete_object", label, Key=name, **params)

    async def create_upload(self, name: str, params: Params, label: str) -> Answer:
        return await self._call("create_multipart_upload", label, Key=name, **params)

    async def put_part(
        self, name: str, upload: str, number: int, blob: Blob, params: Params, label: str
    ) -> Answer:
        more = {"UploadId": upload, "PartNumber": number}
        return await self._send("upload_part", name, blob, params, label, **more)

    async def complete_upload(
        self, name: str, upload: str, parts: Parts, params: Params, label: str
    ) -> Answer:
        return await self._call(
            "complete_multipart_upload",
            label,
            Key=name,
            UploadId=upload,
            MultipartUpload={"Parts": parts},
            **params,
        )

    async def abort_upload(self, name: str, upload: str, params: Params, label: str) -> Answer:
        return await self._call(
            "abort_multipart_upload", label, Key=name, UploadId=upload, **params
        )

    async def list_uploads(self, prefix: str, params: Params, label: str) -> list[tuple[str, str]]:
        listing: Callable[..., Any] = self._identity.client.list_multipart_uploads
        try:
            found = await self.do(label, listing, Bucket=self._bucket, Prefix=prefix, **params)
        except ClientError as error:
            answer = answer_of(error)
            if answer.code == "NoSuchUpload":  # some say so for none
                return []
            raise refused(answer, label) from error
        return [(each["Key"], each["UploadId"]) for each in found.get("Uploads", [])]

    async def close(self) -> None:
        """Do nothing: the client is the identity's."""

    async def _send(
        self, method: str, name: str, blob: Blob, params: Params, label: str, **more: object
    ) -> Answer:
        return await self.do(
            label, self._send_file, method, blob, label, Key=name, **params, **more
        )

    def _send_file(self, method: str, blob: Blob, label: str, **arguments: object) -> Answer:
        # A file that is shorter than it should be would make boto3 wait for an answer to half a
        # request, and not every store verifies what boto3 signs.
        verify(blob, label)
        with opened(blob, label) as file:
            return self._answer(method, Body=file, ContentLength=blob.size, **arguments)

    async def _call(self, method: str, label: str, **arguments: object) -> Answer:
        return await self.do(label, self._answer, method, **arguments)

    def _answer(self, method: str, **arguments: object) -> Answer:
        """Make a call. Blocking."""
        call = getattr(self._identity.client, method)
        try:
            return _answer(call(Bucket=self._bucket, **arguments))
        except ClientError as error:
            return answer_of(error)

    def _get(self, **arguments: object) -> "tuple[Answer, StreamingBody | None]":
        get: Callable[..., Any] = self._identity.client.get_object
        try:
            response = get(Bucket=self._bucket, **arguments)
        except ClientError as error:
            return answer_of(error), None
        body: StreamingBody = response.pop("Body")
        return _answer(response), body

    async def do(
        self, label: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call boto3 in a thread. Raises ``SinkError`` for all that is no answer."""
        try:
            return await self._run_blocking(function, *args, **kwargs)
        except NO_ANSWER as error:
            raise from_boto(error, label) from error


class _Download:
    """See :class:`~sinkwell_s3.wire.Download`."""

    def __init__(
        self, answer: Answer, body: "StreamingBody | None", wire: Boto3, label: str
    ) -> None:
        self.answer = answer
        self._body = body
        self._wire = wire
        self._label = label

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._body is None:
            return
        while piece := await self._wire.do(self._label, self._body.read, WRITE):
            yield piece


def _answer(response: dict[str, Any]) -> Answer:
    meta = response["ResponseMetadata"]
    said = {key: value for key, value in response.items() if isinstance(value, str)}
    return Answer(meta["HTTPStatusCode"], CIMultiDict(meta["HTTPHeaders"]), said=said)
