"""What `sinkwell doctor s3` finds, on moto's AWS with its IAM, and on stores without any."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec
import pytest
from moto_aws import REGION, Aws, Key, aws, moto_server
from object_servers import S3Server

from sinkwell.contract import Finding, SinkContext, SinkError
from sinkwell.contract.settings import decode_custom
from sinkwell.testing.s3 import S3Stub
from sinkwell_s3 import examine_s3
from sinkwell_s3.settings import S3Settings

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["aws", "moto_server"]  # fixtures live by being found here

ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
ABORTS = {
    "ID": "uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}


class Doctor:
    """Examines a bucket of moto's AWS."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.bucket = aws.bucket()

    def found(self, key: Key | None = None, **keys: object) -> dict[str, list[str]]:
        """Return what is found, by level."""
        key = key or self.aws.user(ALL)
        section = {
            "type": "s3",
            "provider": "aws",
            "bucket": self.bucket,
            "region": REGION,
            "endpoint": self.aws.url,
            "access_key": key.access,
            "secret_key": key.secret,
        }
        return by_level(examined(**section | keys))


@pytest.fixture
def doctor(aws: Aws) -> Doctor:
    return Doctor(aws)


def examined(**section: object) -> list[Finding]:
    settings = msgspec.convert(section, S3Settings, dec_hook=decode_custom)

    async def examine() -> list[Finding]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as threads:

            def run_blocking(
                function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
            ) -> Awaitable[T]:
                return loop.run_in_executor(threads, partial(function, *args, **kwargs))

            context = SinkContext("archive", run_blocking, Path())
            return list(await examine_s3(settings, context))

    return asyncio.run(examine())


def by_level(findings: Iterable[Finding]) -> dict[str, list[str]]:
    levels: dict[str, list[str]] = {}
    for each in findings:
        assert (each.level == "ok") is not bool(each.advice) or each.level == "not offered", each
        levels.setdefault(each.level, []).append(each.what)
    return levels


def about(found: dict[str, list[str]], level: str, words: str) -> bool:
    return any(words in what for what in found.get(level, []))


def set_up_well(aws: Aws, bucket: str) -> None:
    """Set a bucket up so that nothing is left to wish for."""
    aws.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCKED)
    aws.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy(TLS_ONLY)))
    aws.s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    aws.s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [ABORTS]}
    )
    aws.s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def policy(*statements: Mapping[str, object]) -> Mapping[str, object]:
    return {"Version": "2012-10-17", "Statement": statements}


def may(*actions: str) -> Mapping[str, object]:
    return {"Effect": "Allow", "Action": actions, "Resource": "*"}


EXAMINER = may(
    "s3:PutObject",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetPublicAccessBlock",  # what moto calls it
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketPolicy",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
    "s3:GetEncryptionConfiguration",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
)


def test_nothing_is_wrong_with_a_bucket_that_is_set_up_well(doctor: Doctor) -> None:
    set_up_well(doctor.aws, doctor.bucket)

    found = doctor.found()

    assert found["ok"][:-1] == [
        "files do not leave this machine: the endpoint is on loopback",
        "public access is blocked, whatever an ACL or a policy says",
        "no policy lets anyone in",
        "the bucket refuses requests without TLS",
        "the bucket's owner owns every object, and ACLs are off",
        "versioning is on: what is replaced or removed can be had back",
        "incomplete uploads are aborted after 7 days",
        "new objects are encrypted at rest by default (AES256)",
    ]
    assert found["ok"][-1].startswith("the key of arn:aws:iam::")
    assert "failed" not in found
    (broad,) = found["warning"]
    assert broad.startswith("the key may do more than the sink needs: ")


def test_all_is_wrong_with_a_bucket_as_moto_makes_it(doctor: Doctor) -> None:
    found = doctor.found(if_present="replace")

    (public,) = found["failed"]
    assert public.startswith("public access is not blocked: BlockPublicAcls, ")
    assert found["warning"][:-1] == [
        "the bucket takes requests without TLS from others",
        "ACLs count in this bucket (object ownership is ObjectWriter)",
        "versioning is off: what is replaced is gone",
        "no lifecycle rule aborts incomplete uploads: their parts cost money and are not shown",
        "nothing says that objects are encrypted at rest",
    ]


def test_a_policy_that_lets_anyone_in_is_a_failure(doctor: Doctor) -> None:
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    doctor.aws.s3.put_bucket_policy(Bucket=doctor.bucket, Policy=json.dumps(policy(anyone)))

    assert about(doctor.found(), "failed", "the bucket's policy lets anyone in")


