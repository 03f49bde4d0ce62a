"""The errors that plugins raise.

::

    SourceError                  the callback is refused; nothing of it is kept
    ├── AuthenticationError      403: not proven to come from the provider
    └── MalformedCallbackError   400: it is from the provider, but says nothing usable

    SinkError                    a put (or stat, read, delete, check) did not succeed
    ├── TransientError           again? yes, later          whose fault? nobody's
    ├── RejectedError            again? no, never           whose fault? this file's, here
    └── UnusableError            again? once it is mended   whose fault? this sink's
        └── GoneError            the same, and for good: a notifier is disabled

Notifiers raise the same ``SinkError`` classes. Any other exception that leaves a plugin is
taken for a bug of that plugin. Messages are read by people: say what happened, to what, and
what to do next; never put a secret in one.
"""


class SourceError(Exception):
    """A source refuses a callback."""


class AuthenticationError(SourceError):
    """The callback carries no proof, or a false one, that the provider sent it (403)."""


class MalformedCallbackError(SourceError):
    """The callback is authentic but lacks something, or something in it makes no sense (400)."""


class SinkError(Exception):
    """Something that a sink was asked to do did not happen. Raise one of the three below."""


class TransientError(SinkError):
    """Try this delivery again later: a time-out, a reset connection, a busy server.

    ``retry_after`` is the least time to wait, in seconds, where the other side named one.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RejectedError(SinkError):
    """This file will never be taken here under this key: too large, name refused, conflict."""


class UnusableError(SinkError):
    """The sink itself does not work until someone acts: no permission, no bucket, disk gone.

    The sink is paused and probed; its deliveries wait and lose no attempt.
    """


class GoneError(UnusableError):
    """The other side says that it is gone and will not come back, as HTTP does by 410.

    A notifier is disabled: it is told nothing until someone enables it. A sink is paused.
    """
