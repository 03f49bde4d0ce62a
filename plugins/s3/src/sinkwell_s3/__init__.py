"""The sink type ``s3``: a bucket of any store that speaks S3, each object put once."""

from sinkwell.contract import Capability, KeyLimits, SinkType, hookimpl
from sinkwell_s3.doctor import examine_s3
from sinkwell_s3.keys import LONGEST_KEY
from sinkwell_s3.policy import policy_for
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.sink import open_s3

S3 = SinkType(
    name="s3",
    summary="A bucket of any store that speaks S3; each object is put once and verified.",
    settings=S3Settings,
    open=open_s3,
    capabilities=frozenset({Capability.READ, Capability.DELETE, Capability.PRESIGN}),
    key_limits=KeyLimits(key=LONGEST_KEY),
    examine=examine_s3,
    policy=policy_for,
)


@hookimpl
def sinkwell_sinks() -> list[SinkType[S3Settings]]:
    """Register the type ``s3``."""
    return [S3]
