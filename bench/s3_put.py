"""What a put of 200 KB costs: boto3's ``put_object``, obstore, and the S3 sink in its two ways.

``.venv/bin/python -m bench.s3_put`` prints milliseconds of CPU of this process a put, the best of
three rounds in turn, against the null store of ``bench/compare``. obstore is measured where it is
installed. "knows" is a store that honours conditions and verifies digests; with "unknown" ones the
sink looks before it puts, and hashes what it sends.
"""

import argparse
import asyncio
import functools
import hashlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import msgspec
import uvloop
from bench.compare.environments import make_certificates
from bench.compare.storage import Scenario, Target, null_storage
from botocore.config import Config

from sinkwell.contract import Blob, IfPresent, Sink, SinkContext
from sinkwell.contract.settings import decode_custom
from sinkwell_s3 import S3
from sinkwell_s3.settings import S3Settings

SIZE = 200_000
ROUNDS = 3
KEYS = {"access_key": "bench", "secret_key": "bench-secret"}
Put = Callable[[int], Awaitable[object]]


async def cost(put: Put, count: int, in_flight: int) -> float:
    """Return milliseconds of CPU a put."""

    async def some(first: int) -> None:
        for number in range(first, count, in_flight):
            await put(number)

    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for first in range(in_flight):
            group.create_task(some(first))
    return 1000 * (time.process_time() - began) / count


async def measure(target: Target, file: Path, count: int) -> None:
    executor = ThreadPoolExecutor(8)
    loop = asyncio.get_running_loop()

    def run(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        return loop.run_in_executor(executor, functools.partial(function, *args, **kwargs))

    client = boto3.client(
        "s3",
        endpoint_url=target.endpoint,
        verify=str(target.ca),
        region_name="us-east-1",
        aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
        config=Config(s3={"addressing_style": "path"}),
    )
    blob = Blob(file, SIZE, hashlib.sha256(file.read_bytes()).hexdigest(), "image/png")

    def by_boto3(number: int) -> None:
        client.put_object(
            Bucket="bench", Key=f"{number}.png", Body=file.read_bytes(), ContentType="image/png"
        )

    async with AsyncExitStack() as stack:

        async def sink(provider: str, transfer: str) -> Put:
            section = {"type": "s3", "provider": provider, "transfer": transfer, "bucket": "bench"}
            section |= {"endpoint": target.endpoint, "region": "us-east-1", **KEYS}
            more = {"ca_bundle": str(target.ca), "addressing": "path"}
            settings = msgspec.convert(section | more, S3Settings, dec_hook=decode_custom)
            opened: Sink = await S3.open(settings, SinkContext("bench", run, file.parent))
            stack.push_async_callback(opened.close)
            keep = IfPresent.KEEP_IF_SAME
            return lambda number: opened.put(blob, f"{number}.png", if_present=keep)

        ways: dict[str, Put] = {
            "boto3: put_object": lambda number: run(by_boto3, number),
            "the sink, the store knows": await sink("aws", "native"),
            "the sink, the store is unknown": await sink("custom", "native"),
            "the sink by boto3, the store knows": await sink("aws", "boto3"),
        }
        if find_spec("obstore"):
            ways["obstore"] = obstore_put(target, file, run)
        costs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, put in ways.items():
                await cost(put, 32, 8)
                costs[way].append((await cost(put, count, 1), await cost(put, count, 8)))
    for way, rounds in costs.items():
        one, eight = (min(each) for each in zip(*rounds, strict=True))
        print(f"  {way:<36} {one:>6.2f} {eight:>6.2f}")
    executor.shutdown()


def obstore_put(target: Target, file: Path, run: Callable[..., Awaitable[Any]]) -> Put:
    import obstore  # type: ignore[import-not-found, unused-ignore] # only where someone put it
    from obstore.store import (  # type: ignore[import-not-found, unused-ignore] # likewise
        S3Store,
    )

    store = S3Store(
        "bench",
        endpoint=target.endpoint,
        region="us-east-1",
        access_key_id=KEYS["access_key"],
        secret_access_key=KEYS["secret_key"],
        client_options={"allow_http": True, "allow_invalid_certificates": True},
    )

    async def put(number: int) -> None:
        content = await run(file.read_bytes)
        await obstore.put_async(store, f"{number}.png", content, use_multipart=False)

    return put


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "file")
        file.write_bytes(os.urandom(SIZE))
        Path(place, "store").mkdir()
        make_certificates(Path(".cache/bench"), Path(place, "store"))
        with null_storage(Path(place, "store"), (0,)) as storage:
            for tls in (False, True):
                print(f"{'TLS' if tls else 'http'}: CPU ms a put, one at once, eight at once")
                target = storage.target(Scenario(tls=tls, latency_ms=0))
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(measure(target, file, count))


if __name__ == "__main__":
    main()
