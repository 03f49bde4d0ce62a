"""Serving one request: may it, and which operation is it."""

from collections.abc import Callable, Mapping

from sinkwell.testing.s3 import multipart, objects
from sinkwell.testing.s3.answers import Answer, S3Error
from sinkwell.testing.s3.requests import S3Request
from sinkwell.testing.s3.signatures import Credentials, verify
from sinkwell.testing.s3.store import Store

_OPERATIONS: Mapping[str, Callable[[Store, S3Request, bytes], Answer]] = {
    "HeadBucket": objects.head_bucket,
    "GetBucketLocation": objects.get_bucket_location,
    "ListObjectsV2": objects.list_objects,
    "HeadObject": objects.get_object,
    "GetObject": objects.get_object,
    "PutObject": objects.put_object,
    "DeleteObject": objects.delete_object,
    "CreateMultipartUpload": multipart.create_upload,
    "UploadPart": multipart.upload_part,
    "CompleteMultipartUpload": multipart.complete_upload,
    "AbortMultipartUpload": multipart.abort_upload,
    "ListParts": multipart.list_parts,
    "ListMultipartUploads": multipart.list_uploads,
}


def serve(store: Store, user: Credentials, request: S3Request, body: bytes, now: float) -> Answer:
    """Do what a request asks for, or answer why not."""
    try:
        region = store.behaviour.region
        verify(request, user, region=region, now=now, digest=request.sha256)
        operation = _OPERATIONS.get(request.operation, _not_implemented)
        return operation(store, request, body)
    except S3Error as error:
        return error.answer()


def is_framed(request: S3Request) -> None:
    """See that the body is what it seems: of a size told beforehand, not in chunks of any kind.

    Raises ``S3Error`` otherwise. Not every store takes such an upload, and some store the marks
    between the chunks as content.
    """
    if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        raise S3Error("NotImplemented", "A streaming signature is not taken")
    if "aws-chunked" in request.headers.get("content-encoding", ""):
        raise S3Error("NotImplemented", "A chunked upload is not taken")
    has_body = request.method in {"PUT", "POST"} or "transfer-encoding" in request.headers
    if has_body and not request.headers.get("content-length", "").isdecimal():
        raise S3Error("MissingContentLength")


def _not_implemented(_store: Store, _request: S3Request, _body: bytes) -> Answer:
    raise S3Error("NotImplemented")
