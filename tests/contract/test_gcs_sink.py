"""The GCS sink keeps the contract of sinks."""

import pytest
from gcs_support import EmulatorDestination, Stub, StubDestination
from object_servers import GcsServer

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import Destination, SinkContract
from sinkwell.testing.sinks.faults import SinkFaults
from sinkwell.testing.sinks.presence import SinkPresence
from sinkwell_gcs import GCS

MIB = 1024 * 1024


class Emulator(SinkContract):
    """Against fake-gcs-server, as a service account.

    It holds no condition in a session, so the files that race here, of 2 MB, must be sent at once.
    """

    part_size = 2 * MIB
    secure = False

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return GCS

    @pytest.fixture
    def bucket(self, fake_gcs: GcsServer) -> str:
        return fake_gcs.make_bucket(secure=self.secure)

    @pytest.fixture
    def section(self, fake_gcs: GcsServer, gcs_stub: Stub, bucket: str) -> dict[str, object]:
        return {
            "type": "gcs",
            "bucket": bucket,
            "endpoint": fake_gcs.secure_url if self.secure else fake_gcs.url,
            "ca_bundle": str(fake_gcs.ca),
            "credentials": gcs_stub.credentials(),
            "resumable_above": self.part_size,
        }

    @pytest.fixture
    def destination(self, fake_gcs: GcsServer, bucket: str) -> Destination:
        return EmulatorDestination(fake_gcs, bucket, secure=self.secure)


class TestOverHttp(Emulator):
    """The whole kit, over http."""


class TestOverHttps(Emulator):
    """The whole kit, over https."""

    secure = True


class TestStrict(SinkFaults, SinkPresence):
    """What the emulator cannot show, against a stub that verifies more and makes the faults."""

    part_size = MIB

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return GCS

    @pytest.fixture
    def bucket(self, gcs_stub: Stub) -> str:
        return gcs_stub.bucket()

    @pytest.fixture
    def section(self, gcs_stub: Stub, bucket: str) -> dict[str, object]:
        return {
            "type": "gcs",
            "bucket": bucket,
            "endpoint": gcs_stub.endpoint,
            "credentials": gcs_stub.credentials(),
            "resumable_above": MIB,
        }

    @pytest.fixture
    def destination(self, gcs_stub: Stub, bucket: str) -> Destination:
        return StubDestination(gcs_stub, bucket)
