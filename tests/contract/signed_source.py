"""A correct source with signed callbacks, and its provider: what source mutants are made from.

Fields ``timestamp``, ``id``, ``status``, ``format`` and ``url``, all of them signed by
``signature``: HMAC-SHA256, in hexadecimal, of the JSON array of their values.
"""

import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from sinkwell.contract import (
    AuthenticationError,
    Callback,
    Duration,
    MalformedCallbackError,
    Message,
    PartFile,
    Secret,
    Source,
    SourceContext,
    SourceSettings,
    SourceType,
)
from sinkwell.samples import png
from sinkwell.testing import (
    Body,
    Expected,
    ExpectedPart,
    Field,
    FormFile,
    Header,
    NotOffered,
    Provider,
    Request,
    Sample,
    multipart,
)

SIGNED = ("timestamp", "id", "status", "format", "url")
SECRETS = ("kit-secret-number-one", "kit-secret-number-two")
SECTION: dict[str, object] = {"type": "signed", "secrets": list(SECRETS), "tolerance": "5m"}


class SignedSettings(SourceSettings, frozen=True, kw_only=True):
    secrets: tuple[Secret, ...]
    """Each secret that callbacks may be signed with."""
    tolerance: Duration = Duration(300)
    """How old a callback may be, or how far ahead its clock."""

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError("secrets must name at least one secret")


def signature(secret: str, values: Sequence[str]) -> str:
    signed = json.dumps(list(values)).encode()
    return hmac.new(secret.encode(), signed, "sha256").hexdigest()


class Signed(Source):
    def __init__(self, settings: SignedSettings) -> None:
        self.secrets = settings.secrets
        self.tolerance = settings.tolerance

    def authenticate(self, message: Message) -> bool:
        if not self.can_be_told(message):
            return False
        self.check_age(message)
        given = message.fields["signature"]
        values = self.signed_values(message)
        expected = [signature(secret.reveal(), values) for secret in self.secrets]
        if not any(self.is_same(given, each) for each in expected):
            raise AuthenticationError("the signature is none of a secret of this source")
        return True

    def can_be_told(self, message: Message) -> bool:
        return all(name in message.fields for name in (*SIGNED, "signature"))

    def signed_values(self, message: Message) -> list[str]:
        return [message.fields[name] for name in SIGNED]

    def is_same(self, given: str, expected: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())

    def check_age(self, message: Message) -> None:
        timestamp = message.fields["timestamp"]
        if not re.fullmatch("[0-9]{1,12}", timestamp):
            raise AuthenticationError("the timestamp is no number of seconds")
        if abs(message.received_at - int(timestamp)) > self.tolerance:
            raise AuthenticationError("the signature is too old, or from the future")

    def parse(self, message: Message) -> Callback:
        provider_id = message.fields.get("id", "")
        if not re.fullmatch("[A-Za-z0-9]{1,64}", provider_id):
            raise MalformedCallbackError("the id is missing or is no id")
        url = message.fields.get("url", "").encode("utf-8", "replace").decode()[:2048]
        status = message.fields.get("status")
        callback = Callback(
            provider_id=provider_id,
            deduplication_key=f"failed:{provider_id}",
            succeeded=False,
            provider_status="failed",
            labels={"url": url} if url else {},
        )
        return callback if status == "failed" else self.parse_success(message, callback)

    def parse_success(self, message: Message, callback: Callback) -> Callback:
        if message.fields.get("status") != "finished":
            raise MalformedCallbackError("the status is neither finished nor failed")
        part = next((part for part in message.parts if part.field == "file"), None)
        if part is None:
            raise MalformedCallbackError("the file is missing")
        extension = message.fields.get("format")
        if extension not in {"png", "webp"}:
            raise MalformedCallbackError("the format is neither png nor webp")
        return replace(
            callback,
            deduplication_key=callback.provider_id,
            succeeded=True,
            provider_status="finished",
            files=(PartFile(part, f"image/{extension}", extension),),
        )


class WhollySigned(Signed):
    """Its signature covers every field that there is, so it waits for all of them."""

    def can_be_told(self, message: Message) -> bool:
        return message.complete and super().can_be_told(message)

    def signed_values(self, message: Message) -> list[str]:
        return everything(
            {name: value for name, value in message.fields.items() if name != "signature"}
        )


def everything(fields: dict[str, str]) -> list[str]:
    return [f"{name}={fields[name]}" for name in sorted(fields)]


class Bearer(Signed):
    """Its secret stands in a header, so nothing else is covered, and all is known at once."""

    def authenticate(self, message: Message) -> bool:
        given = message.headers.get("authorization", "")
        if not any(secret.matches(given.removeprefix("Bearer ")) for secret in self.secrets):
            raise AuthenticationError("the header Authorization bears no secret of this source")
        return True


def source_type(source: type[Signed]) -> SourceType[SignedSettings]:
    def open_source(settings: SignedSettings, _: SourceContext) -> Source:
        return source(settings)

    return SourceType(
        name="signed",
        summary="Signed callbacks with a file.",
        settings=SignedSettings,
        open=open_source,
        default_key="signed/{yyyy}/{id}.{ext}",
    )


def text(request: Request, name: str) -> str:
    return (request.value(Field(name)) or b"").decode("utf-8", "surrogateescape")


class SigningProvider(Provider):
    proof: Field | Header = Field("signature")
    covers: Sequence[Field | Header | Body] | NotOffered = tuple(map(Field, SIGNED))
    tolerance: float | NotOffered = 300.0
    secrets = SECRETS
    of_success: ClassVar = {"status": "finished", "format": "png", "url": "https://example.com/ü"}

    def samples(self) -> Sequence[Sample]:
        picture = FormFile("file", png("signed", 20, 10), "shot.png", "image/png")
        parts = (ExpectedPart("file", "image/png", "png"),)
        labels = {"url": "https://example.com/ü"}
        return [
            *(
                Sample(
                    f"the picture {name}",
                    multipart({"id": name} | self.of_success, picture),
                    Expected(name, provider_status="finished", files=parts, labels=labels),
                )
                for name in ("a1b2", "c3d4")
            ),
            Sample(
                "a failure",
                multipart({"id": "e5f6", "status": "failed", "format": "", "url": ""}),
                Expected("e5f6", succeeded=False, provider_status="failed"),
            ),
        ]

    def sign(self, request: Request, *, secret: str, at: float) -> Request:
        dated = request.with_value(Field("timestamp"), str(int(at)))
        values = [text(dated, name) for name in SIGNED]
        return dated.with_value(self.proof, signature(secret, values))


class WhollySigningProvider(SigningProvider):
    covers = (*map(Field, SIGNED), Field("note"))
    early = NotOffered("every field is signed, also one that comes after the file")

    def sign(self, request: Request, *, secret: str, at: float) -> Request:
        dated = request.with_value(Field("timestamp"), str(int(at)))
        return dated.with_value(self.proof, signature(secret, everything(_texts(dated))))


def _texts(request: Request) -> dict[str, str]:
    names = [name for name in (*SIGNED, "note") if request.value(Field(name)) is not None]
    return {name: text(request, name) for name in names}


class BearingProvider(SigningProvider):
    proof = Header("Authorization")
    covers = NotOffered("the secret covers nothing")
    tolerance = NotOffered("no time is part of the secret")

    def sign(self, request: Request, *, secret: str, at: float) -> Request:
        return request.with_value(self.proof, f"Bearer {secret}")
