"""What the words of stores and of botocore mean for a delivery: the tables.

=======================================  ==================  ====================================
answer or failure                        error               because
=======================================  ==================  ====================================
403, no such bucket, redirected, no or   ``UnusableError``   no file gets in until someone acts
false credentials, clock wrong, no room,
certificate not trusted, a setting
refused
too large, name or metadata refused,     ``RejectedError``   this file never gets in here
locked
408, 429, 5xx, busy, wrong checksum,     ``TransientError``  the same may succeed a moment later
nobody there, cut, timed out
=======================================  ==================  ====================================

The codes are those of S3's API reference ("List of error codes"), and others that stores answer.
"""

from boto3 import exceptions as boto3
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from sinkwell.contract import RejectedError, SinkError, TransientError, UnusableError


class AnswerLostError(TransientError):
    """The request may have been carried out, and its answer never came."""


class ForbiddenError(UnusableError):
    """The credentials are good, but may not do this."""


Meaning = tuple[type[SinkError], str]
"""The class of error, and what to do next."""

AGAIN: Meaning = (TransientError, "It is tried again")
RESEND: Meaning = (TransientError, "It is sent again")
PERMIT: Meaning = (
    ForbiddenError,
    "Allow the sink's key to do this: `sinkwell iam-policy` prints the least policy that it needs",
)
LOGIN: Meaning = (UnusableError, "Look at the sink's access key and secret key")
EXPIRED: Meaning = (
    UnusableError,
    "Renew the sink's credentials, or use ones that renew themselves: a role, or a profile",
)
BUCKET: Meaning = (UnusableError, "Create the bucket, or correct the sink's bucket and endpoint")
REGION: Meaning = (UnusableError, "Correct the sink's region or endpoint")
CLOCK: Meaning = (UnusableError, "Set this machine's clock: it is too far from the store's")
SETTING: Meaning = (UnusableError, "Change this setting of the sink, or the bucket")
UNSUPPORTED: Meaning = (
    UnusableError,
    'Set provider to what the store is, or checksum = "none", and remove acl, sse, tags and such',
)
KMS: Meaning = (UnusableError, "Look at the KMS key: its state, region and policy")
ROOM: Meaning = (UnusableError, "Make room in the bucket, or raise its quota")
ACCOUNT: Meaning = (UnusableError, "Look at the state of the account with the provider")
ENDPOINT: Meaning = (UnusableError, "Correct the sink's endpoint")
CERTIFICATE: Meaning = (
    UnusableError,
    "The endpoint's certificate is not trusted: set ca_bundle, or correct the endpoint",
)
INSTALL: Meaning = (UnusableError, "Look at the AWS configuration: files and environment")
PROXY: Meaning = (TransientError, "It is tried again; if it stays, look at the proxy")
FILE: Meaning = (RejectedError, "The store does not take this file under this key")
LARGE: Meaning = (RejectedError, "The file is larger than the store takes")
METADATA: Meaning = (
    RejectedError,
    "Metadata or tags are not taken: look at extra_metadata and tags, or set metadata = false",
)
LOCKED: Meaning = (
    RejectedError,
    "The object there may not be replaced or removed yet: choose another key",
)
ARCHIVED: Meaning = (RejectedError, "The object is archived: restore it first")
GONE: Meaning = (RejectedError, "There is no such object")

