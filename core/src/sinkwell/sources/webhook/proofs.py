"""How a callback is proven to come from its provider, one class a kind of proof."""

import base64
import binascii
import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from sinkwell.contract import AuthenticationError, Message, Secret, Transport
from sinkwell.sources.webhook.settings import AuthenticationSettings, Encoding
from sinkwell.sources.webhook.view import View, header_of

_SECONDS = re.compile("[0-9]{1,12}")
_HEX = re.compile("[0-9a-fA-F]+")
_FIELD = re.compile(r"\{field\.([^{}]+)\}")
_MOST_SIGNATURES = 16


class Proof(ABC):
    """Tells whether a message is the provider's."""

    @abstractmethod
    def check(self, message: Message) -> bool:
        """Answer as ``Source.authenticate`` does."""

    def macs(self, message: Message) -> Sequence[hmac.HMAC]:
        """Answer as ``Source.macs`` does."""
        del message
        return ()

    def covers(self, expression: str) -> bool:
        """Tell whether nobody else can have set what an expression finds."""
        del expression
        return True

    def signed(self, message: Message) -> bytes | None:
        """Return all of a message that is proven, None where that is its body, or everything."""
        del message
        return None


class Nothing(Proof):
    """Asks for no proof."""

    def check(self, message: Message) -> bool:
        del message
        return True


class SharedSecret(Proof):
    """A header holds the secret itself, perhaps after a word."""

    def __init__(self, secrets: Sequence[Secret], header: str, scheme: str = "") -> None:
        self._secrets = secrets
        self._header = header
        self._scheme = scheme

    def check(self, message: Message) -> bool:
        given = message.headers.get(self._header.lower())
        if given is None:
            raise AuthenticationError(f"the header {self._header} is missing")
        if self._scheme:
            scheme, _, given = given.partition(" ")
            if scheme.lower() != self._scheme.lower():
                raise AuthenticationError(f"the header {self._header} holds no {self._scheme}")
        # Headers are bytes; a secret is compared as the bytes of its UTF-8.
        text = self.decoded(given.encode("latin-1")).decode("utf-8", "surrogateescape")
        return believed([secret.matches(text) for secret in self._secrets])

    def decoded(self, given: bytes) -> bytes:
        """Return the secret out of what was sent."""
        return given


