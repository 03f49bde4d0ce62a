"""The operations of multipart uploads."""

import hashlib
import secrets
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from sinkwell.testing.s3.answers import NAMESPACE, Answer, Node, S3Error, xml
from sinkwell.testing.s3.checksums import HEADER, checked, checksum, composite
from sinkwell.testing.s3.kept import kept
from sinkwell.testing.s3.objects import written
from sinkwell.testing.s3.requests import S3Request
from sinkwell.testing.s3.store import (
    Bucket,
    Part,
    S3Object,
    Store,
    Upload,
    iso_date,
    md5_etag,
    opaque_etag,
    quoted,
)

_WHOLE_ONLY, _PARTS_ONLY = frozenset({"crc64nvme"}), frozenset({"sha1", "sha256"})
"""Checksums that can only be of the whole object, and only of the checksums of its parts."""


def create_upload(store: Store, request: S3Request, _body: bytes) -> Answer:
    """Begin an upload."""
    bucket = store.bucket(request)
    if len(request.key.encode()) > store.behaviour.longest_key:
        raise S3Error("KeyTooLongError")
    algorithm = request.headers.get("x-amz-checksum-algorithm", "").lower()
    usual = "FULL_OBJECT" if algorithm in _WHOLE_ONLY else "COMPOSITE"
    kind = request.headers.get("x-amz-checksum-type", usual).upper()
    if algorithm in (_PARTS_ONLY if kind == "FULL_OBJECT" else _WHOLE_ONLY):
        raise S3Error("InvalidRequest", f"{algorithm} cannot be of the type {kind}")
    headers = kept(request.headers, store.behaviour)
    upload = Upload(secrets.token_hex(16), request.key, headers, algorithm, kind)
    bucket.uploads[upload.id] = upload
    asked = {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": kind}
    return xml(
        "InitiateMultipartUploadResult",
        ("Bucket", bucket.name),
        ("Key", request.key),
        ("UploadId", upload.id),
        **(asked if algorithm else {}),
    )


def upload_part(store: Store, request: S3Request, body: bytes) -> Answer:
    """Take a part; it replaces one of the same number."""
    upload = _upload(store.bucket(request), request)
    number = request.parameter("partNumber")
    if not number.isdecimal() or not 1 <= int(number) <= store.behaviour.most_parts:
        most = store.behaviour.most_parts
        raise S3Error("InvalidArgument", f"The number of a part is 1 to {most}")
    if len(body) > store.behaviour.largest_put:
        raise S3Error("EntityTooLarge")
    sums = checked(request.headers, body)
    if upload.algorithm and sums and upload.algorithm not in sums:
        raise S3Error("InvalidRequest", f"The upload asks for {upload.algorithm}")
    if upload.algorithm:
        sums.setdefault(upload.algorithm, checksum(upload.algorithm, body))
    etag = md5_etag(body) if store.has_md5_etag(upload.headers) else opaque_etag()
    upload.parts[int(number)] = Part(body, etag, sums)
    return Answer(200, {"ETag": etag, **{f"{HEADER}{name}": each for name, each in sums.items()}})


def complete_upload(store: Store, request: S3Request, body: bytes) -> Answer:
    """Make an object of the parts that are listed; the upload is no more then."""
    bucket = store.bucket(request)
    upload = _upload(bucket, request)
    parts = _parts(upload, body)
    _check_sizes(store, request, parts)
    sums = _whole_checksum(upload, request, parts)
    store.may_write(request, bucket)
    if store.has_md5_etag(upload.headers):
        joined = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        whole = hashlib.md5(joined, usedforsecurity=False).hexdigest()
        etag = quoted(f"{whole}-{len(parts)}")
    else:
        etag = opaque_etag()
    content = b"".join(part.content for part in parts)
    kind = upload.checksum_type
    bucket.objects[upload.key] = S3Object(content, etag, upload.headers, sums, kind)
    del bucket.uploads[upload.id]
    told: list[Node] = [(f"Checksum{name.upper()}", value) for name, value in sums.items()]
    return xml(
        "CompleteMultipartUploadResult",
        ("Location", f"/{bucket.name}/{upload.key}"),
        ("Bucket", bucket.name),
        ("Key", upload.key),
        ("ETag", etag),
        *told,
    )


def abort_upload(store: Store, request: S3Request, _body: bytes) -> Answer:
    """Forget an upload and its parts."""
    bucket = store.bucket(request)
    del bucket.uploads[_upload(bucket, request).id]
    return Answer(204)


def list_parts(store: Store, request: S3Request, _body: bytes) -> Answer:
    """List the parts of an upload, all on one page."""
    bucket = store.bucket(request)
    upload = _upload(bucket, request)
    parts: list[Node] = [
        (
            "Part",
            [
                ("PartNumber", str(number)),
                ("LastModified", iso_date(upload.began)),
                ("ETag", part.etag),
                ("Size", str(len(part.content))),
            ],
        )
        for number, part in sorted(upload.parts.items())
    ]
    return xml(
        "ListPartsResult",
        ("Bucket", bucket.name),
        ("Key", upload.key),
        ("UploadId", upload.id),
        ("IsTruncated", "false"),
        *parts,
    )


def list_uploads(store: Store, request: S3Request, _body: bytes) -> Answer:
    """List open uploads by key and beginning, a page at a time."""
    bucket = store.bucket(request)
    after = (request.parameter("key-marker"), request.parameter("upload-id-marker"))
    most = min(int(request.parameter("max-uploads", "1000")), 1000)
    found = sorted(
        (each.key, each.id)
        for each in bucket.uploads.values()
        if each.key.startswith(request.parameter("prefix"))
    )
    found = [each for each in found if each > after and (after[1] or each[0] != after[0])]
    shown = found[:most]
    told: list[Node] = [
        ("Bucket", bucket.name),
        ("MaxUploads", str(most)),
        ("IsTruncated", str(len(shown) < len(found)).lower()),
    ]
    if request.parameter("encoding-type"):
        told.append(("EncodingType", "url"))
    if len(shown) < len(found):
        last = shown[-1]
        told += [("NextKeyMarker", written(request, last[0])), ("NextUploadIdMarker", last[1])]
    for key, id_ in shown:
        began = iso_date(bucket.uploads[id_].began)
        about: list[Node] = [("Key", written(request, key)), ("UploadId", id_)]
        told.append(("Upload", [*about, ("Initiated", began)]))
    return xml("ListMultipartUploadsResult", *told)


def _upload(bucket: Bucket, request: S3Request) -> Upload:
    upload = bucket.uploads.get(request.parameter("uploadId"))
    if upload is None or upload.key != request.key:
        raise S3Error("NoSuchUpload")
    return upload


def _parts(upload: Upload, body: bytes) -> list[Part]:
    """Return the parts that are listed, each as it was sent. Raises ``S3Error`` otherwise."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - a test's own client sent it
    except ET.ParseError as error:
        raise S3Error("MalformedXML") from error
    listed = [{_local(each): each.text or "" for each in part} for part in root]
    names = [_local(part) for part in root]
    if _local(root) != "CompleteMultipartUpload" or set(names) != {"Part"}:
        raise S3Error("MalformedXML")
    numbers = [int(each.get("PartNumber", "0")) for each in listed]
    if numbers != sorted({*numbers}):
        raise S3Error("InvalidPartOrder")
    parts = []
    for number, each in zip(numbers, listed, strict=True):
        part = upload.parts.get(number)
        if part is None or each.get("ETag", "").strip('"') != part.etag.strip('"'):
            raise S3Error("InvalidPart", f"Part {number} is not as it was sent")
        _check_listed(upload, part, each, number)
        parts.append(part)
    return parts


def _local(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


def _check_listed(upload: Upload, part: Part, listed: dict[str, str], number: int) -> None:
    """See that the checksums that are listed with a part are its own."""
    given = {
        name.removeprefix("Checksum").lower(): value
        for name, value in listed.items()
        if name.startswith("Checksum")
    }
    if upload.algorithm and upload.checksum_type == "COMPOSITE" and upload.algorithm not in given:
        raise S3Error("InvalidRequest", f"The checksum of part {number} is missing")
    if any(part.checksums.get(name) != value for name, value in given.items()):
        raise S3Error("InvalidPart", f"The checksum of part {number} is another one")


def _check_sizes(store: Store, request: S3Request, parts: Sequence[Part]) -> None:
    sizes = [len(part.content) for part in parts]
    if any(size < store.behaviour.least_part for size in sizes[:-1]):
        raise S3Error("EntityTooSmall")
    if store.behaviour.equal_parts and (len({*sizes[:-1]}) > 1 or sizes[-1] > sizes[0]):
        raise S3Error("InvalidPart", "All parts but the last must have one size")
    expected = request.headers.get("x-amz-mp-object-size", str(sum(sizes)))
    if expected != str(sum(sizes)):
        raise S3Error("InvalidRequest", "The parts do not add up to x-amz-mp-object-size")


def _whole_checksum(upload: Upload, request: S3Request, parts: Sequence[Part]) -> dict[str, str]:
    """Return the checksum of the whole, which must be the one that the request names."""
    if not upload.algorithm:
        return {}
    if upload.checksum_type == "COMPOSITE":
        value = composite(upload.algorithm, [part.checksums[upload.algorithm] for part in parts])
    else:
        value = checksum(upload.algorithm, b"".join(part.content for part in parts))
    given = request.headers.get(f"{HEADER}{upload.algorithm}", value)
    if given != value:
        raise S3Error("BadDigest", f"The {upload.algorithm.upper()} of the object is another one")
    return {upload.algorithm: value}
