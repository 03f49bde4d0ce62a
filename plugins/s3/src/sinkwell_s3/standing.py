"""The key that a sink uses: whose it is, how old, and whether it may do more than it needs."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sinkwell.contract import Finding, SinkError
from sinkwell_s3.asking import NotOfferedError, ask
from sinkwell_s3.identity import Identity
from sinkwell_s3.meanings import ForbiddenError
from sinkwell_s3.policy import bucket_arn, needs_list
from sinkwell_s3.settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import AccessKeyMetadataTypeDef

OLD = 90
"""Days after which a key that never ends should be exchanged."""

_GRAVE = {
    "s3:DeleteBucket",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutObject in other buckets",
    "iam:CreateAccessKey",
    "iam:PutUserPolicy",
}
"""What lets whoever has the key take the bucket, or more than the bucket."""

_OF_BUCKET = sorted(each for each in _GRAVE if each.startswith("s3:") and " " not in each)
_BREADTH = "whether the key may do more than the sink needs"
_LESS = "Give it the least policy instead: `sinkwell iam-policy` prints it."


class Standing:
    """Asks who the sink is and what it may do. Raises ``SinkError`` when nobody answers."""

    def __init__(self, settings: S3Settings, identity: Identity, key: str, label: str) -> None:
        self._settings = settings
        self._identity = identity
        self._key = key
        self._label = label

    def findings(self, *, unversioned: bool) -> Iterator[Finding]:
        """Yield what there is to say.

        ``unversioned`` tells that a removal of what is not there leaves no trace in the bucket.
        """
        arn = None
        if self._settings.provider_name == "aws":
            try:
                sts = self._identity.service("sts")
                arn = self._ask(sts.get_caller_identity)["Arn"]
                yield from self._whose(arn)
            except SinkError as error:
                yield Finding("not permitted", "whose key it is", str(error))
        else:
            yield Finding("not offered", "whose key it is, and how old")
        yield from self._breadth(arn, unversioned=unversioned)

    def _whose(self, arn: str) -> Iterator[Finding]:
        if arn.endswith(":root"):
            what = f"the key is the root user's of the account {arn.split(':')[4]}"
            yield Finding("failed", what, "Remove that key, and make a user or role for this sink.")
        elif ":assumed-role/" in arn or ":federated-user/" in arn:
            yield Finding("ok", f"the keys are a role's, and end by themselves: {arn}")
        else:
            try:
                yield from self._aged(arn)
            except ForbiddenError:
                advice = "Allow iam:ListAccessKeys on the user itself, or look in the IAM console."
                yield Finding("not permitted", f"how old the key of {arn} is", advice)

    def _aged(self, arn: str) -> Iterator[Finding]:
        iam: IAMClient = self._identity.service("iam")
        listed = self._ask(iam.list_access_keys, UserName=arn.rpartition("/")[2])
        now = datetime.now(UTC)
        for each in listed["AccessKeyMetadata"]:
            if each["AccessKeyId"] == self._key:
                yield age(arn, (now - each["CreateDate"]).days)
            elif each["Status"] == "Active":
                yield self._other_key(iam, each, now)

    def _other_key(
        self, iam: "IAMClient", key: "AccessKeyMetadataTypeDef", now: datetime
    ) -> Finding:
        what = f"the user has another active key, {key['AccessKeyId'][:8]}…"
        advice = "Remove it, if nothing needs it."
        try:
            used = self._ask(iam.get_access_key_last_used, AccessKeyId=key["AccessKeyId"])
        except ForbiddenError:
            return Finding("warning", what, advice)
        last = used["AccessKeyLastUsed"].get("LastUsedDate")
        when = f"last used {(now - last).days} days ago" if last else "never used"
        return Finding("warning", f"{what} {when}", advice)

    def _breadth(self, arn: str | None, *, unversioned: bool) -> Iterator[Finding]:
        if arn is not None and not arn.endswith(":root"):
            try:
                may = list(self._simulated(_principal(arn)))
            except (SinkError, NotOfferedError):
                yield Finding(
                    "not permitted",
                    f"{_BREADTH}, by simulation",
                    "Allow iam:SimulatePrincipalPolicy on the user or role itself. What can be "
                    "tried without harm follows.",
                )
            else:
                yield breadth(may)
                return
        yield breadth(self._tried(unversioned=unversioned))
        if not unversioned:
            yield Finding(
                "not permitted",
                "whether the key may remove objects, as a trial would leave a trace",
                "`sinkwell check` tells it: it removes what it put.",
            )

    def _simulated(self, principal: str) -> Iterator[str]:
        """Yield what the key may do beyond the sink's needs, by its policies."""
        iam: IAMClient = self._identity.service("iam")
        for resource, suffix, actions in _questions(self._settings):
            answer = self._ask(
                iam.simulate_principal_policy,
                PolicySourceArn=principal,
                ActionNames=actions,
                ResourceArns=[resource],
            )
            for each in answer["EvaluationResults"]:
                if each["EvalDecision"] == "allowed":
                    yield f"{each['EvalActionName']}{suffix}"

    def _tried(self, *, unversioned: bool) -> Iterator[str]:
        """Yield what the key may do beyond the sink's needs, as far as it harms nothing to try."""
        client, bucket = self._identity.client, self._settings.bucket
        if not needs_list(self._settings) and self._may(
            client.list_objects_v2, Bucket=bucket, MaxKeys=1
        ):
            yield "s3:ListBucket"
        if self._may(client.list_buckets):
            yield "s3:ListAllMyBuckets"
        nothing = f"{self._settings.prefix}sinkwell-doctor-{secrets.token_hex(16)}"
        if unversioned and self._may(client.delete_object, Bucket=bucket, Key=nothing):
            yield "s3:DeleteObject"

    def _may(self, call: Callable[..., Any], /, **arguments: Any) -> bool:
        try:
            self._ask(call, **arguments)
        except (ForbiddenError, NotOfferedError):
            return False
        return True

    def _ask(self, call: Callable[..., Any], /, **arguments: Any) -> Any:
        return ask(call, self._label, **arguments)


