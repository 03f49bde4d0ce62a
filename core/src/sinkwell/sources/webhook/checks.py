"""What must hold between the keys of a webhook source, where each of them is fine by itself.

A key that could never do anything is an error: whoever wrote it believes that it does.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import jmespath

from sinkwell.contract import Transport
from sinkwell.sources.webhook.standard_keys import is_public, public_key, shared_key

if TYPE_CHECKING:  # they are what is checked, and check themselves by this
    from sinkwell.sources.webhook.settings import AuthenticationSettings, WebhookSettings

HEADER = "header:"
"""Begins an expression that means a header."""

_EXPRESSIONS = ("file", "id", "status", "url", "expires")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2: the name of a header
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FORMS = {Transport.MULTIPART, Transport.FORM_JSON}
_WHOLE = {Transport.JSON, Transport.BASE64}
_KEYS = {
    "secret-field": {"field"},
    "bearer": set(),
    "basic": set(),
    "header": {"header"},
    "hmac": {
        "header",
        "field",
        "algorithm",
        "encoding",
        "prefix",
        "pairs",
        "timestamp_header",
        "id_header",
        "signed",
        "tolerance",
    },
    "standard-webhooks": {"tolerance"},
    "none": set(),
}
"""By scheme, the keys that it has."""


def check_authentication(given: "AuthenticationSettings", written: Iterable[str]) -> None:
    """Raise ``ValueError`` unless the keys that were written make sense together."""
    scheme = given.scheme.value
    for key in written:
        if key not in _KEYS[scheme]:
            raise ValueError(f'{key} is not for scheme = "{scheme}"')
    if "header" in _KEYS[scheme] and not (given.header or (given.field and scheme == "hmac")):
        raise ValueError(f'header is needed with scheme = "{scheme}"')
    if scheme == "secret-field" and not given.field:
        raise ValueError('field is needed with scheme = "secret-field"')
    if given.header and given.field:
        raise ValueError("the signature is either in a header or in a field")
    if given.tolerance <= 0:
        raise ValueError("tolerance must be more than 0")
    for key in ("header", "timestamp_header", "id_header"):
        _check_header(key, getattr(given, key))
    _check_signed(given)


def _check_signed(given: "AuthenticationSettings") -> None:
    if given.pairs and given.pairs.keys() - {"timestamp"} != {"signature"}:
        raise ValueError('pairs has the keys "signature" and, where there is one, "timestamp"')
    has_time = given.timestamp_header is not None or "timestamp" in given.pairs
    if has_time != ("{timestamp}" in given.signed):
        raise ValueError("signed holds {timestamp} when, and only when, one is sent")
    if (given.id_header is not None) != ("{id}" in given.signed):
        raise ValueError("signed holds {id} when, and only when, id_header names one")
    for name in _PLACEHOLDER.findall(given.signed):
        if name not in {"body", "timestamp", "id"} and not name.startswith("field."):
            raise ValueError(
                f"signed knows {{body}}, {{timestamp}}, {{id}} and {{field.NAME}}, "
                f"but no {{{name}}}"
            )
    over_fields = "{field." in given.signed
    if given.signed.count("{body}") + over_fields != 1:
        raise ValueError("signed holds {body} once, or fields of a form")
    if given.scheme.value == "hmac" and given.field and not over_fields:
        raise ValueError("a signature in a field of a form signs fields: {field.NAME}, not {body}")


def check(settings: "WebhookSettings") -> None:
    """Raise ``ValueError`` unless all keys, with those of the preset, make sense together."""
    authentication = settings.authentication
    if authentication is None:
        raise ValueError(
            "authentication is missing: write [sources.NAME.authentication] with a scheme"
        )
    if authentication.scheme.value != "none" and not settings.secrets:
        raise ValueError("secrets must name at least one secret")
    _check_places(settings)
    _check_proof(settings, authentication)
    for name in _EXPRESSIONS:
        # Of a form sent as multipart, file is the name of a part.
        if name != "file" or settings.transport is not Transport.MULTIPART:
            _check_expression(name, getattr(settings, name), settings)
    for label, expression in (settings.labels or {}).items():
        _check_expression(f"labels: {label}", expression, settings)


def _check_places(settings: "WebhookSettings") -> None:
    transport = settings.transport
    if transport is None:
        raise ValueError("transport is missing")
    if (transport is Transport.RAW) == bool(settings.file):
        raise ValueError(
            'file is not for transport = "raw": it is the body'
            if settings.file
            else "file is missing: it says where the file is"
        )
    if (transport is Transport.FORM_JSON) != bool(settings.form_field):
        raise ValueError(
            'form_field is for transport = "form-json" alone'
            if settings.form_field
            else "form_field is missing: it names the field that holds the JSON"
        )
    if settings.link is not None:
        if "{file}" not in settings.link:
            raise ValueError("link has no {file} in it")
        if not settings.link.startswith(("https://", "http://")) or not _has_host(settings.link):
            raise ValueError("link begins with https:// or http://, and a host")
    for key in ("success", "notice"):
        if getattr(settings, key) and settings.status is None:
            raise ValueError(f"{key} is compared with status, which is missing")
    if settings.success_code is not None and not 200 <= settings.success_code <= 299:  # noqa: PLR2004 - 2xx
        raise ValueError("success_code must be between 200 and 299")


def _has_host(link: str) -> bool:
    try:
        return bool(urlsplit(link).hostname)
    except ValueError:
        return False


def _check_proof(settings: "WebhookSettings", given: "AuthenticationSettings") -> None:
    transport, scheme = settings.transport, given.scheme.value
    kind = transport.value if transport else ""
    if scheme == "standard-webhooks":
        _check_standard_keys(settings)
    if scheme == "basic" and any(":" not in each.reveal() for each in settings.secrets):
        raise ValueError('secrets: with scheme = "basic" each is user:password')
    if scheme == "secret-field" and transport is Transport.RAW:
        raise ValueError('scheme = "secret-field" needs a field, and transport = "raw" has none')
    fields = {name[6:] for name in _PLACEHOLDER.findall(given.signed) if name.startswith("field.")}
    if fields and transport not in _FORMS:
        raise ValueError(f'signed holds fields of a form, and transport = "{kind}" is none')
    if fields and transport is Transport.FORM_JSON and settings.form_field not in fields:
        raise ValueError(
            f"signed leaves out {{field.{settings.form_field}}}, the JSON: anyone could write it"
        )


def _check_standard_keys(settings: "WebhookSettings") -> None:
    for secret in settings.secrets:
        if not is_public(secret):
            shared_key(secret)
            continue
        public_key(secret)
        if settings.transport not in _WHOLE:
            raise ValueError(
                "secrets: a public key verifies a message that is held whole, "
                'which is so with transport = "json" and "base64" alone'
            )


def _check_expression(name: str, expression: str | None, settings: "WebhookSettings") -> None:
    if expression is None:
        return
    if expression.startswith(HEADER):
        _check_header(name, expression.removeprefix(HEADER).strip())
        return
    if settings.transport is Transport.RAW:
        raise ValueError(f'{name}: with transport = "raw" there are but headers: header:NAME')
    try:
        jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError:
        raise ValueError(f"{name} is no JMESPath expression, nor header:NAME") from None


def _check_header(key: str, name: str | None) -> None:
    if name is not None and not _TOKEN.fullmatch(name):
        raise ValueError(f"{key}: {name!r} is no name of a header")
