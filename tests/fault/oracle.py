"""An outside client that plays the provider and keeps the truth: what it sent, what it was told.

For each id it makes bytes that follow from the id alone, posts them as Shotbot does, and tries
again whenever nobody answers or the answer is a 5xx. Only a 2xx makes an obligation.
"""

import hashlib
import http.client
import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from instances import SECRET, Instance

LARGEST = 200_000
CLIENTS = 8
_BOUNDARY = "cut-here-7b1d3f0e"
_AGAIN_AFTER = 0.05
_ANSWER_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one callback."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def promises(self) -> bool:
        """Whether the callback was taken: from here on nothing of it may be lost."""
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> str | None:
        return self.headers.get("retry-after")


@dataclass(slots=True)
class Truth:
    """What the client knows, whatever the server says."""

    issued: dict[str, str | None] = field(default_factory=dict)
    """Every id that was ever posted, with the sha256 of its bytes; None where the provider says
    that it has no file."""
    promised: dict[str, str] = field(default_factory=dict)
    """The ids that were answered 2xx, with the callback id of the answer."""
    refused: list[str] = field(default_factory=list)
    """Answers that no good callback may get: anything but 2xx and 5xx."""

    def promised_until(self, callback_ids: set[str]) -> Self:
        """Return the truth of a moment when only these callbacks had been answered."""
        kept = {id_: its for id_, its in self.promised.items() if its in callback_ids}
        return type(self)(self.issued, kept, self.refused)


class Line:
    """One keep-alive connection to the instance, opened anew whenever it broke."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_WITHIN)

    def post(self, body: bytes, *, announced: bool = True) -> Answer | None:
        """Send one callback, its length announced or not; None when no whole answer came back."""
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        sent = body if announced else iter([body])
        try:
            self._connection.request("POST", "/callbacks/shotbot", sent, kind)
            response = self._connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None

    def close(self) -> None:
        self._connection.close()


class Oracle:
    """The client. Every ``failures_every``-th id is a capture that the provider failed to make."""

    def __init__(
        self,
        instance: Instance,
        *,
        smallest: int = 1,
        largest: int = LARGEST,
        failures_every: int = 0,
        announces_size: bool = True,
    ) -> None:
        self.truth = Truth()
        self.answers: Counter[str] = Counter()
        """How often each status came, and ``nothing``."""
        self._instance = instance
        self._sizes = smallest, largest
        self._failures_every = failures_every
        self._announces_size = announces_size
        self._prefix = secrets.token_hex(4)
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def new_id(self) -> str:
        return f"{self._prefix}n{next(self._numbers):07d}"

    def new_file_id(self) -> str:
        """Return the next id that stands for a file, not for a failure."""
        id_ = self.new_id()
        return self.new_id() if self._fails(id_) else id_

    def payload(self, id_: str) -> bytes:
        """Return the bytes of an id; every magnitude of size is equally likely."""
        chosen = random.Random(id_)
        smallest, largest = self._sizes
        return chosen.randbytes(round(smallest * (largest / smallest) ** chosen.random()))

    def attempt(self, id_: str) -> Answer | None:
        """Post a callback once and note what was answered; None when nothing was."""
        with closing(Line(self._instance.port)) as line:
            return self._attempt(id_, self._callback(id_), line)

    def insist(self, id_: str) -> None:
        """Post a callback until it is taken."""
        with closing(Line(self._instance.port)) as line:
            self._insist(id_, line)

    def post(self, number: int) -> None:
        """Have ``number`` new callbacks taken."""
        with self.posting(number):
            return

    @contextmanager
    def posting(self, number: int | None = None) -> Iterator[None]:
        """Have clients post new callbacks during the block, without a pause.

        They stop at its end or, where a number is given, go on until so many were taken.
        """
        ids = iter(self.new_id, None)
        if number is not None:
            ids = iter([self.new_id() for _ in range(number)])
        with ThreadPoolExecutor(CLIENTS) as threads:
            running = [threads.submit(self._run_client, ids) for _ in range(CLIENTS)]
            try:
                yield
                if number is not None:
                    wait(running)
            finally:
                self._stopped.set()
        self._stopped.clear()
        for client in running:
            client.result()

    def _run_client(self, ids: Iterator[str]) -> None:
        with closing(Line(self._instance.port)) as line:
            while (id_ := self._next(ids)) is not None:
                self._insist(id_, line)

    def _next(self, ids: Iterator[str]) -> str | None:
        with self._lock:
            return None if self._stopped.is_set() else next(ids, None)

    def _insist(self, id_: str, line: Line) -> None:
        callback = self._callback(id_)
        while not self._stopped.is_set():
            answer = self._attempt(id_, callback, line)
            if answer is not None and answer.status < 500:
                return
            time.sleep(_AGAIN_AFTER)

    def _attempt(self, id_: str, callback: bytes, line: Line) -> Answer | None:
        answer = line.post(callback, announced=self._announces_size)
        with self._lock:
            self.answers["nothing" if answer is None else str(answer.status)] += 1
            if answer is not None and answer.promises:
                self.truth.promised[id_] = json.loads(answer.body)["callback_id"]
            elif answer is not None and answer.status < 500:
                self.truth.refused.append(f"{id_}: {answer.status} {answer.body!r}")
        return answer

    def _fails(self, id_: str) -> bool:
        number = int(id_.rpartition("n")[2])
        return self._failures_every > 0 and not number % self._failures_every

    def _callback(self, id_: str) -> bytes:
        fails = self._fails(id_)
        fields = {"callback_secret": SECRET, "status": "ERR" if fails else "OK", "token": id_}
        body = b"".join(
            _part(f'name="{name}"', value.encode())
            for name, value in {**fields, "format": "png"}.items()
        )
        if fails:
            self.truth.issued[id_] = None
        else:
            payload = self.payload(id_)
            self.truth.issued[id_] = hashlib.sha256(payload).hexdigest()
            body += _part('name="file"; filename="shot.png"', payload)
        return body + f"--{_BOUNDARY}--\r\n".encode()


def _part(names: str, value: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n\r\n"
    return head.encode() + value + b"\r\n"