class Basic(SharedSecret):
    """``Authorization: Basic``: the secret is ``user:password``."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        super().__init__(secrets, "Authorization", "Basic")

    def decoded(self, given: bytes) -> bytes:
        try:
            return base64.b64decode(given, validate=True)
        except binascii.Error:
            raise AuthenticationError("the header Authorization holds no Base64") from None


class SecretField(Proof):
    """A field of the form, or a value of the JSON, holds the secret itself."""

    def __init__(self, secrets: Sequence[Secret], field: str, view: View) -> None:
        self._secrets = secrets
        self._view = view
        self._field = field

    def check(self, message: Message) -> bool:
        given = self._given(message)
        if given is None:
            return False
        return believed([secret.matches(given) for secret in self._secrets])

    def _given(self, message: Message) -> str | None:
        if self._view.transport is Transport.MULTIPART:
            return message.fields.get(self._field)
        if not message.complete:
            return None
        found = self._view.of(message)(self._field)
        return found if isinstance(found, str) else None


class Signature(Proof):
    """HMAC of the body or of fields, perhaps with a time and an id."""

    def __init__(
        self, secrets: Sequence[Secret], settings: AuthenticationSettings, view: View
    ) -> None:
        self._view = view
        self._keys = [secret.reveal().encode("utf-8", "surrogatepass") for secret in secrets]
        self._settings = settings
        self._before, _, self._after = settings.signed.partition("{body}")
        self._over_body = "{body}" in settings.signed

    def covers(self, expression: str) -> bool:
        if (header := header_of(expression)) is not None:
            signed = {self._settings.timestamp_header, self._settings.id_header}
            return header in {name.lower() for name in signed if name}
        # The JSON of a form is signed: the settings see to that.
        whole = self._over_body or self._view.transport is Transport.FORM_JSON
        return whole or expression.strip('"') in _FIELD.findall(self._settings.signed)

    def signed(self, message: Message) -> bytes | None:
        if self._over_body:
            return None
        return self._filled(self._settings.signed, message)

    def macs(self, message: Message) -> Sequence[hmac.HMAC]:
        if not self._over_body:
            return ()
        before = self._filled(self._before, message)
        return [self._mac(key, before) for key in self._keys]

    def check(self, message: Message) -> bool:
        if self._settings.field is None:
            self._given(message)  # a header that holds none is refused before the body is read
        self._check_time(message)
        if not message.complete:
            return False
        given = self._given(message)
        expected = [self._written(mac) for mac in self._finished(message)]
        return believed([hmac.compare_digest(one, two) for one in given for two in expected])

    def _finished(self, message: Message) -> list[hmac.HMAC]:
        if not self._over_body:
            signed = self._filled(self._settings.signed, message)
            return [self._mac(key, signed) for key in self._keys]
        after = self._filled(self._after, message)
        finished = []
        for mac in message.macs[: len(self._keys)]:
            whole = mac.copy()
            whole.update(after)
            finished.append(whole)
        return finished

    def _mac(self, key: bytes, begin: bytes) -> hmac.HMAC:
        return hmac.new(key, begin, self._settings.algorithm.value)

    def _filled(self, template: str, message: Message) -> bytes:
        """Put time, id and fields of the message into what is signed."""
        pieces = []
        for piece in re.split(r"(\{timestamp\}|\{id\}|\{field\.[^{}]+\})", template):
            if piece == "{timestamp}":
                pieces.append(self._timestamp(message).encode("latin-1"))
            elif piece == "{id}":
                name = (self._settings.id_header or "").lower()
                pieces.append(message.headers.get(name, "").encode("latin-1"))
            elif field := _FIELD.fullmatch(piece):
                value = message.fields.get(field[1], "")
                pieces.append(value.encode("utf-8", "surrogateescape"))
            else:
                pieces.append(piece.encode())
        return b"".join(pieces)

    def _given(self, message: Message) -> list[bytes]:
        """Return the signatures that were sent, in one spelling. Raises when there are none."""
        settings = self._settings
        if settings.field is not None:
            sent = [message.fields.get(settings.field, "")]
        else:
            sent = [message.headers.get((settings.header or "").lower(), "")]
        if settings.pairs:
            sent = self._paired(sent[0], settings.pairs["signature"])
        given = [
            _as_written(each[len(settings.prefix) :], settings.encoding)
            for each in sent
            if each.startswith(settings.prefix)
        ]
        found = [each for each in given if each]
        if not found:
            place = settings.header or f"field {settings.field}"
            raise AuthenticationError(f"there is no signature in {place}")
        return found

    def _paired(self, header: str, name: str) -> list[str]:
        pairs = [each.strip().partition("=") for each in header.split(",")[:_MOST_SIGNATURES]]
        return [value for key, _, value in pairs if key == name]

    def _timestamp(self, message: Message) -> str:
        if self._settings.timestamp_header is not None:
            return message.headers.get(self._settings.timestamp_header.lower(), "")
        header = message.headers.get((self._settings.header or "").lower(), "")
        return next(iter(self._paired(header, self._settings.pairs["timestamp"])), "")

    def _check_time(self, message: Message) -> None:
        if "{timestamp}" in self._settings.signed:
            check_age(self._timestamp(message), message, self._settings.tolerance)

    def _written(self, mac: hmac.HMAC) -> bytes:
        if self._settings.encoding is Encoding.HEX:
            return mac.hexdigest().encode()
        return base64.b64encode(mac.digest())


def check_age(timestamp: str, message: Message, tolerance: float) -> None:
    """Raise ``AuthenticationError`` unless a time is near enough to that of the message."""
    if not _SECONDS.fullmatch(timestamp):
        raise AuthenticationError("its timestamp is no number of seconds")
    if abs(message.received_at - int(timestamp)) > tolerance:
        raise AuthenticationError("its signature is too old, or from the future")


def believed(matches: Sequence[bool]) -> bool:
    """Return True when anything matched: a list, so that all was compared. Else raises."""
    if not any(matches):
        raise AuthenticationError("its proof is none of a secret of this source")
    return True


def _as_written(signature: str, encoding: Encoding) -> bytes:
    """Return a signature as we write it; empty for what is none."""
    if encoding is Encoding.HEX:
        return signature.lower().encode() if _HEX.fullmatch(signature) else b""
    return signature.encode("utf-8", "surrogateescape")
