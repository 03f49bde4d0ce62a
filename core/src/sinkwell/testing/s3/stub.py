"""The stub as tests hold it: started, asked, told to fail, ended."""

import asyncio
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sinkwell.testing.s3.faults import FAULTS, Rule, S3Fault
from sinkwell.testing.s3.requests import S3Request
from sinkwell.testing.s3.server import Server
from sinkwell.testing.s3.signatures import Credentials
from sinkwell.testing.s3.store import Bucket, S3Behaviour, S3Object, Store

_STARTS_WITHIN = _ENDS_WITHIN = 10.0


class S3Stub:
    """A strict store that speaks S3, in memory, on a port of loopback, in a thread of its own.

    It is a context manager, and all of its methods may be called from any thread meanwhile::

        with S3Stub(["captures"]) as stub:
            ...  # a client of stub.url, stub.access_key and stub.secret_key

    It takes what AWS takes of a client that signs its bodies, and nothing else: signatures, sizes,
    digests and checksums are verified, an upload in chunks with a trailer is refused. Where stores
    differ, ``behaviour`` says how this one is. With ``tls`` it speaks HTTPS only. ``clock`` is its
    time, in seconds since 1970.
    """

    def __init__(
        self,
        buckets: Collection[str] = (),
        *,
        behaviour: S3Behaviour | None = None,
        tls: ssl.SSLContext | None = None,
        session_token: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._user = Credentials(
            f"AKSTUB{secrets.token_hex(7).upper()}", secrets.token_urlsafe(30), session_token
        )
        self._store = Store(behaviour or S3Behaviour())
        self._server = Server(self._store, self._user, clock)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="s3-stub", daemon=True)
        self._started = threading.Event()
        self._over = asyncio.Event()
        self._port = 0
        for bucket in buckets:
            self.make_bucket(bucket)

    @property
    def access_key(self) -> str:
        """The id of the one key that opens it."""
        return self._user.access_key

    @property
    def secret_key(self) -> str:
        """The secret of that key."""
        return self._user.secret_key

    @property
    def region(self) -> str:
        """The region that signatures must be for."""
        return self._store.behaviour.region

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; 0 until it is started."""
        return self._port

    @property
    def url(self) -> str:
        """Where it listens, to address buckets by path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[S3Request]:
        """All requests so far, in the order in which they came."""
        return list(self._server.requests)

    def forget(self) -> None:
        """Forget the requests so far."""
        self._server.requests.clear()

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket; one of this name is no more."""
        self._store.buckets[name] = Bucket(name)

    def remove_bucket(self, name: str) -> None:
        """Remove a bucket with all that it has. Raises ``KeyError`` where there is none."""
        del self._store.buckets[name]

    def objects(self, bucket: str) -> Mapping[str, S3Object]:
        """Return the objects of a bucket by key."""
        return dict(self._store.buckets[bucket].objects)

    def uploads(self, bucket: str) -> list[str]:
        """Return the key of each multipart upload that is neither completed nor aborted."""
        return [each.key for each in list(self._store.buckets[bucket].uploads.values())]

    def put(self, bucket: str, key: str, stored: S3Object) -> None:
        """Put an object there, past all that is verified; one of this key is replaced."""
        self._store.buckets[bucket].objects[key] = stored

    @contextmanager
    def failing(
        self,
        fault: S3Fault | str,
        *,
        operation: str = "*",
        key: str = "*",
        least: int = 0,
        times: int | None = None,
    ) -> Iterator[Rule]:
        """Let requests meet a fault, or the one of that name in ``FAULTS``, within the ``with``.

        It strikes requests that have this operation and key (patterns: ``*Upload``) and a body of
        ``least`` bytes or more, the first ``times`` of them or all. Of several rules the one that
        was made first counts. The rule counts its ``hits``.
        """
        found = FAULTS[fault] if isinstance(fault, str) else fault
        rule = Rule(found, operation, key, least, times)
        self._server.rules.append(rule)
        try:
            yield rule
        finally:
            self._server.rules.remove(rule)
            if not self._loop.is_closed():  # the stub ended before
                self._loop.call_soon_threadsafe(rule.over.set)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_STARTS_WITHIN):
            raise RuntimeError(f"the stub did not start within {_STARTS_WITHIN:g} s")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_ENDS_WITHIN)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server, self._port = await self._server.start(self._tls)
        self._started.set()
        await self._over.wait()
        await self._server.stop(server)
