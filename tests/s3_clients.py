"""boto3 as a client of the S3 stub: it stands apart from all code under test."""

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from object_servers import Authority

from sinkwell.testing.s3 import S3Stub

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.certificate, authority.key)
    return context


def client(
    stub: S3Stub,
    *,
    secret: str = "",
    key: str = "",
    region: str = "",
    token: str | None = None,
    ca: object = None,
    checksums: str = "when_required",
    host: str = "127.0.0.1",
    **config: Any,
) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=stub.url.replace("127.0.0.1", host),
        region_name=region or stub.region,
        aws_access_key_id=key or stub.access_key,
        aws_secret_access_key=secret or stub.secret_key,
        aws_session_token=token,
        verify=str(ca) if ca else None,
        config=Config(
            **{
                "request_checksum_calculation": checksums,
                "response_checksum_validation": checksums,
                "retries": {"total_max_attempts": 1, "mode": "standard"},
                "read_timeout": 2,
                "signature_version": "s3v4",
                **config,
            }
        ),
    )


def refused(call: Callable[..., object], /, *args: Any, **kwargs: Any) -> str:
    """Return the code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"]
