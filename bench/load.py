"""The sender: posts distinct Shotbot callbacks over keep-alive connections, as cheaply as it can.

Run as a process of its own, so that its cost is not the receiver's:
``python bench/load.py PORT COUNT CLIENTS SIZE SECRET`` prints one JSON object. A file of more than
a few megabytes is sent in pieces, so that a large one takes no memory here either.
"""

import asyncio
import json
import os
import secrets
import sys
import time

import uvloop

_BOUNDARY = "sinkwell-bench"
_PIECE = 4 * 1024 * 1024
# Whoever looks at the ends of a file finds a picture in it, as with a real sender.
_PNG_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def _frame(secret: str, token: str) -> tuple[bytes, bytes]:
    """Return what stands before the file and what follows it."""
    fields = {"callback_secret": secret, "status": "OK", "token": token, "format": "png"}
    text = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head = (
        f'{text}--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
        'filename="shot.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    return head.encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()


async def _client(
    port: int, count: int, size: int, block: bytes, secret: str, latencies: list[float]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        before, after = _frame(secret, secrets.token_hex(16))
        length = len(before) + size + len(after)
        head = (
            f"POST /callbacks/shotbot HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
        ).encode()
        began = time.perf_counter()
        if size <= _PIECE:
            writer.write(head + before + block + after)
        else:
            writer.write(head + before)
            for start in range(0, size, _PIECE):
                writer.write(block[: size - start])
                await writer.drain()
            writer.write(after)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode(errors="replace"))
        length = next(
            int(line.split(b":")[1])
            for line in answer.lower().splitlines()
            if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - began)
    writer.close()


async def _run(port: int, count: int, clients: int, size: int, secret: str) -> None:
    filling = os.urandom(min(size, _PIECE) - len(_PNG_BEGIN) - len(_PNG_END))
    block = _PNG_BEGIN + filling + _PNG_END
    latencies: list[float] = []
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(_client(port, count // clients, size, block, secret, latencies))
    seconds = time.perf_counter() - began
    ended = time.time()
    latencies.sort()
    print(
        json.dumps(
            {
                "callbacks": len(latencies),
                "ended": ended,
                "per_second": len(latencies) / seconds,
                "p50_ms": 1000 * latencies[len(latencies) // 2],
                "p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
            }
        )
    )


if __name__ == "__main__":
    port, count, clients, size, secret = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(port), int(count), int(clients), int(size), secret))
