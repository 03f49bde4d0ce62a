"""An AWS of our own by moto, for what no real server of S3 has: IAM, versioning, access blocks."""

import json
import secrets
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import object_servers as servers
import pytest
from instances import free_port

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

REGION = "eu-central-1"


@dataclass(frozen=True)
class Key:
    """An access key of some user."""

    access: str
    secret: str


@dataclass(frozen=True)
class Aws:
    """S3, IAM and STS at one address. Whoever asks may do anything, save within ``guarded``."""

    url: str

    @property
    def s3(self) -> Any:
        """A client of S3 that stands apart from all code under test."""
        return self._client("s3")

    @property
    def iam(self) -> "IAMClient":
        """Likewise of IAM."""
        client: IAMClient = self._client("iam")
        return client

    def bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"captures-{secrets.token_hex(6)}"
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def user(self, *statements: Mapping[str, object]) -> Key:
        """Make a user who may do what the statements say, and return a key of it."""
        return self.user_with({"Version": "2012-10-17", "Statement": statements})

    def user_with(self, policy: Mapping[str, object]) -> Key:
        """Make a user with a policy and return a key of it."""
        name = f"sinkwell-{secrets.token_hex(6)}"
        self.iam.create_user(UserName=name)
        self.iam.put_user_policy(
            UserName=name, PolicyName="rights", PolicyDocument=json.dumps(policy)
        )
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Let nobody do what no policy allows."""
        self._authorize_after("0")
        try:
            yield
        finally:
            self._authorize_after("inf")

    def _authorize_after(self, requests: str) -> None:
        request = urllib.request.Request(
            f"{self.url}/moto-api/reset-auth",
            requests.encode(),
            {"Content-Type": "application/octet-stream"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            answer.read()

    def _client(self, service: Any) -> Any:
        import boto3

        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="owner",
            aws_secret_access_key="owner",
        )


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Run moto, and return its address."""
    port = free_port()
    url = f"http://{servers.HOST}:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", servers.HOST, "-p", str(port)]
    ready: Callable[[], bool] = partial(_answers, f"{url}/moto-api/data.json")
    with (
        servers._directory("moto") as directory,
        servers._running(command, directory, ready),
    ):
        yield url


@pytest.fixture
def aws(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Return the AWS that boto3 finds, wherever it is not told another address."""
    for service in ("IAM", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto_server)
    return Aws(moto_server)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
    except OSError:
        return False
    return True
