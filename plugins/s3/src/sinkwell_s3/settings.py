"""The section of an S3 sink: ``[sinks.NAME]`` with ``type = "s3"``."""

import dataclasses
from typing import Literal

import msgspec

from sinkwell.contract import Duration, Secret, SinkSettings, Size
from sinkwell_s3.presets import IF_NONE_MATCH, MIB, PRESETS, Preset, Provider
from sinkwell_s3.rules import check


class S3Settings(SinkSettings, frozen=True, kw_only=True):
    """What the user decides: which bucket, where, as whom, and how objects are stored there."""

    bucket: str
    """Name of the bucket; it must exist."""
    provider: Provider | None = None
    """Whose store it is: endpoint, region, addressing, checksums and more come with it. Without
    it, ``"custom"`` where an endpoint is set, else ``"aws"``."""
    account: str | None = None
    """Account id that stands in the endpoint of ``provider = "r2"``."""
    endpoint: str | None = None
    """URL of the store, such as ``"https://s3.example.com"``; most providers bring their own."""
    region: str | None = None
    """Region of the bucket. Without it, the provider's only one or, for AWS, that of the
    environment or the profile."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Where the bucket stands: ``"path"`` is ``https://host/bucket/key``, ``"virtual"`` is
    ``https://bucket.host/key``; ``"auto"`` as the provider likes it."""
    prefix: str = ""
    """What every object's name begins with, ahead of the key, such as ``"captures/"``; at most
    123 bytes."""

    access_key: Secret | None = None
    """Access key id. Without it, the usual places are searched: environment, profile, role, SSO,
    web identity, instance."""
    secret_key: Secret | None = None
    """Secret access key; goes with ``access_key``."""
    session_token: Secret | None = None
    """Session token of temporary keys; goes with ``access_key``."""
    profile: str | None = None
    """Profile of the AWS configuration files to use."""
    role_arn: str | None = None
    """Role to assume with the credentials that were found or given."""
    role_external_id: Secret | None = None
    """External id that the role's trust policy asks for."""
    role_session_name: str = "sinkwell"
    """How the assumed role's session is called in the audit log."""

    storage_class: str | None = None
    """Storage class of new objects, such as ``"STANDARD_IA"``; the bucket's own without it."""
    sse: Literal["none", "s3", "kms"] = "none"
    """Encryption at rest to ask for: with the store's own keys, or with one of KMS. ``"none"``
    asks for none: the bucket's default applies."""
    kms_key: str | None = None
    """Id, alias or ARN of the KMS key; with ``sse = "kms"``. The account's default without it."""
    acl: str | None = None
    """Canned ACL of new objects, such as ``"public-read"``. None is sent without it, as many
    stores and buckets refuse any."""
    cache_control: str | None = None
    """``Cache-Control`` of new objects."""
    content_disposition: Literal["attachment", "inline"] | None = None
    """Give new objects a ``Content-Disposition`` with the file's original name."""
    metadata: bool = True
    """Keep sha256, original name and labels with each object. Without it, finding an object
    there again may mean reading it to compare."""
    extra_metadata: dict[str, str] = msgspec.field(default_factory=dict)
    """Further metadata of every object: ``{ team = "web" }``."""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    """Tags of every object, at most 10. ``{label.KEY}`` in a value becomes that label of the
    file: ``{ project = "{label.project}" }``."""
    object_lock: Literal["governance", "compliance"] | None = None
    """Lock new objects against removal for ``retain_for``; the bucket must have object lock."""
    retain_for: Duration | None = None
    """How long objects are locked, at least a minute; with ``object_lock``."""
    requester_pays: bool = False
    """Agree to pay for requests to a "requester pays" bucket."""
    expected_bucket_owner: str | None = None
    """Account that must own the bucket, 12 digits: requests to anyone else's fail."""

    ca_bundle: str | None = None
    """File with the certificates to trust instead of the usual ones."""
    proxy: str | None = None
    """URL of an HTTP proxy, ``"http://host:port"``; none is taken from the environment."""
    connect_timeout: Duration = Duration(10)
    """How long to wait for a connection, in seconds."""
    read_timeout: Duration = Duration(60)
    """How long to wait for an answer, or its next piece, in seconds."""
    accelerate: bool = False
    """Use AWS's accelerated endpoint."""
    dual_stack: bool = False
    """Use AWS's endpoint for IPv4 and IPv6."""

    checksum: Literal["auto", "full", "sha256", "none"] = "auto"
    """Checksum beside the signed digest: ``"sha256"`` with each request, ``"full"`` also one of
    the whole for files in parts; ``"auto"`` as the provider takes it."""
    conditional_writes: Literal["auto", "on", "off"] = "auto"
    """Whether to create objects under the condition that nothing is there; ``"auto"`` where the
    provider is known to honour it. Where it is off, the sink looks before it puts."""
    verify: Literal["auto", "store", "self"] = "auto"
    """Who computes the sha256 of what is sent: ``"store"`` where it refuses other bytes than were
    signed for, else the sink itself; ``"auto"`` knows which providers do."""
    multipart_threshold: Size = Size(16 * MIB)
    """Files larger than this are sent in parts. From 5 MiB to 5 GiB."""
    part_size: Size | None = None
    """Bytes of a part, from 5 MiB to 5 GiB; the provider's own, mostly 8 MiB, without it. Files
    too large for so many parts get larger ones."""
    max_parts: int | None = None
    """Parts of one object at most; the provider's own limit, mostly 10,000, without it."""
    transfer: Literal["native", "boto3"] = "native"
    """What sends the bytes: the sink itself, at a fraction of the cost, or boto3."""

    def __post_init__(self) -> None:
        """Refuse what cannot work. Raises ``ValueError`` that says the cure."""
        super().__post_init__()
        check(self)

    @property
    def provider_name(self) -> Provider:
        """The provider, also where none is named."""
        if self.provider is not None:
            return self.provider
        return "aws" if self.endpoint is None else "custom"

    @property
    def preset(self) -> Preset:
        """How this store is spoken to: what its provider brings, and what the user overrides."""
        found = PRESETS[self.provider_name]
        create_only = found.create_only
        if self.conditional_writes == "on":
            create_only = create_only or IF_NONE_MATCH
        elif self.conditional_writes == "off":
            create_only = None
        return dataclasses.replace(
            found,
            region=self.region or found.region,
            addressing=found.addressing if self.addressing == "auto" else self.addressing,
            checksum=found.checksum if self.checksum == "auto" else self.checksum,
            create_only=create_only,
            max_parts=self.max_parts or found.max_parts,
            part_size=self.part_size or found.part_size,
        )

    @property
    def endpoint_url(self) -> str | None:
        """The URL of the store without the bucket; None where AWS's own is found by region."""
        if self.endpoint is not None:
            return self.endpoint.rstrip("/")
        pattern = PRESETS[self.provider_name].endpoint
        return pattern and pattern.format(account=self.account, region=self.preset.region)

    @property
    def store_verifies(self) -> bool:
        """Whether the store refuses bytes whose sha256 is not the one that goes with them."""
        if self.verify != "auto":
            return self.verify == "store"
        preset = self.preset
        if preset.verifies == "checksum":
            return preset.checksum != "none"
        return preset.verifies == "signature"
