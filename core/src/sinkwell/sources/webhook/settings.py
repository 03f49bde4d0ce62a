"""What users write in ``[sources.NAME]`` with ``type = "webhook"``.

A preset is the same keys with values; what is written beside it comes first.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sinkwell.contract import Duration, Secret, SourceSettings, Transport
from sinkwell.contract.settings import decode_custom
from sinkwell.sources.webhook.checks import check, check_authentication
from sinkwell.sources.webhook.presets import PRESETS


class Scheme(Enum):
    """How callbacks are proven to come from the provider."""

    SECRET_FIELD = "secret-field"  # noqa: S105 - a scheme's name
    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"
    HMAC = "hmac"
    STANDARD_WEBHOOKS = "standard-webhooks"
    NONE = "none"


class Algorithm(Enum):
    """The hash of an HMAC."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class Encoding(Enum):
    """How a signature is written."""

    HEX = "hex"
    BASE64 = "base64"


class AuthenticationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.NAME.authentication]``: how callbacks are proven."""

    scheme: Scheme
    """Of all keys below, each scheme has its own; see docs/sources.md."""
    header: str | None = None
    """``header`` and ``hmac``: the header that holds the secret, or the signature."""
    field: str | None = None
    """``secret-field``: where the secret stands, a form's field or an expression. ``hmac``: the
    form's field that holds the signature, in place of a header."""
    algorithm: Algorithm = Algorithm.SHA256
    """``hmac``: the hash."""
    encoding: Encoding = Encoding.HEX
    """``hmac``: how the signature is written."""
    prefix: str = ""
    """``hmac``: what stands before the signature, such as ``sha256=``."""
    pairs: dict[str, str] = {}
    """``hmac``: names in a header of the form ``t=1700000000,v1=abc``, such as
    ``{ timestamp = "t", signature = "v1" }``, in place of a prefix."""
    timestamp_header: str | None = None
    """``hmac``: the header that holds the seconds since 1970."""
    id_header: str | None = None
    """``hmac``: the header that holds the message's id."""
    signed: str = "{body}"
    """``hmac``: what is signed, of ``{body}``, ``{timestamp}``, ``{id}`` and ``{field.NAME}``."""
    tolerance: Duration = Duration(300)
    """How old a signed time may be, or how far ahead, in seconds."""

    def __post_init__(self) -> None:
        check_authentication(self, list(self._written()))

    def _written(self) -> Iterator[str]:
        """Yield the keys that have another value than by default."""
        for each in msgspec.structs.fields(self):
            if each.name != "scheme":
                made = each.default_factory
                usual = each.default if made is msgspec.NODEFAULT else made()
                if getattr(self, each.name) != usual:
                    yield each.name


class WebhookSettings(SourceSettings, frozen=True, kw_only=True):
    """``[sources.NAME]`` with ``type = "webhook"``."""

    preset: str | None = None
    """A provider whose keys are known: ``sinkwell sources presets`` lists them."""
    secrets: tuple[Secret, ...] = ()
    """Each secret that is taken; two while one takes the other's place."""
    authentication: AuthenticationSettings | None = None
    """How callbacks are proven to come from the provider."""
    transport: Transport | None = None
    """How they are sent: ``multipart``, ``raw``, ``json``, ``base64`` or ``form-json``."""
    form_field: str | None = None
    """``form-json``: the field that holds the JSON."""
    file: str | None = None
    """The file: of ``multipart`` its part; else an expression for a link, Base64, or an id that
    ``link`` makes a link of; for one, a list, or objects with ``url`` and ``name``."""
    link: str | None = None
    """A link with ``{file}`` in place of an id, such as ``https://api.example.com/files/{file}``."""
    id: str | None = None
    """Expression for the id of what was captured."""
    status: str | None = None
    """Expression for the provider's word of how it went."""
    success: tuple[str, ...] | None = None
    """What ``status`` is when there is a file; ``*`` stands for any characters."""
    notice: tuple[str, ...] | None = None
    """What ``status`` is when there is neither a file nor a failure: kept and announced."""
    url: str | None = None
    """Expression for the address that was captured."""
    expires: str | None = None
    """Expression for when the link ends: seconds since 1970, or a date with time."""
    lifetime: Duration | None = None
    """How long links work, where the provider promises it but does not say it each time."""
    labels: dict[str, str] | None = None
    """Expressions for what else is kept with the file, by label."""
    success_code: int | None = None
    """The HTTP status that the provider takes for a success, of the 2xx."""

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            near = get_close_matches(self.preset, PRESETS, 1)
            cure = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(PRESETS)}"
            raise ValueError(f'there is no preset "{self.preset}": {cure}')
        check(complete(self))

    def doubts(self) -> Sequence[str]:
        """Say what is allowed, but better done otherwise."""
        doubts = []
        whole = complete(self)
        if whole.authentication is not None and whole.authentication.scheme is Scheme.NONE:
            doubts.append('scheme = "none": whoever knows the address can send files')
        linked = whole.transport in {Transport.JSON, Transport.FORM_JSON} and self.file is not None
        if linked and self.fetch.allow_hosts is None and not fetch_hosts(self):
            doubts.append("no link can be followed: name its hosts in fetch.allow_hosts")
        return doubts


def fetch_hosts(settings: WebhookSettings) -> tuple[str, ...]:
    """Return the hosts that are known beforehand: those of the preset and of ``link``."""
    hosts = PRESETS[settings.preset].hosts if settings.preset else ()
    host = urlsplit(settings.link or "").hostname
    return (*hosts, host) if host and "{file}" not in host else hosts


def complete(settings: WebhookSettings) -> WebhookSettings:
    """Return settings with what the preset adds."""
    if settings.preset is None:
        return settings
    given: Mapping[str, Any] = PRESETS[settings.preset].keys
    missing = {name: value for name, value in given.items() if getattr(settings, name) is None}
    fields = {each.name: each.type for each in msgspec.structs.fields(WebhookSettings)}
    values = {
        name: msgspec.convert(value, fields[name], dec_hook=decode_custom)
        for name, value in missing.items()
    }
    known = {name: getattr(settings, name) for name in settings.__struct_fields__}
    # Not by the constructor: it would ask for the preset again.
    return _Complete(**{**known, **values, "preset": None})


class _Complete(WebhookSettings, frozen=True, kw_only=True):
    """Settings with a preset's in them."""

    def __post_init__(self) -> None:
        """Check nothing: who made it does."""
