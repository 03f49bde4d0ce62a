"""The examination of a bucket and of the key that a sink uses, for ``sinkwell doctor``.

It asks, and changes nothing. What is asked of the bucket stands in one table; what the answers
mean, in :mod:`sinkwell_s3.verdicts` and :mod:`sinkwell_s3.standing`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sinkwell.contract import Finding, SinkContext
from sinkwell_s3 import verdicts
from sinkwell_s3.asking import NotOfferedError, ask
from sinkwell_s3.identity import Identity
from sinkwell_s3.meanings import ForbiddenError
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.standing import Standing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of the bucket."""

    what: str
    call: str
    """Name of boto3's method."""
    right: str
    none: str
    """The code of an answer that says that there is no such setting; it is judged as None."""
    judge: Callable[[verdicts.Found, S3Settings], Iterable[Finding]]


_QUESTIONS = (
    _Question(
        "public access block",
        "get_public_access_block",
        "s3:GetBucketPublicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration",
        verdicts.public_access,
    ),
    _Question(
        "whether the bucket's policy lets anyone in",
        "get_bucket_policy_status",
        "s3:GetBucketPolicyStatus",
        "NoSuchBucketPolicy",
        verdicts.policy_status,
    ),
    _Question(
        "whether the bucket refuses requests without TLS",
        "get_bucket_policy",
        "s3:GetBucketPolicy",
        "NoSuchBucketPolicy",
        verdicts.tls_only,
    ),
    _Question(
        "object ownership",
        "get_bucket_ownership_controls",
        "s3:GetBucketOwnershipControls",
        "OwnershipControlsNotFoundError",
        verdicts.ownership,
    ),
    _Question(
        "versioning", "get_bucket_versioning", "s3:GetBucketVersioning", "", verdicts.versioning
    ),
    _Question(
        "lifecycle rules",
        "get_bucket_lifecycle_configuration",
        "s3:GetLifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
        verdicts.lifecycle,
    ),
    _Question(
        "default encryption",
        "get_bucket_encryption",
        "s3:GetEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        verdicts.encryption,
    ),
)
_LOCK = _Question(
    "object lock",
    "get_object_lock_configuration",
    "s3:GetBucketObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    verdicts.object_lock,
)


async def examine(settings: S3Settings, context: SinkContext) -> Sequence[Finding]:
    """Examine the bucket and the key. Raises ``SinkError`` when nothing can be asked."""
    label = f"sink {context.name!r}: examining its bucket"
    identity = await Identity.find(settings, context.name, context.run_blocking)
    try:
        keys = await identity.keys(label)
        standing = Standing(settings, identity, keys.access_key, label)
        return await context.run_blocking(_examine, settings, identity.client, standing, label)
    finally:
        await identity.close()


def _examine(
    settings: S3Settings, client: "S3Client", standing: Standing, label: str
) -> list[Finding]:
    findings = [verdicts.transport(settings)]
    bucket = _Bucket(settings, client, label)
    for question in (*_QUESTIONS, *([_LOCK] if settings.object_lock else [])):
        findings += bucket.answered(question)
    findings += standing.findings(unversioned=bucket.unversioned)
    return findings


class _Bucket:
    """Asks the bucket of a sink."""

    def __init__(self, settings: S3Settings, client: "S3Client", label: str) -> None:
        self._settings = settings
        self._client = client
        self._label = label
        self._arguments = {"Bucket": settings.bucket}
        if owner := settings.expected_bucket_owner:
            self._arguments["ExpectedBucketOwner"] = owner
        self.unversioned = False
        """Whether it is known that removing what is not there leaves no trace."""

    def answered(self, question: _Question) -> Iterator[Finding]:
        """Yield what there is to say. Raises ``SinkError`` when the bucket cannot be asked."""
        call = getattr(self._client, question.call)
        try:
            found = ask(call, self._label, none=question.none, **self._arguments)
            yield from question.judge(found, self._settings)
        except NotOfferedError:
            yield Finding("not offered", question.what)
        except ForbiddenError:
            yield Finding(
                "not permitted",
                question.what,
                f"Allow {question.right} for the time of the examination, or look it up in the "
                f"console of the store.",
            )
        else:
            if question.call == "get_bucket_versioning":
                self.unversioned = "Status" not in found
