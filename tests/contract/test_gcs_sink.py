"""The GCS sink keeps the contract of sinks."""

import pytest
from gcs_support import EmulatorDestination, Stub, StubDestination
from object_servers import GcsServer

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import Destination, SinkContract
from sinkwell_gcs import GCS

PART = 1024 * 1024


class GcsContract(SinkContract):
    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return GCS


class TestEmulator(GcsContract):
    """Against fake-gcs-server over TLS, as a service account.

    It holds no condition in a session, so racing files must be sent at once here: the limit for
    that is the default one.
    """

    part_size = 8 * 1024 * 1024

    @pytest.fixture
    def bucket(self, fake_gcs: GcsServer) -> str:
        return fake_gcs.make_bucket(secure=True)

    @pytest.fixture
    def section(self, fake_gcs: GcsServer, gcs_stub: Stub, bucket: str) -> dict[str, object]:
        return {
            "type": "gcs",
            "bucket": bucket,
            "endpoint": fake_gcs.secure_url,
            "ca_bundle": str(fake_gcs.ca),
            "credentials": gcs_stub.credentials(),
        }

    @pytest.fixture
    def destination(self, fake_gcs: GcsServer, bucket: str) -> Destination:
        return EmulatorDestination(fake_gcs, bucket)


class TestStrict(GcsContract):
    """Against a stub that verifies more than the emulator, and makes the faults."""

    part_size = PART

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
            "resumable_above": PART,
        }

    @pytest.fixture
    def destination(self, gcs_stub: Stub, bucket: str) -> Destination:
        return StubDestination(gcs_stub, bucket)
