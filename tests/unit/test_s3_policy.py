"""The policy of an S3 sink allows what its settings need, and nothing else."""

import json
from typing import Any

import msgspec
import pytest

from sinkwell.contract import Policy
from sinkwell.contract.settings import decode_custom
from sinkwell_s3.policy import policy_for
from sinkwell_s3.presets import PRESETS
from sinkwell_s3.settings import S3Settings

ALWAYS = {"s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0f1e2d3c"


def policy(**keys: object) -> Policy:
    section = {"type": "s3", "bucket": "captures", "region": "eu-central-1"} | keys
    return policy_for(msgspec.convert(section, S3Settings, dec_hook=decode_custom))


def statements(**keys: object) -> dict[str, dict[str, Any]]:
    document = json.loads(policy(**keys).document)
    assert document["Version"] == "2012-10-17"
    assert {each["Effect"] for each in document["Statement"]} == {"Allow"}
    return {each["Sid"]: each for each in document["Statement"]}


def rights(**keys: object) -> set[str]:
    return {action for each in statements(**keys).values() for action in each["Action"]}


OPTIONS: list[tuple[dict[str, object], set[str]]] = [
    ({}, set()),
    ({"if_present": "replace"}, set()),
    ({"conditional_writes": "off"}, {"s3:ListBucket"}),
    ({"conditional_writes": "off", "if_present": "replace"}, set()),
    ({"acl": "public-read"}, {"s3:PutObjectAcl"}),
    ({"tags": {"team": "web"}}, {"s3:PutObjectTagging"}),
    ({"object_lock": "governance", "retain_for": "1d"}, {"s3:PutObjectRetention"}),
    ({"sse": "s3"}, set()),
    ({"sse": "kms"}, set()),
    ({"sse": "kms", "kms_key": KEY}, {"kms:GenerateDataKey", "kms:Decrypt"}),
    ({"storage_class": "STANDARD_IA"}, set()),
    ({"requester_pays": True}, set()),
    ({"accelerate": True}, set()),
]


@pytest.mark.parametrize(
    ("keys", "more"), OPTIONS, ids=lambda each: " ".join(sorted(each)) or "none"
)
def test_each_option_brings_its_own_rights_and_no_other(
    keys: dict[str, object], more: set[str]
) -> None:
    assert rights(**keys) == ALWAYS | more


def test_rights_to_objects_end_at_the_prefix() -> None:
    assert statements(prefix="shots/")["PutFiles"]["Resource"] == "arn:aws:s3:::captures/shots/*"
    assert statements()["PutFiles"]["Resource"] == "arn:aws:s3:::captures/*"


def test_a_prefix_is_never_read_as_a_pattern_or_a_variable() -> None:
    resource = statements(prefix="a*b?c${aws:username}/")["PutFiles"]["Resource"]

    assert resource == "arn:aws:s3:::captures/a${*}b${?}c${$}{aws:username}/*"


def test_rights_to_the_bucket_name_the_bucket_alone() -> None:
    found = statements(conditional_writes="off", prefix="shots/")["TellFreeKeys"]

    assert found["Resource"] == "arn:aws:s3:::captures"


def test_an_expected_owner_is_expected_by_the_policy_too() -> None:
    found = statements(expected_bucket_owner="123456789012", conditional_writes="off")

    expected = {"StringEquals": {"s3:ResourceAccount": "123456789012"}}
    assert [each["Condition"] for each in found.values()] == [expected, expected]


@pytest.mark.parametrize(
    ("keys", "partition"),
    [
        ({"region": "eu-central-1"}, "aws"),
        ({"region": "cn-north-1"}, "aws-cn"),
        ({"region": "us-gov-west-1"}, "aws-us-gov"),
        ({"region": "eusc-de-east-1"}, "aws-eusc"),
        ({"region": None, "role_arn": "arn:aws-cn:iam::123456789012:role/puts"}, "aws-cn"),
    ],
)
def test_names_are_those_of_the_partition(keys: dict[str, object], partition: str) -> None:
    assert statements(**keys)["PutFiles"]["Resource"] == f"arn:{partition}:s3:::captures/*"


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        (KEY, KEY),
        ("0f1e2d3c", "arn:aws:kms:eu-central-1:*:key/0f1e2d3c"),
        ("alias/shots", "arn:aws:kms:eu-central-1:*:key/*"),
        (
            "arn:aws:kms:eu-central-1:123456789012:alias/shots",
            "arn:aws:kms:eu-central-1:123456789012:key/*",
        ),
    ],
)
def test_a_key_is_used_through_s3_alone_and_an_alias_is_asked_for(key: str, resource: str) -> None:
    found = statements(sse="kms", kms_key=key)["UseKey"]

    assert found["Resource"] == resource
    condition = found["Condition"]
    assert condition.pop("StringLike") == {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
    aliases = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/shots"}}
    assert condition == (aliases if "alias/" in key else {})


@pytest.mark.parametrize("keys", [each for each, _ in OPTIONS], ids=" ".join)
def test_every_right_is_explained(keys: dict[str, object]) -> None:
    notes = policy(**keys).notes

    told = {note.rpartition(": ")[0] for note in notes}
    assert rights(**keys) <= told
    assert all(note.isprintable() for note in notes)


@pytest.mark.parametrize("provider", PRESETS)
def test_who_uses_a_store_without_such_policies_learns_what_to_choose_there(provider: str) -> None:
    notes = "\n".join(
        policy(provider=provider, account="0123", endpoint="https://s3.example.com").notes
    )

    reads = provider in {"aws", "ceph", "minio", "wasabi"}
    assert (f"{provider} may not read such policies" in notes) is not reads
