"""The floor to compare with: uvicorn, nothing promised.

``python bench/bare.py PORT STAGE DIRECTORY`` serves until it is ended. Each stage does what the
one before does and one thing more: ``http`` reads the body, ``parse`` cuts the multipart, ``hash``
takes the sha256, ``write`` writes the file (no fsync, no record, no delivery).
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import uvicorn
from multipart import MultipartSegment, PushMultipartParser

STAGES = ("http", "parse", "hash", "write")
Asgi = dict[str, Any]


class Bare:
    """An ASGI application of one stage."""

    def __init__(self, stage: str, directory: Path) -> None:
        self._depth = STAGES.index(stage)
        self._directory = directory
        self._count = 0

    async def __call__(self, scope: Asgi, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        boundary = headers.get(b"content-type", b"").partition(b"boundary=")[2]
        parser = PushMultipartParser(boundary or b"none")
        digest = hashlib.sha256()
        fd: int | None = None
        in_file = False
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            if self._depth == 0 or not message.get("body"):
                continue
            for event in parser.parse(message["body"]):
                if isinstance(event, MultipartSegment):
                    in_file = event.filename is not None
                    if in_file and self._depth > 2:
                        fd = self._open()
                elif event is not None and in_file:
                    if self._depth > 1:
                        digest.update(event)
                    if fd is not None:
                        os.write(fd, event)
        if fd is not None:
            os.close(fd)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
            }
        )
        await send({"type": "http.response.body", "body": b"{}"})

    def _open(self) -> int:
        self._count += 1
        path = self._directory / str(self._count)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


if __name__ == "__main__":
    port, stage, directory = sys.argv[1:]
    uvicorn.run(
        Bare(stage, Path(directory)),
        port=int(port),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
