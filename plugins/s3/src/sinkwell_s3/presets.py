"""How the stores that speak S3 differ, as data.

A preset switches on what its store is known to take; whatever is not known is off, and the
settings of a sink can override each value. ``sinkwell check`` tells what a store really does.
"""

from dataclasses import dataclass
from typing import Literal

MIB = 1024 * 1024
GIB = 1024 * MIB

Addressing = Literal["path", "virtual"]
"""Whether the bucket stands in the path of a URL or in its host name."""

Checksum = Literal["full", "sha256", "none"]
"""What goes with the bytes beside the signed digest of each request.

``sha256``: the header ``x-amz-checksum-sha256``. ``full``: the same and, as the sha256 of an
object in parts is one of its parts' digests, a CRC32 of the whole with those. ``none``: nothing.
"""

Verifies = Literal["signature", "checksum", "nothing"]
"""What a store is known to compare with the bytes: the digest that is signed with each request,
only an explicit checksum, or neither for sure."""


@dataclass(frozen=True, slots=True)
class CreateOnly:
    """The header under which a store refuses a put when something is there already."""

    header: str
    value: str


IF_NONE_MATCH = CreateOnly("If-None-Match", "*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind of store. The defaults are those for an endpoint of which nothing is known."""

    endpoint: str | None = None
    """Pattern of its URL with ``{account}`` and ``{region}``; None where the user names it."""
    region: str | None = "us-east-1"
    """What is signed where the user names no region; None where he has to."""
    addressing: Addressing = "path"
    virtual_only: bool = False
    """It takes no request with the bucket in the path."""
    checksum: Checksum = "none"
    create_only: CreateOnly | None = None
    """None where a condition is refused, ignored in silence, or not known."""
    verifies: Verifies = "nothing"
    acls: tuple[str, ...] | None = None
    """The canned ACLs that it takes; None where that is not known, or any are."""
    https_only: bool = False
    max_parts: int = 10_000
    """Parts of one object at most."""
    part_size: int = 8 * MIB
    """Bytes of a part, unless the file is too large for so small ones."""
    longest_segment: int | None = None
    """Bytes of one part of a key between two slashes; None without a limit of its own."""


Provider = Literal[
    "aws",
    "b2",
    "ceph",
    "cos",
    "custom",
    "digitalocean",
    "garage",
    "hetzner",
    "linode",
    "minio",
    "oss",
    "ovh",
    "r2",
    "scaleway",
    "seaweedfs",
    "storj",
    "tigris",
    "wasabi",
]

PRESETS: dict[Provider, Preset] = {
    "aws": Preset(
        region=None,
        addressing="virtual",
        checksum="full",
        create_only=IF_NONE_MATCH,
        verifies="signature",
    ),
    "r2": Preset(
        endpoint="https://{account}.r2.cloudflarestorage.com",
        region="auto",
        create_only=IF_NONE_MATCH,
        https_only=True,
    ),
    "b2": Preset(
        endpoint="https://s3.{region}.backblazeb2.com",
        region=None,
        https_only=True,
        acls=("private", "public-read"),  # and only the one that the bucket has
    ),
    "scaleway": Preset(
        endpoint="https://s3.{region}.scw.cloud",
        region=None,
        addressing="virtual",
        create_only=IF_NONE_MATCH,
        max_parts=1000,
    ),
    "ovh": Preset(endpoint="https://s3.{region}.io.cloud.ovh.net", region=None),
    "wasabi": Preset(endpoint="https://s3.{region}.wasabisys.com", region=None),
    "digitalocean": Preset(
        endpoint="https://{region}.digitaloceanspaces.com", region=None, addressing="virtual"
    ),
    "minio": Preset(
        checksum="sha256",
        create_only=IF_NONE_MATCH,
        verifies="signature",
        acls=(),
        longest_segment=255,
    ),
    "garage": Preset(region="garage", acls=()),
    "hetzner": Preset(
        endpoint="https://{region}.your-objectstorage.com",
        region=None,
        acls=("private", "public-read"),
    ),
    "linode": Preset(
        endpoint="https://{region}.linodeobjects.com", region=None, addressing="virtual"
    ),
    "storj": Preset(
        endpoint="https://gateway.storjshare.io",
        create_only=IF_NONE_MATCH,
        acls=(),
        https_only=True,
        part_size=64 * MIB,
    ),
    "tigris": Preset(
        endpoint="https://t3.storage.dev",
        region="auto",
        addressing="virtual",
        create_only=IF_NONE_MATCH,
        https_only=True,
    ),
    "ceph": Preset(create_only=IF_NONE_MATCH, verifies="signature"),
    "oss": Preset(
        endpoint="https://s3.oss-{region}.aliyuncs.com",
        region=None,
        addressing="virtual",
        virtual_only=True,
        create_only=CreateOnly("x-oss-forbid-overwrite", "true"),
    ),
    "cos": Preset(
        endpoint="https://cos.{region}.myqcloud.com",
        region=None,
        addressing="virtual",
        virtual_only=True,
        create_only=CreateOnly("x-cos-forbid-overwrite", "true"),
    ),
    "seaweedfs": Preset(
        checksum="sha256", create_only=IF_NONE_MATCH, verifies="checksum", longest_segment=255
    ),
    "custom": Preset(),
}