def test_a_key_that_may_only_put_learns_what_it_is_not_permitted_to_see(doctor: Doctor) -> None:
    key = doctor.aws.user(may("s3:PutObject"))

    with doctor.aws.guarded():
        found = doctor.found(key)

    assert {*found} == {"ok", "not permitted"}
    assert found["not permitted"][:7] == [
        "public access block",
        "whether the bucket's policy lets anyone in",
        "whether the bucket refuses requests without TLS",
        "object ownership",
        "versioning",
        "lifecycle rules",
        "default encryption",
    ]
    assert about(found, "not permitted", "how old the key of arn:aws:iam::")
    assert about(found, "not permitted", "whether the key may remove objects")
    assert about(found, "ok", "nothing was found that the key may do and the sink does not need")


@pytest.mark.parametrize("right", ["s3:ListBucket", "s3:DeleteObject"])
def test_a_key_that_may_do_more_is_told_of_by_trying_what_does_no_harm(
    doctor: Doctor, right: str
) -> None:
    key = doctor.aws.user(EXAMINER, may(right))

    with doctor.aws.guarded():
        found = doctor.found(key)

    assert about(found, "warning", f"the key may do more than the sink needs: {right}")


def test_listing_is_no_more_than_a_sink_needs_that_looks_before_it_puts(doctor: Doctor) -> None:
    key = doctor.aws.user(EXAMINER, may("s3:ListBucket"))

    with doctor.aws.guarded():
        found = doctor.found(key, conditional_writes="off")

    assert about(found, "ok", "nothing was found that the key may do and the sink does not need")


def test_an_examination_leaves_nothing_behind(doctor: Doctor) -> None:
    set_up_well(doctor.aws, doctor.bucket)

    found = doctor.found()

    left = doctor.aws.s3.list_object_versions(Bucket=doctor.bucket)
    assert {"Versions", "DeleteMarkers"} & {*left} == set()
    assert about(found, "not permitted", "whether the key may remove objects, as a trial would")


def test_the_keys_of_a_role_end_by_themselves(doctor: Doctor) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = doctor.aws.iam.create_role(
        RoleName=f"{doctor.bucket}-role", AssumeRolePolicyDocument=json.dumps(policy(trust))
    )["Role"]["Arn"]

    found = doctor.found(role_arn=role)

    assert about(found, "ok", "the keys are a role's, and end by themselves: arn:aws:sts::")


def test_another_key_of_the_same_user_is_told_of(doctor: Doctor) -> None:
    key = doctor.aws.user(ALL)
    used = doctor.aws.iam.get_access_key_last_used(AccessKeyId=key.access)
    doctor.aws.iam.create_access_key(UserName=used["UserName"])

    assert about(doctor.found(key), "warning", "the user has another active key, ")


def test_a_false_secret_ends_the_examination(doctor: Doctor) -> None:
    key = doctor.aws.user(ALL)

    with doctor.aws.guarded(), pytest.raises(SinkError, match="SignatureDoesNotMatch"):
        doctor.found(Key(key.access, "false"))


def test_a_bucket_that_is_not_there_ends_the_examination(doctor: Doctor) -> None:
    with pytest.raises(SinkError, match="NoSuchBucket"):
        doctor.found(bucket="sinkwell-no-such-bucket")


@pytest.mark.parametrize(
    ("name", "unknown", "known"),
    [
        ("seaweedfs", {"public access block"}, "the bucket's owner owns every object"),
        (
            "rclone",
            {
                "public access block",
                "whether the bucket's policy lets anyone in",
                "whether the bucket refuses requests without TLS",
                "object ownership",
                "lifecycle rules",
                "default encryption",
            },
            "files travel encrypted",
        ),
    ],
)
def test_a_store_that_does_not_know_a_question_is_not_blamed_for_it(
    name: str, unknown: set[str], known: str, request: pytest.FixtureRequest
) -> None:
    server: S3Server = request.getfixturevalue(name)

    found = by_level(
        examined(
            type="s3",
            bucket=server.make_bucket(),
            endpoint=server.secure_url,
            ca_bundle=str(server.ca),
            access_key=server.access_key,
            secret_key=server.secret_key,
        )
    )

    assert {*found["not offered"]} == unknown | {"whose key it is, and how old"}
    assert about(found, "ok", known)
    assert about(found, "warning", "s3:DeleteObject, s3:ListAllMyBuckets")
    assert "failed" not in found


def test_a_store_that_knows_no_question_is_told_as_such() -> None:
    with S3Stub(["captures"]) as stub:
        found = by_level(
            examined(
                type="s3",
                bucket="captures",
                endpoint=stub.url,
                access_key=stub.access_key,
                secret_key=stub.secret_key,
            )
        )
        requests = {each.operation for each in stub.requests}

    assert len(found["not offered"]) == 8
    assert {*found} == {"ok", "not offered", "not permitted"}
    assert not {"PutObject", "DeleteObject", "CreateMultipartUpload"} & requests
