import inspect
import ssl
from collections.abc import Iterator
from types import ModuleType

import aiohttp
import boto3.exceptions
import botocore.exceptions as botocore
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore.parsers import ResponseParserError

from sinkwell.contract import RejectedError, SinkError, TransientError, UnusableError
from sinkwell_s3.answers import Answer
from sinkwell_s3.errors import from_boto, from_transport, refused
from sinkwell_s3.meanings import CODES, EXCEPTIONS, AnswerLostError, ForbiddenError

LABEL = "sink 'archive': putting 'a/b.png'"
KEY = ConnectionKey("host", 443, True, True, None, None, None)

PUBLISHED = """
AccessControlListNotSupported AccessDenied AccessPointAlreadyOwnedByYou AccountProblem
AllAccessDisabled AmbiguousGrantByEmailAddress AuthorizationHeaderMalformed
AuthorizationQueryParametersError BadDigest BucketAlreadyExists BucketAlreadyOwnedByYou
BucketHasAccessPointsAttached BucketNotEmpty ClientTokenConflict ConditionalRequestConflict
ConnectionClosedByRequester CredentialsNotSupported CrossLocationLoggingProhibited
DeviceNotActiveError EndpointNotFound EntityTooLarge EntityTooSmall ExpiredToken
IllegalLocationConstraintException IllegalVersioningConfigurationException IncompleteBody
IncorrectNumberOfFilesInPostRequest InlineDataTooLarge InternalError InvalidAccessKeyId
InvalidAccessPoint InvalidAccessPointAliasError InvalidAddressingHeader InvalidArgument
InvalidBucketAclWithObjectOwnership InvalidBucketName InvalidBucketOwnerAWSAccountID
InvalidBucketState InvalidDigest InvalidEncryptionAlgorithmError InvalidHostHeader
InvalidHttpMethod InvalidLocationConstraint InvalidObjectState InvalidPart InvalidPartOrder
InvalidPayer InvalidPolicyDocument InvalidRange InvalidRegion InvalidRequest
InvalidSessionException InvalidSignature InvalidSOAPRequest InvalidSecurity InvalidStorageClass
InvalidTag InvalidTargetBucketForLogging InvalidToken InvalidURI KeyTooLongError
KMS.DisabledException KMS.InvalidKeyUsageException KMS.InvalidStateException
KMS.KMSInvalidStateException KMS.NotFoundException MalformedACLError MalformedPOSTRequest
MalformedPolicy MalformedXML MaxMessageLengthExceeded MaxPostPreDataLengthExceededError
MetadataTooLarge MethodNotAllowed MissingAttachment MissingAuthenticationToken
MissingContentLength MissingRequestBodyError MissingSecurityElement MissingSecurityHeader
NoLoggingStatusForKey NoSuchAccessPoint NoSuchAsyncRequest NoSuchBucket NoSuchBucketPolicy
NoSuchCORSConfiguration NoSuchKey NoSuchLifecycleConfiguration NoSuchMultiRegionAccessPoint
NoSuchObjectLockConfiguration NoSuchResource NoSuchTagSet NoSuchUpload NoSuchVersion
NoSuchWebsiteConfiguration NotDeviceOwnerError NotImplemented NotModified NotSignedUp
ObjectLockConfigurationNotFoundError OperationAborted OwnershipControlsNotFoundError
PermanentRedirect PermanentRedirectControlError PreconditionFailed Redirect
ReplicationConfigurationNotFoundError RequestHeaderSectionTooLarge RequestIsNotMultiPartContent
RequestTimeTooSkewed RequestTimeout RequestTorrentOfBucketError ResponseInterrupted
RestoreAlreadyInProgress ServerSideEncryptionConfigurationNotFoundError ServiceUnavailable
SignatureDoesNotMatch SlowDown TagPolicyException TemporaryRedirect TokenCodeInvalidError
TokenRefreshRequired TooManyAccessPoints TooManyBuckets
TooManyMultiRegionAccessPointregionsError TooManyMultiRegionAccessPoints UnauthorizedAccessError
UnexpectedContent UnexpectedIPError UnresolvableGrantByEmailAddress UnsupportedArgument
UnsupportedSignature UserKeyMustBeSpecified XAmzContentChecksumMismatch
XAmzContentSHA256Mismatch
"""
"""The codes of S3's API reference, but for those of S3 Select, Tables and Inventory."""


