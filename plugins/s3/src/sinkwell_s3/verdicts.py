"""What the way a bucket is set up means for a sink that puts files there. All of it is pure.

Each function judges one answer of the store, or None where the store says that there is no such
setting, and raises ``NotOfferedError`` where the answer is to another question. *Failed* is what
lets strangers or mistakes in; a *warning* is what costs money, or makes a mistake final.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from sinkwell.contract import Finding, IfPresent
from sinkwell_s3.asking import NotOfferedError
from sinkwell_s3.settings import S3Settings

Found = Mapping[str, Any] | None

_OPEN_ACLS = {"public-read", "public-read-write", "authenticated-read"}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_HERE = {"localhost", "127.0.0.1", "::1"}


def transport(settings: S3Settings) -> Finding:
    """Judge how files travel."""
    url = urlsplit(settings.endpoint_url or "https://")
    if url.scheme == "https":
        return Finding("ok", "files travel encrypted: the endpoint is https")
    if url.hostname in _HERE:
        return Finding("ok", "files do not leave this machine: the endpoint is on loopback")
    return Finding(
        "failed",
        f"files travel in the open: the endpoint is {url.scheme}://{url.hostname}",
        "Use the store's https endpoint, with ca_bundle if its certificate is of your own.",
    )


def public_access(found: Found, settings: S3Settings) -> Iterator[Finding]:
    """Judge the public access block."""
    blocked = {} if found is None else _member(found, "PublicAccessBlockConfiguration")
    if found is not None and not {*_BLOCKS} & {*blocked}:
        raise NotOfferedError
    off = [name for name in _BLOCKS if blocked.get(name) is not True]
    if not off:
        yield Finding("ok", "public access is blocked, whatever an ACL or a policy says")
    elif settings.acl in _OPEN_ACLS:
        yield Finding(
            "warning",
            f"public access is not blocked ({', '.join(off)}), as acl = {settings.acl!r} needs",
            "Where a CDN can read the bucket instead, block public access and remove acl.",
        )
    else:
        yield Finding(
            "failed",
            f"public access is not blocked: {', '.join(off)}",
            "Switch all four on; a sink needs no public access.",
        )


def policy_status(found: Found, _: S3Settings) -> Iterator[Finding]:
    """Judge whether the bucket's policy opens it."""
    if found is not None and _member(_member(found, "PolicyStatus"), "IsPublic"):
        what = "the bucket's policy lets anyone in"
        yield Finding("failed", what, "Name in it who may, or remove it.")
    else:
        yield Finding("ok", "no policy lets anyone in")


def tls_only(found: Found, _: S3Settings) -> Iterator[Finding]:
    """Judge whether the bucket refuses requests in the open."""
    statements = [] if found is None else _statements(_member(found, "Policy"))
    if any(map(_denies_plain_http, statements)):
        yield Finding("ok", "the bucket refuses requests without TLS")
    else:
        yield Finding(
            "warning",
            "the bucket takes requests without TLS from others",
            'Add a statement to its policy: Effect "Deny", Principal "*", Action "s3:*", Condition '
            '{"Bool": {"aws:SecureTransport": "false"}}, for the bucket and all objects in it.',
        )


def ownership(found: Found, settings: S3Settings) -> Iterator[Finding]:
    """Judge who owns new objects, and whether ACLs count."""
    owner = "ObjectWriter"
    if found is not None:
        rules = _member(_member(found, "OwnershipControls"), "Rules")
        owner = rules[0].get("ObjectOwnership", owner) if rules else owner
    if owner != "BucketOwnerEnforced":
        yield Finding(
            "warning",
            f"ACLs count in this bucket (object ownership is {owner})",
            'Set object ownership to "BucketOwnerEnforced", unless something needs ACLs.',
        )
    elif settings.acl in _OPEN_ACLS:
        yield Finding(
            "failed",
            f"ACLs are off in this bucket, so a put with acl = {settings.acl!r} is refused",
            "Remove acl from the sink.",
        )
    else:
        yield Finding("ok", "the bucket's owner owns every object, and ACLs are off")


def versioning(found: Found, settings: S3Settings) -> Iterator[Finding]:
    """Judge whether what is replaced or removed can be had back."""
    if found is not None and found.get("Status") == "Enabled":
        yield Finding("ok", "versioning is on: what is replaced or removed can be had back")
        return
    replaces = settings.if_present is IfPresent.REPLACE
    risk = "what is replaced is gone" if replaces else "what someone removes is gone"
    yield Finding(
        "warning",
        f"versioning is off: {risk}",
        "Switch it on, with a lifecycle rule for noncurrent versions; or keep a second sink.",
    )


