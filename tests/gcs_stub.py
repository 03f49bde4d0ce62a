"""A strict Cloud Storage in memory: ``python gcs_stub.py`` prints its port and serves.

It does what the emulator does not: it asks for a token that it gave out, refuses wrong checksums,
holds conditions at the end of a session too, checks signed URLs, cancels sessions, and fails as it
is told to at ``/_stub``. What is sent there and how is in :mod:`gcs_support`.
"""

import asyncio
import base64
import json
import re
import secrets
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import unquote

import google_crc32c
from aiohttp import web
from gcs_signing import is_assertion, refusal

UNIT = 256 * 1024
WORKLOAD = "the token that a cluster gave to a workload"


@dataclass
class Stored:
    """An object."""

    content: bytes
    made: dict[str, Any]
    generation: int

    def described(self) -> dict[str, Any]:
        return self.made | {
            "generation": str(self.generation),
            "size": str(len(self.content)),
            "crc32c": crc32c(self.content),
        }


@dataclass
class Session:
    """A resumable upload."""

    bucket: str
    made: dict[str, Any]
    query: dict[str, str]
    content: bytearray = field(default_factory=bytearray)


class FailureError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, reason: str, message: str, **headers: str) -> None:
        super().__init__(message)
        body = {"code": status, "message": message, "errors": [{"reason": reason}]}
        self.answer = web.json_response({"error": body}, status=status, headers=headers)


