"""Why a callback is not taken: one class, a few makers, each with a stable ``slug``.

``web`` shows a refusal as an RFC 9457 problem. A fault of ours is never a 4xx; providers stop
calling back after one.
"""


class Refusal(Exception):  # noqa: N818 - it is no error of ours, and DESIGN's word
    """The answer to a callback that is not taken."""

    def __init__(
        self, status: int, slug: str, title: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.retry_after = retry_after
        """Seconds after which the sender may try again."""


class ClientGoneError(Exception):
    """The sender closed the connection before the end of its message: nobody to answer."""


def malformed(detail: str) -> Refusal:
    """400: the body is not what it claims to be."""
    return Refusal(400, "malformed-callback", "The callback cannot be read", detail)


def forbidden(detail: str) -> Refusal:
    """403: not shown to come from the provider."""
    return Refusal(403, "not-authentic", "The callback is not authentic", detail)


def unsupported(detail: str) -> Refusal:
    """415: another content type than the source sends."""
    return Refusal(415, "unsupported-content-type", "The content type is not taken here", detail)


def too_large(detail: str) -> Refusal:
    """413: beyond a limit of ``[intake]`` or ``[spool]``."""
    return Refusal(413, "too-large", "The callback is too large", detail)


def mismatched(detail: str) -> Refusal:
    """422: the file is not what it is claimed to be, and the source takes no such files."""
    return Refusal(422, "content-mismatch", "The file is not what it should be", detail)


def too_slow(detail: str) -> Refusal:
    """408: the body did not come in time."""
    return Refusal(408, "too-slow", "The callback came too slowly", detail)


def unavailable(detail: str, *, retry_after: int) -> Refusal:
    """503: ours, and passing."""
    return Refusal(
        503, "spool-unavailable", "Files cannot be taken just now", detail, retry_after=retry_after
    )


def busy(detail: str, *, retry_after: int) -> Refusal:
    """503: too many at once."""
    return Refusal(503, "too-busy", "Too much is coming in", detail, retry_after=retry_after)
