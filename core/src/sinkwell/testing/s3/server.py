"""The server: HTTP/1.1 on loopback, strict about framing, and unkind where a rule says so."""

import asyncio
import hashlib
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httptools

from sinkwell.testing.s3.answers import Answer, S3Error
from sinkwell.testing.s3.faults import Manner, Rule, S3Fault
from sinkwell.testing.s3.requests import S3Request, read_request
from sinkwell.testing.s3.service import is_framed, serve
from sinkwell.testing.s3.signatures import Credentials
from sinkwell.testing.s3.store import Store

_LONGEST_HEAD = 64 * 1024
_A_BYTE_EACH = 1.0
_LISTENS_ON = 1.0
"""Seconds, both."""


class _Head:
    """The callbacks of the parser."""

    def __init__(self, data: bytes) -> None:
        self.target = b""
        self.headers: list[tuple[str, str]] = []
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method().decode()
        self.keeps_alive = parser.should_keep_alive()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))


@dataclass
class Server:
    """Serves a store to everyone who connects. All of it runs in one event loop."""

    store: Store
    user: Credentials
    clock: Callable[[], float]
    requests: list[S3Request] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    _connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = field(default_factory=dict)

    async def start(self, tls: ssl.SSLContext | None) -> tuple[asyncio.Server, int]:
        """Listen on a free port of loopback, and return it."""
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=tls, limit=_LONGEST_HEAD, backlog=256
        )
        return server, server.sockets[0].getsockname()[1]

    async def stop(self, server: asyncio.Server) -> None:
        """Close everything, whoever still waits."""
        server.close()
        for rule in self.rules:
            rule.over.set()
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a stream is always served in a task
        self._connections[task] = writer
        try:
            with suppress(OSError, asyncio.IncompleteReadError):  # the client went away
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            del self._connections[task]

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; tell whether another may follow."""
        try:
            head = _Head(await reader.readuntil(b"\r\n\r\n"))
        except (httptools.HttpParserError, asyncio.LimitOverrunError):
            return await _refuse(reader, writer, Answer(HTTPStatus.BAD_REQUEST), "GET")
        try:
            request = self._note(head, writer)
        except S3Error as error:
            return await _refuse(reader, writer, error.answer(), head.method)
        length = int(request.headers.get("content-length", "0"))
        rule = next((each for each in self.rules if each.strikes(request, length)), None)
        if rule is not None:
            request.fault = rule.fault.name
        body = await _read_body(reader, writer, request, rule.fault.reads if rule else None)
        if rule is None:
            return await self._answer(writer, request, self._do(request, body), head.keeps_alive)
        answer = self._faulty(request, body, rule.fault)
        return await self._misbehave(writer, request, answer, rule)

    def _note(self, head: _Head, writer: asyncio.StreamWriter) -> S3Request:
        """Note a request. Raises ``S3Error`` for one whose body cannot be read."""
        secure = writer.get_extra_info("ssl_object") is not None
        hosts = self.store.behaviour.hosts
        request = read_request(head.method, head.target, head.headers, hosts=hosts, secure=secure)
        self.requests.append(request)
        try:
            is_framed(request)
        except S3Error as error:
            request.status = error.status
            raise
        return request

    def _do(self, request: S3Request, body: bytes) -> Answer:
        return serve(self.store, self.user, request, body, self.clock())

    def _faulty(self, request: S3Request, body: bytes, fault: S3Fault) -> Answer:
        """Return what a struck request is answered, whether or not that ever goes out."""
        answer = self._do(request, body) if fault.takes_effect else Answer()
        if fault.answer is not None:
            answer = fault.answer
        return Answer(answer.status, answer.headers | dict(fault.headers), answer.body)

    async def _answer(
        self, writer: asyncio.StreamWriter, request: S3Request, answer: Answer, keep: bool
    ) -> bool:
        request.status = answer.status
        await _send(writer, answer, request.method, keep=keep)
        return keep

    async def _misbehave(
        self, writer: asyncio.StreamWriter, request: S3Request, answer: Answer, rule: Rule
    ) -> bool:
        """Answer in the manner of a fault; tell whether another request may follow."""
        match rule.fault.manner:
            case Manner.WHOLE:
                return await self._answer(writer, request, answer, keep=True)
            case Manner.HALF_BODY:
                answer.body = answer.body[: len(answer.body) // 2]
                return await self._answer(writer, request, answer, keep=True)
            case Manner.RESET:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                writer.transport.abort()
            case Manner.STALLED:
                await rule.over.wait()
            case Manner.GARBAGE:
                writer.write(b"\x15\x03\x01\x00\x02\x02\x50 no HTTP at all\r\n\r\n")
                await writer.drain()
            case Manner.TRUNCATED:
                whole = _framed(answer, request.method, keep=True)
                writer.write(whole[: len(whole) - (len(answer.body) or len(whole)) // 2 - 1])
                await writer.drain()
            case Manner.SLOW:
                await self._trickle(writer, _framed(answer, request.method, keep=False), rule)
        return False

    async def _trickle(self, writer: asyncio.StreamWriter, whole: bytes, rule: Rule) -> None:
        """Send a byte a second until all is sent or the fault is over."""
        for position in range(len(whole)):
            writer.write(whole[position : position + 1])
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(rule.over.wait(), _A_BYTE_EACH)
                return


async def _read_body(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: S3Request, most: int | None
) -> bytes:
    length = int(request.headers.get("content-length", "0"))
    wanted = length if most is None else min(length, most)
    if wanted and request.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(wanted)
    request.size = len(body)
    if wanted == length:
        request.sha256 = hashlib.sha256(body).hexdigest()
    return body


async def _refuse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, method: str
) -> bool:
    """Answer a request whose end is not to be told, so that no other can follow."""
    await _send(writer, answer, method, keep=False)
    with suppress(TimeoutError):  # with bytes unread, closing would reset and the answer be lost
        async with asyncio.timeout(_LISTENS_ON):
            while await reader.read(_LONGEST_HEAD):
                pass
    return False


async def _send(writer: asyncio.StreamWriter, answer: Answer, method: str, *, keep: bool) -> None:
    writer.write(_framed(answer, method, keep=keep))
    await writer.drain()


def _framed(answer: Answer, method: str, *, keep: bool) -> bytes:
    """Return a response as it goes over the wire."""
    bodiless = method == "HEAD" or answer.status == HTTPStatus.NO_CONTENT
    reason = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {reason}", "Server: sinkwell-s3-stub"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.status != HTTPStatus.NO_CONTENT:
        error_to_head = method == "HEAD" and answer.status >= HTTPStatus.BAD_REQUEST
        lines.append(f"Content-Length: {0 if error_to_head else len(answer.body)}")
    if not keep:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if bodiless else head + answer.body