CODES: dict[str, Meaning] = {
    code: meaning
    for meaning, codes in (
        (
            AGAIN,
            """
            Busy ClientTokenConflict ConditionalRequestConflict ConnectionClosedByRequester
            ExpiredObjectDeleteMarker InternalError InvalidPart InvalidPartOrder NoSuchUpload
            NotModified OperationAborted PreconditionFailed RequestLimitExceeded RequestTimeout
            RequestTimeoutException ResponseInterrupted RestoreAlreadyInProgress ServerBusy
            ServiceUnavailable SlowDown SlowDownRead SlowDownWrite TemporaryRedirect
            ThrottledException Throttling ThrottlingException TooManyRequests
            TooManyRequestsException TransactionInProgressException XMinioBackendDown
            XMinioServerNotInitialized KMS.ThrottlingException
            """,
        ),
        (
            RESEND,
            """
            BadDigest IncompleteBody XAmzContentChecksumMismatch XAmzContentSHA256Mismatch
            XMinioContentSHA256Mismatch ContentSHA256Mismatch
            """,
        ),
        (PERMIT, "AccessDenied AccessForbidden UnauthorizedAccess UnauthorizedAccessError"),
        (
            LOGIN,
            """
            AuthorizationQueryParametersError CredentialsNotSupported InvalidAccessKeyId
            InvalidSecurity InvalidSignature MissingAuthenticationToken MissingSecurityElement
            MissingSecurityHeader NotSignedUp SignatureDoesNotMatch Unauthorized
            """,
        ),
        (
            EXPIRED,
            """
            ExpiredToken ExpiredTokenException InvalidSessionException InvalidToken
            TokenCodeInvalidError TokenRefreshRequired
            """,
        ),
        (
            BUCKET,
            """
            BucketAlreadyExists BucketAlreadyOwnedByYou BucketNotEmpty EndpointNotFound
            InvalidAccessPoint InvalidAccessPointAliasError InvalidBucketName
            InvalidBucketOwnerAWSAccountID NoSuchAccessPoint NoSuchBucket
            NoSuchMultiRegionAccessPoint NoSuchOutpost NoSuchResource
            """,
        ),
        (
            REGION,
            """
            AuthorizationHeaderMalformed IllegalLocationConstraintException
            InvalidLocationConstraint InvalidRegion PermanentRedirect
            PermanentRedirectControlError Redirect
            """,
        ),
        (CLOCK, "RequestExpired RequestTimeTooSkewed"),
        (
            SETTING,
            """
            AccessControlListNotSupported AmbiguousGrantByEmailAddress
            BucketHasAccessPointsAttached CrossLocationLoggingProhibited EntityTooSmall
            IllegalVersioningConfigurationException InvalidBucketAclWithObjectOwnership
            InvalidBucketState InvalidEncryptionAlgorithmError InvalidPayer
            InvalidPolicyDocument InvalidStorageClass InvalidTargetBucketForLogging
            MalformedACLError MalformedPolicy NoLoggingStatusForKey NoSuchAsyncRequest
            NoSuchBucketPolicy NoSuchCORSConfiguration NoSuchConfiguration
            NoSuchLifecycleConfiguration NoSuchObjectLockConfiguration
            NoSuchPublicAccessBlockConfiguration NoSuchTagSet NoSuchWebsiteConfiguration
            ObjectLockConfigurationNotFoundError OwnershipControlsNotFoundError
            ReplicationConfigurationNotFoundError ServerSideEncryptionConfigurationNotFoundError
            TagPolicyException UnresolvableGrantByEmailAddress UserKeyMustBeSpecified
            """,
        ),
        (
            UNSUPPORTED,
            """
            BadRequest IncorrectNumberOfFilesInPostRequest InlineDataTooLarge InvalidDigest
            InvalidRequest InvalidSOAPRequest MalformedPOSTRequest MalformedXML
            MaxMessageLengthExceeded MaxPostPreDataLengthExceededError MissingAttachment
            MissingContentLength MissingRequestBodyError NotImplemented
            RequestIsNotMultiPartContent RequestTorrentOfBucketError UnexpectedContent
            UnsupportedArgument UnsupportedSignature
            """,
        ),
        (
            KMS,
            """
            KMS.AccessDeniedException KMS.DisabledException KMS.InvalidKeyUsageException
            KMS.InvalidStateException KMS.KMSInvalidStateException KMS.NotFoundException
            KMS.UnrecognizedClientException
            """,
        ),
        (
            ROOM,
            """
            InsufficientCapacity NoSpaceLeft QuotaExceeded StorageCapExceeded
            StorageLimitExceeded StorageQuotaExceeded TooManyAccessPoints TooManyBuckets
            TooManyMultiRegionAccessPoints TooManyMultiRegionAccessPointregionsError
            XMinioAdminBucketQuotaExceeded XMinioStorageFull
            """,
        ),
        (
            ACCOUNT,
            """
            AccessPointAlreadyOwnedByYou AccountProblem AllAccessDisabled DeviceNotActiveError
            NotDeviceOwnerError TransactionCapExceeded UnexpectedIPError UserSuspended
            """,
        ),
        (
            ENDPOINT,
            """
            InvalidAddressingHeader InvalidHostHeader InvalidHttpMethod MethodNotAllowed
            SecondLevelDomainForbidden
            """,
        ),
        (
            FILE,
            """
            InvalidArgument InvalidObjectName InvalidRange InvalidURI KeyTooLong KeyTooLongError
            ObjectExistsAsDirectory ParentIsObject XMinioInvalidObjectName
            XMinioObjectExistsAsDirectory XMinioParentIsObject
            """,
        ),
        (LARGE, "EntityTooLarge"),
        (METADATA, "InvalidTag MetadataTooLarge RequestHeaderSectionTooLarge"),
        (LOCKED, "FileAlreadyExists FileImmutable ObjectLocked"),
        (ARCHIVED, "InvalidObjectState"),
        (GONE, "NoSuchKey NoSuchVersion"),
    )
    for code in codes.split()
}

