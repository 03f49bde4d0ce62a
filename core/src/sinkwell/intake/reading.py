"""A callback as it arrives: its body cut, its origin proven as early as can be, its meaning read.

No I/O and no clock, so the conformance kit for sources drives what runs in production.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from sinkwell.contract import (
    AuthenticationError,
    Callback,
    Message,
    OnMismatch,
    Source,
    SourceError,
)
from sinkwell.intake.bodies import NewWriter, open_body
from sinkwell.intake.holding import Hold, unbounded
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.refusals import Refusal, forbidden, malformed

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A configured source, ready to be called."""

    name: str
    source: Source
    on_mismatch: OnMismatch = OnMismatch.WARN


def header_values(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers as sources see them, of a repeated one the first; names are lower-case."""
    headers: dict[str, str] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return headers


class Reading:
    """One callback on its way from chunks to a :class:`Callback`."""

    def __init__(
        self,
        origin: OpenSource,
        headers: dict[str, str],
        limits: IntakeLimits,
        new_writer: NewWriter,
        received_at: float,
        hold: Hold = unbounded,
    ) -> None:
        """Read the content type. Raises ``Refusal`` (415, 400)."""
        transport = origin.source.transport
        self.body = open_body(transport, headers, limits, new_writer, received_at, hold)
        self._origin = origin
        self._authentic = False

    def begin(self) -> None:
        """Authenticate by the headers alone. Raises ``Refusal`` (403)."""
        message = self.body.message
        try:
            message.macs = self._origin.source.macs(message)
        except SourceError as error:
            raise self._refusal(error) from error
        self._authenticate()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ``Refusal``: as ``Body.feed`` does, and 403."""
        for mac in self.body.message.macs:
            mac.update(chunk)
        field_completed = self.body.feed(chunk)
        if field_completed and not self._authentic:
            self._authenticate()

    def end(self) -> Message:
        """Return the whole message. Raises ``Refusal``: 400 without its end, 403 unproven."""
        message = self.body.end()
        if not self._authentic:
            self._authenticate()
        if not self._authentic:
            raise forbidden("the callback carries no proof of its origin")
        return message

    def understand(self) -> Callback:
        """Say what the whole message means. Raises ``Refusal`` (400)."""
        try:
            callback = self._origin.source.parse(self.body.message)
        except SourceError as error:
            raise self._refusal(error) from error
        if callback.succeeded and not callback.files and not callback.notice:
            raise malformed("the callback brings no file")
        return callback

    def _authenticate(self) -> None:
        try:
            self._authentic = self._origin.source.authenticate(self.body.message)
        except SourceError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: SourceError) -> Refusal:
        if not isinstance(error, AuthenticationError):
            return malformed(str(error))
        log.warning("a callback was refused", source=self._origin.name, reason=str(error))
        return forbidden(str(error))
