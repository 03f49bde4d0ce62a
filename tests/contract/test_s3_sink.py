"""The S3 sink keeps the contract of sinks, whichever store, way and protocol."""

import functools
from collections.abc import Callable, Iterator

import pytest
from object_servers import Authority, S3Server, run_rclone
from s3_support import MIB, ServerDestination

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import Destination, SinkContract
from sinkwell.testing.kit import in_loop, not_shown
from sinkwell.testing.s3 import S3Stub, StubDestination
from sinkwell.testing.sinks.bench import Bench
from sinkwell_s3 import S3

PART = 5 * MIB


@pytest.fixture(scope="module")
def quick_rclone(authority: Authority) -> Iterator[S3Server]:
    with run_rclone(authority, remembers=True) as server:
        yield server


@pytest.fixture(scope="module")
def stub() -> Iterator[S3Stub]:
    with S3Stub() as stub:
        yield stub


class S3Contract(SinkContract):
    part_size = PART
    transfer = "native"

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return S3

    @pytest.fixture(autouse=True)
    def _key_id(self, bench: Bench) -> None:
        # The id of a key is no secret: every signed URL of S3 shows it.
        bench.secrets.remove(bench.settings.access_key.reveal())


class StubContract(S3Contract):
    """Against the strict stub, which verifies all that AWS does, and makes the faults."""

    @pytest.fixture
    def bucket(self, stub: S3Stub) -> str:
        stub.make_bucket("tested")
        return "tested"

    @pytest.fixture
    def section(self, stub: S3Stub, bucket: str) -> dict[str, object]:
        return {
            "type": "s3",
            "provider": "aws",
            "region": stub.region,
            "endpoint": stub.url,
            "bucket": bucket,
            "access_key": stub.access_key,
            "secret_key": stub.secret_key,
            "multipart_threshold": PART,
            "part_size": PART,
            "transfer": self.transfer,
            "connect_timeout": 2,
            "read_timeout": 5,
        }

    @pytest.fixture
    def destination(self, stub: S3Stub, bucket: str) -> Destination:
        return StubDestination(stub, bucket)

    @in_loop
    async def test_memory_stays_flat(self) -> None:  # type: ignore[override]  # asks for no bench
        """A file of 64 MB is never held in memory as a whole."""
        not_shown("the stub keeps in this process what it is sent; the real stores show it")


class ServerContract(S3Contract):
    """Against a real store."""

    provider = "custom"
    secure = False

    @pytest.fixture
    def server(self) -> S3Server:
        raise NotImplementedError

    @pytest.fixture
    def bucket(self, server: S3Server) -> str:
        return server.make_bucket(secure=self.secure)

    @pytest.fixture
    def section(self, server: S3Server, bucket: str) -> dict[str, object]:
        return {
            "type": "s3",
            "provider": self.provider,
            "endpoint": server.secure_url if self.secure else server.url,
            "bucket": bucket,
            "access_key": server.access_key,
            "secret_key": server.secret_key,
            "multipart_threshold": PART,
            "part_size": PART,
            "transfer": self.transfer,
            "ca_bundle": str(server.ca),
        }

    @pytest.fixture
    def destination(self, server: S3Server, bucket: str) -> Destination:
        return ServerDestination(server, bucket, secure=self.secure)


class SeaweedContract(ServerContract):
    provider = "seaweedfs"

    @pytest.fixture
    def server(self, seaweedfs: S3Server) -> S3Server:
        return seaweedfs

    @in_loop
    async def test_prefixes(self) -> None:  # type: ignore[override]  # asks for no bench
        """An object and one below its key are both kept, or the second is a RejectedError."""
        not_shown("SeaweedFS says that something is there, and then that nothing is")


class RcloneContract(ServerContract):
    """rclone knows no condition, keeps no metadata, and objects are files of a disk."""

    @pytest.fixture
    def server(self, quick_rclone: S3Server) -> S3Server:
        return quick_rclone

    @in_loop
    async def test_prefixes(self) -> None:  # type: ignore[override]  # asks for no bench
        """An object and one below its key are both kept, or the second is a RejectedError."""
        not_shown("rclone answers 500, which is no refusal, where a file is in the way of a folder")

    @in_loop
    async def test_racing_to_replace(self) -> None:  # type: ignore[override]  # asks for no bench
        """replace, 16 writers: all get a receipt, readers see one complete content, never a mix."""
        not_shown("rclone itself answers readers with 500 while a file is replaced")


HEAVY = (
    "test_sizes_around_part_boundaries",
    "test_more_than_64_mb",
    "test_racing_with_the_same_bytes",
    "test_racing_to_keep",
    "test_racing_to_be_first",
    "test_racing_to_replace",
    "test_many_at_once",
    "test_cancelled_puts",
    "test_the_loop_is_not_blocked",
    "test_repeating_does_no_harm",
)
"""Promises that take long to show: :class:`TestStub` shows them every day."""


def quick(contract: type[S3Contract]) -> type[S3Contract]:
    """Leave the heavy promises of a contract to ``make soak``."""
    for name in HEAVY:
        setattr(contract, name, _soaking(getattr(contract, name)))
    return contract


def _soaking(test: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        test(*args, **kwargs)

    marked: Callable[..., None] = pytest.mark.soak(run)
    return marked


class TestStub(StubContract):
    """All of it, with every fault."""


@quick
class TestStubByBoto3(StubContract):
    transfer = "boto3"


# Every day each store is met both ways and by both protocols; all pairs of these in a soak.


@quick
class TestSeaweedOverTls(SeaweedContract):
    secure = True


@quick
class TestSeaweedByBoto3(SeaweedContract):
    transfer = "boto3"


@quick
class TestRclone(RcloneContract):
    pass


@quick
class TestRcloneOverTlsByBoto3(RcloneContract):
    transfer = "boto3"
    secure = True


@pytest.mark.soak
class TestSeaweed(SeaweedContract):
    pass


@pytest.mark.soak
class TestSeaweedOverTlsByBoto3(SeaweedContract):
    transfer = "boto3"
    secure = True


@pytest.mark.soak
class TestRcloneOverTls(RcloneContract):
    secure = True


@pytest.mark.soak
class TestRcloneByBoto3(RcloneContract):
    transfer = "boto3"
