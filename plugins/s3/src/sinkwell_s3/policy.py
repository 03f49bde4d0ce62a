"""The least rights that the settings of a sink need, in the language of AWS's policies.

MinIO, Ceph, Wasabi and others read the same language. Stores that have none get the same list of
rights, and a note on what to choose there instead.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sinkwell.contract import IfPresent, Policy
from sinkwell_s3.presets import Provider
from sinkwell_s3.settings import S3Settings

_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "eusc-": "aws-eusc",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
}
"""By how the names of their regions begin; all others are in ``aws``."""

_DOMAINS = {
    "aws": "amazonaws.com",
    "aws-us-gov": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
}
"""Where a partition's S3 calls KMS from; what is not known here is left out."""

_READ_BY: frozenset[Provider] = frozenset({"aws", "ceph", "minio", "wasabi"})
_INSTEAD: Mapping[Provider, str] = {
    "r2": 'create an API token with the permission "Object Read & Write" for this bucket alone',
    "b2": "create an application key for this bucket and prefix with readFiles and writeFiles, "
    "and listFiles where ListBucket stands above",
    "scaleway": "create an application with the permission sets ObjectStorageObjectsRead and "
    "ObjectStorageObjectsWrite, and name it in a bucket policy",
    "garage": "allow a key of its own to read and write this bucket",
    "storj": "create S3 credentials with the permissions Read and Write for this bucket and prefix",
    "seaweedfs": "give an identity the actions Read:BUCKET and Write:BUCKET",
}
_WILD = re.compile(r"[*?$]")


@dataclass(frozen=True, slots=True)
class _Statement:
    sid: str
    rights: Mapping[str, str]
    """Each action, and what it is for."""
    resource: str
    condition: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def written(self) -> dict[str, object]:
        written: dict[str, object] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.rights),
            "Resource": self.resource,
        }
        return written | ({"Condition": self.condition} if self.condition else {})


def policy_for(settings: S3Settings) -> Policy:
    """Return the least policy, and a note for each right in it."""
    statements = list(_statements(settings))
    document = {
        "Version": "2012-10-17",
        "Statement": [each.written() for each in statements],
    }
    rights = [
        f"{action}: {reason}" for each in statements for action, reason in each.rights.items()
    ]
    return Policy(json.dumps(document, indent=2), (*rights, *_notes(settings)))


def bucket_arn(settings: S3Settings) -> str:
    """Return how policies call the bucket."""
    return f"arn:{_partition(settings)}:s3:::{settings.bucket}"


def needs_list(settings: S3Settings) -> bool:
    """Tell whether the sink has to know a free key from one that may not be seen.

    Without the right to list, AWS answers 403 for both. Where puts are conditional, or replace
    whatever is there, the difference does not matter.
    """
    return settings.preset.create_only is None and settings.if_present is not IfPresent.REPLACE


def _statements(settings: S3Settings) -> Iterator[_Statement]:
    bucket = bucket_arn(settings)
    owner = settings.expected_bucket_owner
    condition = {"StringEquals": {"s3:ResourceAccount": owner}} if owner else {}
    yield _Statement(
        "PutFiles",
        dict(_object_rights(settings)),
        f"{bucket}/{_plain(settings.prefix)}*",
        condition,
    )
    if needs_list(settings):
        why = "to tell a key that is free from one that may not be seen, as no put is conditional"
        yield _Statement("TellFreeKeys", {"s3:ListBucket": why}, bucket, condition)
    if settings.sse == "kms" and settings.kms_key is not None:
        yield _key_statement(settings.kms_key, _partition(settings), settings.region)


def _object_rights(settings: S3Settings) -> Iterator[tuple[str, str]]:
    yield "s3:PutObject", "to put files, at once or in parts"
    yield "s3:GetObject", "to compare what is there, after a conflict or a lost answer"
    yield "s3:AbortMultipartUpload", "to leave no parts behind of a file that failed"
    if settings.acl is not None:
        yield "s3:PutObjectAcl", f'for acl = "{settings.acl}"'
    if settings.tags:
        yield "s3:PutObjectTagging", "for tags"
    if settings.object_lock is not None:
        yield "s3:PutObjectRetention", f'for object_lock = "{settings.object_lock}"'


def _key_statement(key: str, partition: str, region: str | None) -> _Statement:
    where, account = key.split(":")[3:5] if key.startswith("arn:") else (region or "*", "*")
    keys = f"arn:{partition}:kms:{where}:{account}:key/"
    condition: dict[str, Mapping[str, object]] = {}
    if domain := _DOMAINS.get(partition):
        condition["StringLike"] = {"kms:ViaService": f"s3.{where}.{domain}"}
    name = key.rpartition(":")[2] if key.startswith("arn:") else key
    if name.startswith("alias/"):  # a policy cannot name a key by its alias, but ask for it
        resource = f"{keys}*"
        condition["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": name}
    elif key.startswith("arn:"):
        resource = key
    else:
        resource = f"{keys}{key}"
    rights = {
        "kms:GenerateDataKey": "to encrypt with the key of kms_key",
        "kms:Decrypt": "to put files in parts, and to compare, with that key",
    }
    return _Statement("UseKey", rights, resource, condition)


def _notes(settings: S3Settings) -> Iterator[str]:
    provider = settings.provider_name
    if provider not in _READ_BY:
        instead = _INSTEAD.get(provider, "choose the closest to these rights that it offers")
        yield f"{provider} may not read such policies: {instead}."
    if settings.role_arn is not None:
        yield f"The policy belongs to {settings.role_arn}; who assumes it needs sts:AssumeRole."
    if settings.sse == "kms" and settings.kms_key is None:
        yield "The key aws/s3 of the account needs no right of its own."
    if settings.sse == "none" and provider == "aws":
        yield "Should the bucket encrypt with a KMS key of yours, set kms_key too, for its rights."
    yield "Not asked for: s3:DeleteObject. The one small object of `sinkwell check` stays then."


def _partition(settings: S3Settings) -> str:
    region = settings.region or ""
    for named in (settings.role_arn, settings.kms_key):
        if named is not None and named.startswith("arn:"):
            return named.split(":")[1]
    return next((each for begin, each in _PARTITIONS.items() if region.startswith(begin)), "aws")


def _plain(prefix: str) -> str:
    """Return a prefix in which nothing is a wildcard or a variable of the language."""
    return _WILD.sub(lambda found: f"${{{found[0]}}}", prefix)
