"""The S3 sink keeps the contract of sinks, whichever store, way and protocol."""

from collections.abc import Iterator

import pytest
from object_servers import S3Server
from s3_support import MIB, ServerDestination

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import Destination, SinkContract
from sinkwell.testing.kit import in_loop, not_shown
from sinkwell.testing.s3 import S3Stub, StubDestination
from sinkwell.testing.sinks.bench import Bench
from sinkwell_s3 import S3

PART = 5 * MIB


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
        return server.make_bucket()

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
        return ServerDestination(server, bucket)


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
    def server(self, rclone: S3Server) -> S3Server:
        return rclone

    @in_loop
    async def test_longest_keys(self) -> None:  # type: ignore[override]  # asks for no bench
        """Keys of 900 bytes, in segments of 120 bytes or in 32 of them, arrive as they are."""
        not_shown("rclone does not answer any more once a key has 32 segments")

    @in_loop
    async def test_prefixes(self) -> None:  # type: ignore[override]  # asks for no bench
        """An object and one below its key are both kept, or the second is a RejectedError."""
        not_shown("rclone answers 500, which is no refusal, where a file is in the way of a folder")


class TestStub(StubContract):
    """All of it, with every fault."""


class TestStubByBoto3(StubContract):
    transfer = "boto3"


class TestSeaweed(SeaweedContract):
    pass


class TestSeaweedOverTls(SeaweedContract):
    secure = True


class TestSeaweedByBoto3(SeaweedContract):
    transfer = "boto3"


class TestSeaweedOverTlsByBoto3(SeaweedContract):
    transfer = "boto3"
    secure = True


class TestRclone(RcloneContract):
    pass


class TestRcloneOverTls(RcloneContract):
    secure = True


class TestRcloneByBoto3(RcloneContract):
    transfer = "boto3"


class TestRcloneOverTlsByBoto3(RcloneContract):
    transfer = "boto3"
    secure = True