def answer(status: int, code: str = "", message: str = "said so", **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if code else ""
    return Answer(status, headers, body.encode())


@pytest.mark.parametrize("code", PUBLISHED.split())
def test_every_published_code_has_its_class_and_its_advice(code: str) -> None:
    kind, advice = CODES[code]
    error = refused(answer(400, code), LABEL)

    assert type(error) is kind
    assert str(error).startswith(f"{LABEL} failed: said so (400 {code}). {advice[:20]}")
    assert str(error).endswith(".")


def test_every_advice_is_a_sentence() -> None:
    for kind, advice in {*CODES.values(), *EXCEPTIONS.values()}:
        assert issubclass(kind, TransientError | RejectedError | UnusableError)
        assert advice[0].isupper()
        assert not advice.endswith(".")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, "InternalError", TransientError),
        (200, "SomethingNew", TransientError),
        (301, "", UnusableError),
        (301, "PermanentRedirect", UnusableError),
        (307, "", TransientError),
        (307, "TemporaryRedirect", TransientError),
        (400, "", RejectedError),
        (400, "RequestTimeout", TransientError),
        (400, "BadDigest", TransientError),
        (400, "EntityTooLarge", RejectedError),
        (400, "KeyTooLongError", RejectedError),
        (400, "InvalidArgument", RejectedError),
        (400, "ExpiredToken", UnusableError),
        (400, "AuthorizationHeaderMalformed", UnusableError),
        (401, "", UnusableError),
        (403, "", ForbiddenError),
        (403, "AccessDenied", ForbiddenError),
        (403, "InvalidAccessKeyId", UnusableError),
        (403, "SignatureDoesNotMatch", UnusableError),
        (403, "RequestTimeTooSkewed", UnusableError),
        (404, "", UnusableError),
        (404, "NoSuchBucket", UnusableError),
        (408, "", TransientError),
        (409, "ConditionalRequestConflict", TransientError),
        (411, "MissingContentLength", UnusableError),
        (412, "PreconditionFailed", TransientError),
        (413, "", RejectedError),
        (418, "SomethingNew", RejectedError),
        (429, "", TransientError),
        (500, "InternalError", TransientError),
        (501, "NotImplemented", UnusableError),
        (502, "", TransientError),
        (503, "SlowDown", TransientError),
        (504, "", TransientError),
        (507, "XMinioStorageFull", UnusableError),
        (507, "", UnusableError),
        (599, "", TransientError),
    ],
)
def test_every_answer_has_its_class(status: int, code: str, kind: type[SinkError]) -> None:
    assert type(refused(answer(status, code), LABEL)) is kind


def test_a_wrong_region_is_told_with_the_right_one() -> None:
    header = {"x-amz-bucket-region": "eu-west-3"}

    assert "the bucket is in 'eu-west-3'" in str(refused(Answer(301, header), LABEL))
    hostile = {"x-amz-bucket-region": "a\r\nb" * 50}
    assert str(refused(Answer(301, hostile), LABEL)).isprintable()


def test_the_time_to_wait_that_a_store_names_is_kept() -> None:
    error = refused(answer(503, "SlowDown", **{"Retry-After": "7"}), LABEL)
    assert isinstance(error, TransientError)
    assert error.retry_after == 7


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")), TransientError),
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), TransientError),
        (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "refused")), TransientError),
        (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "x")), UnusableError),
        (
            aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("x")),
            UnusableError,
        ),
        (ssl.SSLError(1, "x"), UnusableError),
        (aiohttp.ConnectionTimeoutError(), TransientError),
        (aiohttp.SocketTimeoutError(), AnswerLostError),
        (TimeoutError(), AnswerLostError),
        (aiohttp.ServerDisconnectedError(), AnswerLostError),
        (aiohttp.ClientOSError(104, "reset"), AnswerLostError),
        (aiohttp.ClientPayloadError(), AnswerLostError),
        (ConnectionResetError(), AnswerLostError),
        (aiohttp.InvalidURL("https://secret"), UnusableError),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Exception) else "",
)
def test_every_failure_on_the_way_has_its_class(error: Exception, kind: type[SinkError]) -> None:
    found = from_transport(error, LABEL)

    assert type(found) is kind
    assert str(found).startswith(f"{LABEL} failed: ")
    assert "secret" not in str(found)


def exceptions(module: ModuleType) -> Iterator[type[BaseException]]:
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, BaseException) and kind.__module__ == module.__name__:
            yield kind


def test_every_exception_of_botocore_and_boto3_is_in_the_table() -> None:
    known = {*exceptions(botocore), *exceptions(boto3.exceptions), ResponseParserError}

    assert known == set(EXCEPTIONS)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (botocore.NoCredentialsError(), UnusableError),
        (botocore.ProfileNotFound(profile="hushed"), UnusableError),
        (botocore.SSOTokenLoadError(error_msg="hushed"), UnusableError),
        (botocore.EndpointConnectionError(endpoint_url="hushed"), TransientError),
        (botocore.ConnectTimeoutError(endpoint_url="hushed"), TransientError),
        (botocore.ReadTimeoutError(endpoint_url="hushed"), AnswerLostError),
        (botocore.ConnectionClosedError(endpoint_url="hushed"), AnswerLostError),
        (botocore.SSLError(endpoint_url="hushed", error=OSError("hushed")), UnusableError),
        (botocore.ProxyConnectionError(proxy_url="hushed"), TransientError),
        (botocore.ParamValidationError(report="hushed"), RejectedError),
        (ResponseParserError("hushed"), AnswerLostError),
        (ValueError("hushed"), UnusableError),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Exception) else "",
)
def test_exceptions_of_boto3_are_told_without_their_texts(
    error: Exception, kind: type[SinkError]
) -> None:
    found = from_boto(error, LABEL)

    assert type(found) is kind
    assert "hushed" not in str(found)


def test_an_error_that_boto3_read_is_told_as_one_that_was_read_here() -> None:
    response = {
        "Error": {"Code": "SlowDown", "Message": "said so"},
        "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": {"retry-after": "4"}},
    }
    error = from_boto(botocore.ClientError(response, "PutObject"), LABEL)  # type: ignore[arg-type] # the other fields say nothing here

    assert isinstance(error, TransientError)
    assert error.retry_after == 4
    assert "said so (503 SlowDown)" in str(error)