class Stub:
    """All buckets, sessions, tokens, and what is to go wrong."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, Stored]] = {}
        self.sessions: dict[str, Session] = {}
        self.tokens: set[str] = set()
        self.faults: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.public = ""
        self.generation = 1
        self.over = asyncio.Event()

    # What tests ask and tell.

    async def control(self, request: web.Request) -> web.StreamResponse:
        told: Any = await request.json()
        what = request.match_info["what"]
        if what == "object":
            return web.Response(body=self.buckets[told["bucket"]][told["name"]].content)
        self.tell(what, told)
        return web.json_response(self.ask(what, told))

    def tell(self, what: str, told: Any) -> None:
        match what:
            case "account":
                self.public = told["public"]
            case "bucket":
                self.buckets[told["name"]] = {}
            case "faults":
                self.faults = told
                self.over.set()
                self.over = asyncio.Event()
            case "revoke":
                self.tokens.clear()

    def ask(self, what: str, told: Any) -> object:
        match what:
            case "objects":
                return sorted(self.buckets[told["bucket"]])
            case "described":
                return self.buckets[told["bucket"]][told["name"]].described()
            case "sessions":
                return [each.made["name"] for each in self.sessions.values()]
            case "requests":
                requests, self.requests = self.requests, []
                return requests
        return {}

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Give out a token, to the service account or to a workload of a trusted cluster."""
        form = await request.post()
        if "subject_token" in form:
            known = form["subject_token"] == WORKLOAD
        else:
            known = is_assertion(self.public, str(form["assertion"]))
        if not known:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = secrets.token_hex(16)
        self.tokens.add(token)
        kind = {"token_type": "Bearer", "issued_token_type": "access_token"}
        return web.json_response({"access_token": token, "expires_in": 3600, **kind})

    # Every other request comes through here.

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith(("/_stub/", "/token")):
            return await handler(request)  # type: ignore[no-any-return] # aiohttp has no type for it
        self.requests.append(
            {
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "headers": {key.lower(): value for key, value in request.headers.items()},
            }
        )
        fault = self.due(request)
        try:
            if fault and (answer := await self.failing(fault, request)):
                return answer
            if "upload_id" not in request.query and "X-Goog-Signature" not in request.query:
                self.known(request)
            answer = await handler(request)
        except FailureError as failure:
            answer = failure.answer
        if fault and fault["kind"] == "lost":
            cut(request)
        return answer

    def known(self, request: web.Request) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise FailureError(401, "authError", "Invalid Credentials")

    def due(self, request: web.Request) -> dict[str, Any] | None:
        size = request.headers.get("X-Upload-Content-Length", request.content_length or 0)
        for fault in self.faults:
            if (
                re.fullmatch(fault.get("method", ".*"), request.method)
                and re.search(fault.get("path", ""), str(request.rel_url))
                and fault.get("least", 0) <= int(size) <= fault.get("most", 1 << 40)
                and fault.get("times", 1)
            ):
                if "times" in fault:
                    fault["times"] -= 1
                return fault
        return None

    async def failing(
        self, fault: dict[str, Any], request: web.Request
    ) -> web.StreamResponse | None:
        match fault["kind"]:
            case "answer":
                await request.read()
                raise FailureError(
                    fault["status"],
                    fault.get("reason", ""),
                    fault.get("message", "told to fail"),
                    **fault.get("headers", {}),
                )
            case "page":
                await request.read()
                return web.Response(text="<html>a proxy", status=fault["status"])
            case "reset":
                await request.content.read(fault.get("after", 0) or 1)
                cut(request)
            case "stall":
                await self.over.wait()
            case "unconditional":
                made, content = parts(request, await request.read())
                stored = self.store(request.match_info["bucket"], made, content)
                return web.json_response(stored.described())
            case "garbled":
                # One byte of what is stored is another one than was sent, and nobody noticed.
                return await self.garbled(request)
        return None

    async def garbled(self, request: web.Request) -> web.StreamResponse:
        made, content = parts(request, await request.read())
        broken = bytes([content[0] ^ 1]) + content[1:]
        return web.json_response(self.store(request.match_info["bucket"], made, broken).described())

    # The API.

    def bucket(self, request: web.Request) -> dict[str, Stored]:
        try:
            return self.buckets[request.match_info["bucket"]]
        except KeyError:
            raise FailureError(404, "notFound", "The specified bucket does not exist.") from None

    def stored(self, request: web.Request) -> Stored:
        name = unquote(request.match_info["name"])
        try:
            return self.bucket(request)[name]
        except KeyError:
            message = f"No such object: {request.match_info['bucket']}/{name}"
            raise FailureError(404, "notFound", message) from None

    async def insert(self, request: web.Request) -> web.StreamResponse:
        self.bucket(request)
        name = request.match_info["bucket"]
        if request.query["uploadType"] == "resumable":
            made = await request.json()
            upload = secrets.token_hex(16)
            self.sessions[upload] = Session(name, made, dict(request.query))
            address = request.url.with_query(upload_id=upload)
            return web.Response(headers={"Location": str(address)})
        made, content = parts(request, await request.read())
        if made.get("crc32c", crc32c(content)) != crc32c(content):
            raise FailureError(400, "invalid", "Provided CRC32C doesn't match calculated CRC32C.")
        self.permitted(name, made["name"], dict(request.query))
        return web.json_response(self.store(name, made, content).described())

    async def append(self, request: web.Request) -> web.StreamResponse:
        upload = request.query["upload_id"]
        session = self.sessions.get(upload)
        if session is None:
            raise FailureError(410, "gone", "The session is over.")
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.headers["Content-Range"])
        assert found
        begin, end, total = map(int, found.groups())
        content = await request.read()
        if begin != len(session.content) or len(content) != end - begin + 1:
            raise FailureError(400, "invalid", "The range is not what was sent.")
        if end + 1 < total:
            if (end + 1) % UNIT:
                raise FailureError(400, "invalid", "No multiple of 256 KiB.")
            session.content += content
            return web.Response(status=308, headers={"Range": f"bytes=0-{end}"})
        whole = bytes(session.content) + content
        if request.headers.get("X-Goog-Hash") != f"crc32c={crc32c(whole)}":
            raise FailureError(400, "invalid", "Provided CRC32C doesn't match calculated CRC32C.")
        self.permitted(session.bucket, session.made["name"], session.query)
        del self.sessions[upload]
        return web.json_response(self.store(session.bucket, session.made, whole).described())

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        self.sessions.pop(request.query["upload_id"], None)
        return web.Response(status=499)

    def permitted(self, bucket: str, name: str, query: dict[str, str]) -> None:
        if query.get("ifGenerationMatch") == "0" and name in self.buckets[bucket]:
            raise FailureError(412, "conditionNotMet", "At least one condition did not hold.")

    def store(self, bucket: str, made: dict[str, Any], content: bytes) -> Stored:
        self.generation += 1
        stored = Stored(content, made, self.generation)
        self.buckets[bucket][made["name"]] = stored
        return stored

    async def get(self, request: web.Request) -> web.StreamResponse:
        stored = self.stored(request)
        if request.query.get("alt") == "media":
            return web.Response(body=stored.content)
        return web.json_response(stored.described())

    async def list(self, request: web.Request) -> web.StreamResponse:
        self.bucket(request)
        return web.json_response({"kind": "storage#objects"})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        stored = self.stored(request)
        wanted = request.query.get("ifGenerationMatch", str(stored.generation))
        if wanted != str(stored.generation):
            raise FailureError(412, "conditionNotMet", "At least one condition did not hold.")
        del self.bucket(request)[stored.made["name"]]
        return web.Response(status=204)

    async def signed(self, request: web.Request) -> web.StreamResponse:
        url = f"http://{request.headers['Host']}{request.raw_path}"
        if reason := refusal(self.public, url, datetime.now(UTC)):
            return web.Response(status=403, text=reason)
        return web.Response(body=self.stored(request).content)


def cut(request: web.Request) -> None:
    """Reset the connection."""
    assert request.transport
    request.transport.abort()


def crc32c(content: bytes) -> str:
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


def parts(request: web.Request, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the properties and the file that a multipart upload holds."""
    header = Message()
    header["Content-Type"] = request.headers["Content-Type"]
    boundary = str(header.get_param("boundary")).encode()
    properties, content = body.split(b"--" + boundary)[1:3]
    made = json.loads(properties.partition(b"\r\n\r\n")[2])
    return made, content.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


async def serve() -> None:
    stub = Stub()
    app = web.Application(middlewares=[stub.guard], client_max_size=1 << 40)
    objects = "/storage/v1/b/{bucket}/o"
    app.add_routes(
        [
            web.post("/_stub/{what}", stub.control),
            web.post("/token", stub.token),
            web.post(f"/upload{objects}", stub.insert),
            web.put(f"/upload{objects}", stub.append),
            web.delete(f"/upload{objects}", stub.cancel),
            web.get(objects, stub.list),
            web.get(objects + "/{name:.+}", stub.get),
            web.delete(objects + "/{name:.+}", stub.delete),
            web.get("/{bucket}/{name:.+}", stub.signed),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # whoever started it is gone, or wants it to end
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
