"""A bucket of the stub as the far side that the kit for sinks asks for."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

from sinkwell.testing.s3.faults import FAULTS
from sinkwell.testing.s3.stub import S3Stub
from sinkwell.testing.sinks.destination import LARGE, Destination, Fault, Faults

_WRITES = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
_BODIES = ("PutObject", "UploadPart")


class StubDestination(Destination):
    """A bucket of a stub, or what is below a ``prefix`` of it, with every fault of the kit."""

    def __init__(self, stub: S3Stub, bucket: str, prefix: str = "") -> None:
        self._stub = stub
        self._bucket = bucket
        self._prefix = prefix

    def keys(self) -> Collection[str]:
        """Return the keys, without the prefix."""
        return [
            key.removeprefix(self._prefix)
            for key in self._stub.objects(self._bucket)
            if key.startswith(self._prefix)
        ]

    def read(self, key: str) -> bytes:
        """Return the bytes of an object."""
        return self._stub.objects(self._bucket)[self._prefix + key].content

    def leftovers(self) -> Collection[str]:
        """Return the keys of multipart uploads that are neither completed nor aborted."""
        return self._stub.uploads(self._bucket)

    def faults(self) -> Faults:
        """Return how to make each fault."""
        made: dict[Fault, Callable[[], AbstractContextManager[float | None]]] = {
            Fault.UNREACHABLE: partial(self._failing, "reset at once", "*"),
            Fault.BUSY: self._busy,
            Fault.FULL: partial(self._failing, "QuotaExceeded", *_WRITES),
            Fault.FORBIDDEN: partial(self._failing, "AccessDenied", *_WRITES),
            Fault.GONE: partial(self._failing, "NoSuchBucket", "*"),
            Fault.REFUSED: partial(self._failing, "EntityTooLarge", *_BODIES, least=LARGE),
            Fault.CUT: partial(self._failing, "reset in the body", *_BODIES, least=LARGE),
            Fault.HANG: partial(self._failing, "stall before storing", *_BODIES, least=LARGE),
        }
        return made

    @contextmanager
    def _failing(self, fault: str, *operations: str, least: int = 0) -> Iterator[None]:
        """Let these operations fail, from ``least`` bytes on; of a part, every size counts."""
        with ExitStack() as rules:
            for name in operations:
                size = 0 if name == "UploadPart" else least
                rules.enter_context(self._stub.failing(fault, operation=name, least=size))
            yield

    @contextmanager
    def _busy(self) -> Iterator[float]:
        answer = FAULTS["SlowDown"].answer
        assert answer is not None  # noqa: S101 - the table has one
        with self._failing("SlowDown", "*"):
            yield float(answer.headers["Retry-After"])