def age(arn: str, days: int) -> Finding:
    """Judge how old a key is."""
    what = f"the key of {arn} is {days} days old"
    if days <= OLD:
        return Finding("ok", what)
    advice = f"Exchange it every {OLD} days, or use a role: its keys end by themselves."
    return Finding("warning", what, advice)


def breadth(may: Iterable[str]) -> Finding:
    """Judge what a key may do beyond the sink's needs."""
    found = sorted(may)
    if not found:
        return Finding("ok", "nothing was found that the key may do and the sink does not need")
    what = f"the key may do more than the sink needs: {', '.join(found)}"
    return Finding("failed" if _GRAVE & {*found} else "warning", what, _LESS)


def _principal(arn: str) -> str:
    """Return the user or role whose policies hold for a caller."""
    if ":assumed-role/" not in arn:
        return arn
    head, _, tail = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{tail.partition('/')[0]}"


def _questions(settings: S3Settings) -> Iterator[tuple[str, str, list[str]]]:
    """Yield a resource, how it is called, and actions that a sink does not need there."""
    bucket = bucket_arn(settings)
    yield f"{bucket}/{settings.prefix}x", "", ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    if settings.prefix:
        yield f"{bucket}/~x", " outside of the prefix", ["s3:GetObject", "s3:PutObject"]
    yield bucket, "", [*_OF_BUCKET, *([] if needs_list(settings) else ["s3:ListBucket"])]
    elsewhere = bucket.replace(f":::{settings.bucket}", ":::sinkwell-doctor-asks")
    yield f"{elsewhere}/x", " in other buckets", ["s3:PutObject"]
    yield "*", "", ["iam:CreateAccessKey", "iam:PutUserPolicy", "s3:ListAllMyBuckets"]
