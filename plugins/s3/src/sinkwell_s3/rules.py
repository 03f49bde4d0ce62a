"""Which settings of an S3 sink go together, and what to do about those that do not."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sinkwell_s3.keys import LONGEST_KEY, flaw
from sinkwell_s3.presets import GIB, MIB, PRESETS, Preset
from sinkwell_s3.tags import check_tags

if TYPE_CHECKING:
    from sinkwell_s3.settings import S3Settings

_LONGEST_MADE = 900
"""Bytes of the longest key that Sinkwell makes: a prefix must leave room for it."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_METADATA_NAME = re.compile(r"[A-Za-z0-9-]+")
_OWN_METADATA = ("sha256", "name", "labels")
_PLAIN = re.compile(r"[!-~]([ -~]*[!-~])?")
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[!-~]+")
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_OWNER = re.compile(r"\d{12}")


def check(settings: "S3Settings") -> None:
    """Raise ``ValueError`` that says the cure, unless these settings can work."""
    _check_place(settings)
    _check_prefix(settings)
    _check_identity(settings)
    _check_object(settings)
    _check_lock(settings)
    _check_texts(settings)
    _check_metadata(settings.extra_metadata)
    check_tags(settings.tags)
    _check_network(settings)
    _check_parts(settings)


def _check_place(settings: "S3Settings") -> None:
    name = settings.provider_name
    preset = PRESETS[name]
    if not _BUCKET.fullmatch(settings.bucket) or ".." in settings.bucket:
        raise ValueError(
            f"bucket {settings.bucket!r} is no bucket's name: 3 to 255 letters, digits, '-', '_' "
            f"and '.', without s3://"
        )
    for key in ("account", "region"):
        value = getattr(settings, key)
        if value is not None and not _NAME.fullmatch(value):
            raise ValueError(f"{key} {value!r} may hold lower-case letters, digits, '-' and '.'")
    if settings.endpoint is None:
        _check_missing(settings, preset)
    elif name == "aws" and (settings.accelerate or settings.dual_stack):
        raise ValueError("accelerate and dual_stack choose the endpoint: remove endpoint")
    if name != "aws" and (settings.accelerate or settings.dual_stack):
        raise ValueError(f"accelerate and dual_stack are AWS's own: provider is {name!r}")
    if preset.virtual_only and settings.addressing == "path":
        raise ValueError(f'provider {name!r} takes no addressing "path": remove it')
    if settings.accelerate and (settings.addressing == "path" or "." in settings.bucket):
        raise ValueError(
            'accelerate needs addressing "virtual" and a bucket without dots in its name'
        )


def _check_missing(settings: "S3Settings", preset: Preset) -> None:
    name = settings.provider_name
    if preset.endpoint is None:
        if name != "aws":
            raise ValueError(
                f'provider {name!r} has no endpoint of its own: set endpoint = "https://…"'
            )
        return
    if "{account}" in preset.endpoint and settings.account is None:
        raise ValueError(
            f"provider {name!r} needs the account: set account to your account id, or endpoint"
        )
    if settings.preset.region is None:
        raise ValueError(f"provider {name!r} needs the region: set region to the bucket's")


def _check_prefix(settings: "S3Settings") -> None:
    preset = PRESETS[settings.provider_name]
    if settings.prefix and (reason := flaw(f"{settings.prefix}x", preset)):
        raise ValueError(f"prefix {settings.prefix!r} is not possible: the name {reason}")
    room = LONGEST_KEY - _LONGEST_MADE
    if len(settings.prefix.encode()) > room:
        raise ValueError(f"prefix may have {room} bytes at most, so that all keys fit behind")


def _check_identity(settings: "S3Settings") -> None:
    if (settings.access_key is None) != (settings.secret_key is None):
        raise ValueError("access_key and secret_key go together: set both or none")
    if settings.session_token is not None and settings.access_key is None:
        raise ValueError("session_token goes with access_key and secret_key: set these too")
    if settings.access_key is not None and settings.profile is not None:
        raise ValueError("access_key and profile exclude each other: remove one")
    if settings.role_arn is not None and not _ROLE.fullmatch(settings.role_arn):
        raise ValueError(
            f'role_arn {settings.role_arn!r} is no role: write "arn:aws:iam::ACCOUNT:role/NAME"'
        )
    if settings.role_external_id is not None and settings.role_arn is None:
        raise ValueError("role_external_id goes with role_arn: set it too, or remove it")
    if not _SESSION.fullmatch(settings.role_session_name):
        raise ValueError("role_session_name may have 2 to 64 letters, digits and + = , . @ -")


def _check_object(settings: "S3Settings") -> None:
    if settings.kms_key is not None and settings.sse != "kms":
        raise ValueError('kms_key goes with sse = "kms": set it, or remove kms_key')
    acls = PRESETS[settings.provider_name].acls
    if settings.acl is not None and acls is not None and settings.acl not in acls:
        choice = f"one of {', '.join(acls)}" if acls else "none: remove acl"
        raise ValueError(f"provider {settings.provider_name!r} takes as acl {choice}")
    owner = settings.expected_bucket_owner
    if owner is not None and not _OWNER.fullmatch(owner):
        raise ValueError("expected_bucket_owner must be an account id of 12 digits")


def _check_lock(settings: "S3Settings") -> None:
    if (settings.object_lock is None) != (settings.retain_for is None):
        raise ValueError("object_lock and retain_for go together: set both or none")
    if settings.retain_for is not None and settings.retain_for < 60:  # noqa: PLR2004 - a minute
        raise ValueError("retain_for must be at least a minute")


def _check_texts(settings: "S3Settings") -> None:
    for key in ("acl", "storage_class", "kms_key", "cache_control"):
        if (value := getattr(settings, key)) is not None and not _PLAIN.fullmatch(value):
            raise ValueError(f"{key} must be printable ASCII, without spaces around it")


def _check_metadata(pairs: Mapping[str, str]) -> None:
    for name, value in pairs.items():
        if not _METADATA_NAME.fullmatch(name) or name.lower() in _OWN_METADATA:
            raise ValueError(
                f"extra_metadata cannot have the name {name!r}: letters, digits and '-', and "
                f"none of {', '.join(_OWN_METADATA)}, which the sink writes"
            )
        if not _PLAIN.fullmatch(value):
            raise ValueError(f"extra_metadata {name!r} must be printable ASCII")


def _check_network(settings: "S3Settings") -> None:
    for key, schemes in (("endpoint", {"http", "https"}), ("proxy", {"http"})):
        if (url := getattr(settings, key)) is None:
            continue
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{key} is no URL like {min(schemes)}://host")
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"{key} must not hold a user or password")
    preset = PRESETS[settings.provider_name]
    if preset.https_only and (settings.endpoint or "https:").startswith("http:"):
        raise ValueError(f"provider {settings.provider_name!r} answers https:// alone")
    if settings.ca_bundle is not None and not Path(settings.ca_bundle).is_file():
        raise ValueError(f"ca_bundle {settings.ca_bundle!r}: there is no such file")
    if settings.connect_timeout <= 0 or settings.read_timeout <= 0:
        raise ValueError("connect_timeout and read_timeout must be more than 0")


def _check_parts(settings: "S3Settings") -> None:
    for key in ("multipart_threshold", "part_size"):
        if (size := getattr(settings, key)) is not None and not 5 * MIB <= size <= 5 * GIB:
            raise ValueError(f"{key} must be from 5 MiB to 5 GiB")
    if settings.max_parts is not None and not 1 <= settings.max_parts <= 10_000:  # noqa: PLR2004 - S3's
        raise ValueError("max_parts must be from 1 to 10,000")
