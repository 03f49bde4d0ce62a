"""The operations on buckets and whole objects."""

import re
from urllib.parse import quote

from sinkwell.testing.s3.answers import Answer, Node, S3Error, xml
from sinkwell.testing.s3.checksums import HEADER, checked
from sinkwell.testing.s3.kept import kept
from sinkwell.testing.s3.requests import S3Request
from sinkwell.testing.s3.store import S3Object, Store, http_date, iso_date, md5_etag, opaque_etag

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_TOLD_BY_HEAD = re.compile(r"x-amz-(?!acl$|tagging$)|content-|cache-control$|expires$")
_PAGE = 1000


def head_bucket(store: Store, request: S3Request, _body: bytes) -> Answer:
    """Tell that the bucket is there."""
    store.bucket(request)
    return Answer(200, {"x-amz-bucket-region": store.behaviour.region})


def get_bucket_location(store: Store, request: S3Request, _body: bytes) -> Answer:
    """Tell the region; the oldest one has no name here."""
    store.bucket(request)
    region = store.behaviour.region
    answer = xml("LocationConstraint")
    if region != "us-east-1":
        answer.body = answer.body.replace(b" />", f">{region}</LocationConstraint>".encode())
    return answer


def put_object(store: Store, request: S3Request, body: bytes) -> Answer:
    """Store an object."""
    bucket = store.bucket(request)
    if "x-amz-copy-source" in request.headers:
        raise S3Error("NotImplemented", "Nothing can be copied here")
    if len(body) > store.behaviour.largest_put:
        raise S3Error("EntityTooLarge")
    store.may_write(request, bucket)
    sums = checked(request.headers, body)
    headers = kept(request.headers, store.behaviour)
    etag = md5_etag(body) if store.has_md5_etag(headers) else opaque_etag()
    bucket.objects[request.key] = S3Object(body, etag, headers, sums)
    echoed = {f"{HEADER}{name}": value for name, value in sums.items()}
    encryption = {
        name: value for name, value in headers.items() if "server-side-encryption" in name
    }
    return Answer(200, {"ETag": etag, **echoed, **encryption})


def get_object(store: Store, request: S3Request, _body: bytes) -> Answer:
    """Return an object or a range of it; for HEAD, the server leaves out the bytes."""
    stored = _stored(store, request)
    headers = {
        "ETag": stored.etag,
        "Last-Modified": http_date(stored.modified),
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
    }
    headers |= {_cased(name): each for name, each in stored.headers.items() if _told(name)}
    if request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED" and stored.checksums:
        headers |= {f"{HEADER}{name}": value for name, value in stored.checksums.items()}
        headers["x-amz-checksum-type"] = stored.checksum_type
    headers |= {
        _cased(name.removeprefix("response-")): value
        for name, value in request.query
        if name.startswith("response-")
    }
    if "range" not in request.headers:
        return Answer(200, headers, stored.content)
    first, last = _range(request.headers["range"], len(stored.content))
    headers["Content-Range"] = f"bytes {first}-{last}/{len(stored.content)}"
    return Answer(206, headers, stored.content[first : last + 1])


def delete_object(store: Store, request: S3Request, _body: bytes) -> Answer:
    """Remove an object; where there is none, that is a success, too."""
    bucket = store.bucket(request)
    stored = bucket.objects.get(request.key)
    if stored is not None:
        if request.headers.get("if-match", stored.etag) not in {stored.etag, "*"}:
            raise S3Error("PreconditionFailed")
        del bucket.objects[request.key]
    return Answer(204)


def list_objects(store: Store, request: S3Request, _body: bytes) -> Answer:
    """List keys in the order of their bytes, a page at a time."""
    bucket = store.bucket(request)
    prefix, delimiter = request.parameter("prefix"), request.parameter("delimiter")
    token = request.parameter("continuation-token")
    after = bytes.fromhex(token) if token else request.parameter("start-after").encode()
    most = min(int(request.parameter("max-keys", str(_PAGE))), _PAGE)
    names: dict[str, S3Object | None] = {}
    for key, stored in sorted(bucket.objects.items(), key=lambda each: each[0].encode()):
        if key.startswith(prefix):
            stem, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            name = f"{prefix}{stem}{found}" if found else key
            if name.encode() > after:
                names.setdefault(name, None if found else stored)
    shown = dict(list(names.items())[:most])
    told: list[Node] = [
        ("Name", bucket.name),
        ("Prefix", written(request, prefix)),
        ("KeyCount", str(len(shown))),
        ("MaxKeys", str(most)),
        ("IsTruncated", str(len(shown) < len(names)).lower()),
    ]
    if request.parameter("encoding-type"):
        told.append(("EncodingType", "url"))
    if 0 < len(shown) < len(names):
        told.append(("NextContinuationToken", [*shown][-1].encode().hex()))
    for name, each in shown.items():
        if each is None:
            told.append(("CommonPrefixes", [("Prefix", written(request, name))]))
        else:
            told.append(("Contents", _listed(written(request, name), each)))
    return xml("ListBucketResult", *told)


def written(request: S3Request, key: str) -> str:
    """Return a key as the client wants to read it in XML."""
    return quote(key, safe="/") if request.parameter("encoding-type") == "url" else key


def _listed(name: str, stored: S3Object) -> list[Node]:
    return [
        ("Key", name),
        ("LastModified", iso_date(stored.modified)),
        ("ETag", stored.etag),
        ("Size", str(len(stored.content))),
        ("StorageClass", stored.headers.get("x-amz-storage-class", "STANDARD")),
    ]


def _stored(store: Store, request: S3Request) -> S3Object:
    stored = store.bucket(request).objects.get(request.key)
    if stored is None:
        raise S3Error("NoSuchKey")
    if request.headers.get("if-match", stored.etag) not in {stored.etag, "*"}:
        raise S3Error("PreconditionFailed")
    return stored


def _told(name: str) -> bool:
    return _TOLD_BY_HEAD.match(name) is not None


def _cased(name: str) -> str:
    return name if name.startswith("x-amz-") else name.title()


def _range(text: str, size: int) -> tuple[int, int]:
    """Return the first and last byte of a range."""
    found = _RANGE.fullmatch(text)
    if found is None or found.groups() == ("", ""):
        raise S3Error("InvalidRange")
    begin, end = found.groups()
    first = int(begin) if begin else max(0, size - int(end))
    last = min(int(end), size - 1) if begin and end else size - 1
    if first > last:
        raise S3Error("InvalidRange")
    return first, last
