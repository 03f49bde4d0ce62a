"""The core's side of the kit for sources: what reads callbacks in production, on requests."""

import copy
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sinkwell.contract import (
    AuthenticationError,
    BodyFile,
    Callback,
    FileReference,
    InlineFile,
    LinkedFile,
    Message,
    PartFile,
    Source,
    SourceContext,
)
from sinkwell.contract.settings import SourceSettings, decode_custom
from sinkwell.contract.source import AnySourceType
from sinkwell.ids import new_id
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.reading import OpenSource, Reading, header_values
from sinkwell.intake.spool import Spool, SpoolWriter
from sinkwell.testing.sources.provider import (
    Expected,
    ExpectedBody,
    ExpectedContent,
    ExpectedFile,
    ExpectedLink,
    ExpectedPart,
)
from sinkwell.testing.sources.requests import Request

NOW = 1_900_000_000.0
"""When messages arrive in the kit: far enough from the real time to notice who asks for that."""

NAME = "kit"
"""Of the section that is opened."""

LIMITS = IntakeLimits(max_file_size=64 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was believed, and what it was taken to say."""

    message: Message
    callback: Callback


class Core:
    """Takes requests as a running Sinkwell does, in memory."""

    def __init__(self, source_type: AnySourceType, section: dict[str, object], spool: Path) -> None:
        self._type = source_type
        self._section = section
        self._spool = Spool(spool)
        self.settings = self.convert(section)
        self.source = self.open()

    def convert(self, section: dict[str, object]) -> SourceSettings:
        """Return the settings of a section. Raises ``msgspec.ValidationError``."""
        settings: SourceSettings = msgspec.convert(
            section, self._type.settings, dec_hook=decode_custom
        )
        return settings

    def open(self) -> Source:
        """Open the source once more."""
        return self._type.open(self.settings, SourceContext(NAME))

    def close(self) -> None:
        """Let go of the spool."""
        self._spool.close()

    def take(
        self,
        request: Request,
        *,
        chunks: Iterable[bytes] | None = None,
        source: Source | None = None,
        at: float = NOW,
    ) -> Taken:
        """Take a request whole, in these chunks. Raises ``Refusal``."""
        reading = self.begin(request, source=source, at=at)
        for chunk in [request.body] if chunks is None else chunks:
            reading.feed(chunk)
        message = reading.end()
        return Taken(message, reading.understand())

    def begin(self, request: Request, *, source: Source | None = None, at: float = NOW) -> Reading:
        """Take what comes before the body. Raises ``Refusal``."""
        raw = [(name.lower(), value) for name, value in request.headers.items()]
        raw.append(("content-length", str(len(request.body))))
        headers = header_values((n.encode("latin-1"), v.encode("latin-1")) for n, v in raw)
        origin = OpenSource(NAME, self.source if source is None else source)
        reading = Reading(origin, headers, LIMITS, self._writer, at)
        reading.begin()
        return reading

    def _writer(self) -> SpoolWriter:
        return SpoolWriter(self._spool, new_id("f"))


@dataclass
class Doubter(Source):
    """Believes nothing, so that the core asks at every moment there is, and notes each answer."""

    source: Source
    answers: list[bool | None] = field(default_factory=list)
    """What was said at each moment; None where it was refused."""
    changed: bool = False
    """Whether the message was another one after it was asked."""
    wavered: bool = False
    """Whether it gave another answer to the same question."""

    def __post_init__(self) -> None:
        self.transport = self.source.transport

    def macs(self, message: Message) -> Sequence[hmac.HMAC]:
        return self.source.macs(message)

    def authenticate(self, message: Message) -> bool:
        before = snapshot(message)
        answers = [self._answer(message) for _ in range(2)]
        self.answers.append(answers[0])
        self.wavered |= answers[0] is not answers[1]
        self.changed |= message != before
        return False

    def parse(self, message: Message) -> Callback:
        return self.source.parse(message)

    def _answer(self, message: Message) -> bool | None:
        try:
            return self.source.authenticate(message)
        except AuthenticationError:
            return None

    @property
    def took_back(self) -> bool:
        """Whether it said True and later something else."""
        first = self.answers.index(True) if True in self.answers else len(self.answers)
        return not all(self.answers[first:])


def snapshot(message: Message) -> Message:
    """Return a copy that nobody else can change."""
    return Message(
        headers=dict(message.headers),
        fields=dict(message.fields),
        parts=copy.copy(message.parts),
        received_at=message.received_at,
        complete=message.complete,
        body=message.body,
        macs=message.macs,
    )


def as_expected(callback: Callback) -> Expected:
    """Return a callback in the words of samples."""
    return Expected(
        provider_id=callback.provider_id,
        succeeded=callback.succeeded,
        provider_status=callback.provider_status,
        files=tuple(_expected_file(file) for file in callback.files),
        labels=dict(callback.labels),
        notice=callback.notice,
        finished_batch=callback.finished_batch,
    )


def _expected_file(file: FileReference) -> ExpectedFile:
    match file:
        case PartFile():
            return ExpectedPart(file.part.field, file.media_type, file.extension)
        case BodyFile():
            return ExpectedBody(file.media_type, file.extension, file.name)
        case InlineFile():
            return ExpectedContent(file.content, file.media_type, file.extension)
        case LinkedFile():
            return ExpectedLink(file.url, file.media_type, file.extension, file.expires_at)