STATUSES: dict[int, Meaning] = {
    400: FILE,
    401: LOGIN,
    403: PERMIT,
    404: BUCKET,
    405: ENDPOINT,
    407: (UnusableError, "The proxy asks who you are: use one that lets this machine through"),
    408: AGAIN,
    409: AGAIN,
    411: UNSUPPORTED,
    412: AGAIN,  # whoever asked with a condition looks at it first
    413: LARGE,
    414: FILE,
    416: AGAIN,
    425: AGAIN,
    429: AGAIN,
    431: METADATA,
    499: AGAIN,
    501: UNSUPPORTED,
    507: ROOM,
}
"""What an answer without a known code means."""

_FOUND_NO_KEYS = (
    UnusableError,
    "Set access_key and secret_key, or provide credentials where AWS tools look for them",
)

EXCEPTIONS: dict[type[BaseException], Meaning] = {
    getattr(module, name): meaning
    for module, meaning, names in (
        (
            botocore,
            AGAIN,
            """
            BotoCoreError CapacityNotAvailableError ClientError ConnectTimeoutError
            ConnectionError CredentialRetrievalError EndpointConnectionError EventStreamError
            MetadataRetrievalError WaiterError
            """,
        ),
        (
            botocore,
            (AnswerLostError, AGAIN[1]),
            """
            ConnectionClosedError HTTPClientError IncompleteReadError ReadTimeoutError
            ResponseStreamingError
            """,
        ),
        (botocore, PROXY, "ProxyConnectionError"),
        (botocore, RESEND, "AwsChunkedWrapperError ChecksumError FlexibleChecksumError"),
        (botocore, CERTIFICATE, "SSLError"),
        (botocore, _FOUND_NO_KEYS, "NoCredentialsError"),
        (
            botocore,
            EXPIRED,
            """
            LoginAuthorizationCodeError LoginError LoginInsufficientPermissions
            LoginRefreshRequired LoginTokenLoadError NoAuthTokenError
            RefreshWithMFAUnsupportedError SSOError SSOTokenLoadError TokenRetrievalError
            UnauthorizedSSOTokenError
            """,
        ),
        (
            botocore,
            REGION,
            """
            BaseEndpointResolverError EndpointProviderError EndpointResolutionError
            EndpointVariantError InvalidDNSNameError InvalidEndpointConfigurationError
            InvalidHostLabelError InvalidRegionError NoRegionError ServiceNotInRegionError
            UnknownEndpointError UnknownEndpointResolutionBuiltInName UnknownFIPSEndpointError
            UnknownRegionError UnsupportedOutpostResourceError
            UnsupportedS3AccesspointConfigurationError UnsupportedS3ArnError
            UnsupportedS3ConfigurationError UnsupportedS3ControlArnError
            UnsupportedS3ControlConfigurationError
            """,
        ),
        (
            botocore,
            FILE,
            """
            AliasConflictParameterError MissingParametersError ParamValidationError RangeError
            UnknownKeyError UnknownParameterError UnseekableStreamError ValidationError
            """,
        ),
        (
            botocore,
            INSTALL,
            """
            ApiVersionNotFoundError ConfigNotFound ConfigParseError DataNotFoundError
            ImminentRemovalWarning InfiniteLoopConfigError InvalidChecksumConfigError
            InvalidConfigError InvalidDefaultsMode InvalidEndpointDiscoveryConfigurationError
            InvalidExpressionError InvalidIMDSEndpointError InvalidIMDSEndpointModeError
            InvalidMaxRetryAttemptsError InvalidProxiesConfigError
            InvalidRetryConfigurationError InvalidRetryModeError InvalidS3AddressingStyleError
            InvalidS3UsEast1RegionalEndpointConfigError InvalidSTSRegionalEndpointsConfigError
            MD5UnavailableError MissingDependencyException MissingServiceIdError
            OperationNotPageableError PaginationError PartialCredentialsError ProfileNotFound
            StubAssertionError StubResponseError UnStubbedResponseError
            UndefinedModelAttributeError UnknownClientMethodError UnknownCredentialError
            UnknownServiceError UnknownServiceStyle UnknownSignatureVersionError
            UnknownTokenProviderError UnsupportedServiceProtocolsError
            UnsupportedSignatureVersionError UnsupportedTLSVersionWarning WaiterConfigError
            """,
        ),
        (
            boto3,
            AGAIN,
            "Boto3Error RetriesExceededError S3TransferFailedError S3UploadFailedError",
        ),
        (
            boto3,
            INSTALL,
            """
            DynamoDBNeedsConditionError DynamoDBNeedsKeyConditionError
            DynamoDBOperationNotSupportedError InvalidCrtTransferConfigError NoVersionFound
            PythonDeprecationWarning ResourceLoadException ResourceNotExistsError
            UnknownAPIVersionError
            """,
        ),
    )
    for name in names.split()
} | {ResponseParserError: (AnswerLostError, AGAIN[1])}
"""The exceptions of botocore and boto3; one that is not here goes by its base class."""
