"""What the way a bucket is set up means, judged from answers alone."""

import json
from collections.abc import Callable, Iterable

import pytest

from sinkwell.contract import Finding
from sinkwell_s3 import verdicts
from sinkwell_s3.asking import NotOfferedError
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.standing import age, breadth

Judge = Callable[[verdicts.Found, S3Settings], Iterable[Finding]]


def settings(**keys: object) -> S3Settings:
    fields: dict[str, object] = {"type": "s3", "bucket": "captures", "region": "eu-central-1"}
    return S3Settings(**fields | keys)  # type: ignore[arg-type]  # free keys


def judged(judge: Judge, found: verdicts.Found, **keys: object) -> list[tuple[str, str]]:
    return [(each.level, each.what) for each in judge(found, settings(**keys))]


def level(judge: Judge, found: verdicts.Found, **keys: object) -> str:
    (one,) = judged(judge, found, **keys)
    return one[0]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, "ok"),
        ("https://s3.example.com", "ok"),
        ("http://127.0.0.1:9000", "ok"),
        ("http://[::1]:9000", "ok"),
        ("http://s3.example.com", "failed"),
        ("http://localhost.example.com", "failed"),
    ],
)
def test_files_travel_encrypted_or_stay_on_this_machine(
    endpoint: str | None, expected: str
) -> None:
    assert verdicts.transport(settings(endpoint=endpoint)).level == expected


BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@pytest.mark.parametrize("off", BLOCKS)
def test_public_access_is_blocked_only_with_all_four_switches(off: str) -> None:
    switches = dict.fromkeys(BLOCKS, True) | {off: False}
    found = {"PublicAccessBlockConfiguration": switches}

    assert judged(verdicts.public_access, found) == [
        ("failed", f"public access is not blocked: {off}")
    ]


def test_a_sink_with_a_public_acl_needs_what_is_not_blocked() -> None:
    assert level(verdicts.public_access, None, acl="public-read") == "warning"
    assert level(verdicts.public_access, None, acl="bucket-owner-full-control") == "failed"


def test_an_acl_that_the_bucket_refuses_is_a_failure() -> None:
    found = {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}

    assert level(verdicts.ownership, found) == "ok"
    assert level(verdicts.ownership, found, acl="bucket-owner-full-control") == "ok"
    assert level(verdicts.ownership, found, acl="public-read") == "failed"


@pytest.mark.parametrize(
    "judge",
    [
        verdicts.public_access,
        verdicts.policy_status,
        verdicts.tls_only,
        verdicts.ownership,
        verdicts.lifecycle,
        verdicts.encryption,
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {
            "PublicAccessBlockConfiguration": {},
            "PolicyStatus": {},
            "Policy": "<ListBucketResult/>",
            "OwnershipControls": {},
            "ServerSideEncryptionConfiguration": {},
        },
    ],
)
def test_an_answer_to_another_question_is_not_taken_for_one(
    judge: Judge, answer: dict[str, object]
) -> None:
    with pytest.raises(NotOfferedError):
        judged(judge, answer)


DENIES = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "ok"),
        ({"Principal": {"AWS": "*"}}, "ok"),
        ({"Action": ["s3:*"]}, "ok"),
        ({"Condition": {"Bool": {"AWS:secureTransport": False}}}, "ok"),
        ({"Condition": {"Bool": {"aws:SecureTransport": ["false"]}}}, "ok"),
        ({"Effect": "Allow"}, "warning"),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:user/x"}}, "warning"),
        ({"Action": "s3:GetObject"}, "warning"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, "warning"),
        ({"Condition": {"Bool": []}}, "warning"),
        ({"Condition": []}, "warning"),
        ({"Action": None}, "warning"),
    ],
)
def test_requests_without_tls_are_refused_only_if_all_of_everyones_are(
    change: dict[str, object], expected: str
) -> None:
    found = {"Policy": json.dumps({"Statement": [DENIES | change]})}

    assert level(verdicts.tls_only, found) == expected


@pytest.mark.parametrize("policy", ["[]", "3", "{}", '{"Statement": "x"}', '{"Statement": [3]}'])
def test_a_policy_of_an_odd_shape_refuses_nothing(policy: str) -> None:
    assert level(verdicts.tls_only, {"Policy": policy}) == "warning"


def rule(**more: object) -> dict[str, object]:
    return {
        "ID": "r",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    } | more


@pytest.mark.parametrize(
    ("prefix", "more", "expected"),
    [
        ("", {"Filter": {}}, "ok"),
        ("", {"Prefix": ""}, "ok"),
        ("shots/", {"Filter": {"Prefix": "shots/"}}, "ok"),
        ("shots/2026/", {"Filter": {"And": {"Prefix": "shots/", "ObjectSizeLessThan": 9}}}, "ok"),
        ("", {"Filter": {"Prefix": "shots/"}}, "warning"),
        ("shots/", {"Filter": {"Prefix": "shots/2026/"}}, "warning"),
        ("", {"Status": "Disabled"}, "warning"),
    ],
)
def test_incomplete_uploads_go_only_by_a_rule_for_all_of_the_prefix(
    prefix: str, more: dict[str, object], expected: str
) -> None:
    assert level(verdicts.lifecycle, {"Rules": [rule(**more)]}, prefix=prefix) == expected


@pytest.mark.parametrize(
    ("prefix", "told"), [("", True), ("shots/2026/", True), ("sho", True), ("else/", False)]
)
def test_a_rule_that_removes_files_is_told_of(prefix: str, told: bool) -> None:
    removes = {"ID": "tidy", "Status": "Enabled", "Prefix": "shots/", "Expiration": {"Days": 30}}
    found = {"Rules": [rule(Prefix=""), removes]}

    said = judged(verdicts.lifecycle, found, prefix=prefix)

    expected = ("warning", "lifecycle rule 'tidy' removes objects 30 days old")
    assert (expected in said) is told


def test_a_sink_that_asks_for_encryption_needs_no_default() -> None:
    assert level(verdicts.encryption, None) == "warning"
    assert level(verdicts.encryption, None, sse="s3") == "ok"


def test_object_lock_is_judged_only_where_the_sink_locks() -> None:
    lock = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    locks = {"object_lock": "governance", "retain_for": 86400.0}

    assert judged(verdicts.object_lock, None) == []
    assert level(verdicts.object_lock, None, **locks) == "failed"
    assert level(verdicts.object_lock, lock, **locks) == "ok"


@pytest.mark.parametrize(("days", "expected"), [(0, "ok"), (90, "ok"), (91, "warning")])
def test_a_key_is_old_after_ninety_days(days: int, expected: str) -> None:
    assert age("arn:aws:iam::123456789012:user/x", days).level == expected


@pytest.mark.parametrize(
    ("may", "expected"),
    [
        ([], "ok"),
        (["s3:ListBucket", "s3:DeleteObject"], "warning"),
        (["s3:ListBucket", "s3:PutBucketPolicy"], "failed"),
        (["s3:PutObject in other buckets"], "failed"),
        (["iam:CreateAccessKey"], "failed"),
    ],
)
def test_what_lets_a_thief_take_the_bucket_is_a_failure(may: list[str], expected: str) -> None:
    assert breadth(may).level == expected