def lifecycle(found: Found, settings: S3Settings) -> Iterator[Finding]:
    """Judge whether parts of broken uploads go, and whether files do."""
    rules = [] if found is None else _member(found, "Rules")
    enabled = [rule for rule in rules if rule.get("Status") == "Enabled"]
    days = [
        rule["AbortIncompleteMultipartUpload"].get("DaysAfterInitiation")
        for rule in enabled
        if rule.get("AbortIncompleteMultipartUpload")
        and settings.prefix.startswith(_prefix_of(rule))
    ]
    if days:
        yield Finding("ok", f"incomplete uploads are aborted after {min(days)} days")
    else:
        yield Finding(
            "warning",
            "no lifecycle rule aborts incomplete uploads: their parts cost money and are not shown",
            "Add one with AbortIncompleteMultipartUpload, after 7 days. The sink aborts its own, "
            "unless it is killed for good.",
        )
    for rule in enabled:
        expires, prefix = rule.get("Expiration", {}).get("Days"), _prefix_of(rule)
        overlaps = prefix.startswith(settings.prefix) or settings.prefix.startswith(prefix)
        if expires is not None and overlaps:
            yield Finding(
                "warning",
                f"lifecycle rule {rule.get('ID', '')!r} removes objects {expires} days old",
                "That is fine if you want files to go; Sinkwell does not put them again.",
            )


def encryption(found: Found, settings: S3Settings) -> Iterator[Finding]:
    """Judge encryption at rest."""
    rules = []
    if found is not None:
        rules = _member(_member(found, "ServerSideEncryptionConfiguration"), "Rules")
    by = [
        default.get("SSEAlgorithm")
        for rule in rules
        if (default := rule.get("ApplyServerSideEncryptionByDefault"))
    ]
    if by:
        yield Finding("ok", f"new objects are encrypted at rest by default ({by[0]})")
    elif settings.sse != "none":
        yield Finding("ok", f"the sink asks for encryption at rest (sse = {settings.sse!r})")
    else:
        yield Finding(
            "warning",
            "nothing says that objects are encrypted at rest",
            'Give the bucket a default encryption, or set sse = "s3" if the store knows it.',
        )


def object_lock(found: Found, settings: S3Settings) -> Iterator[Finding]:
    """Judge whether objects can be locked, where the sink is to do so."""
    if settings.object_lock is None:
        return
    lock = {} if found is None else _member(found, "ObjectLockConfiguration")
    if lock.get("ObjectLockEnabled") == "Enabled":
        yield Finding("ok", "the bucket has object lock")
    else:
        yield Finding(
            "failed",
            f"the bucket has no object lock, and object_lock is {settings.object_lock!r}",
            "Make a bucket with object lock, or remove object_lock and retain_for.",
        )


def _member(found: Mapping[str, Any], name: str) -> Any:
    """Return what every answer to the question has; stores that lack the question lack it."""
    if name not in found:
        raise NotOfferedError
    return found[name]


def _prefix_of(rule: Mapping[str, Any]) -> str:
    """Return the prefix that a lifecycle rule is for; "" is the whole bucket."""
    within = rule.get("Filter") or {}
    found: str = (within.get("And") or within).get("Prefix") or rule.get("Prefix") or ""
    return found


def _statements(policy: str) -> Iterable[Mapping[str, Any]]:
    try:
        document = json.loads(policy)
    except ValueError as error:
        raise NotOfferedError from error
    found = document.get("Statement", []) if isinstance(document, dict) else []
    listed = found if isinstance(found, list) else [found]
    return [each for each in listed if isinstance(each, dict)]


def _items(found: object) -> Iterable[tuple[str, object]]:
    return found.items() if isinstance(found, dict) else ()


def _denies_plain_http(statement: Mapping[str, Any]) -> bool:
    everyone = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    actions = statement.get("Action")
    everything = {"*", "s3:*"} & set([actions] if isinstance(actions, str) else actions or [])
    conditions = statement.get("Condition")
    bools = conditions.get("Bool") if isinstance(conditions, dict) else None
    plain = {str(name).lower(): str(value).lower() for name, value in _items(bools)}
    return bool(
        statement.get("Effect") == "Deny"
        and everyone
        and everything
        and plain.get("aws:securetransport") in {"false", "['false']"}
    )
