"""What a put alone costs: the S3 sink beside boto3's ``put_object``, in processes alike.

CPU time of all threads of a process that does nothing else, on files that it reads from disk, the
connections warm. The sink is given the files' digests, as intake has taken them.
``python -m bench.compare.put_alone COUNT IN_FLIGHT DIRECTORY SETTINGS`` is the sink's process.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop
from bench.compare.environments import python_environment
from bench.compare.receivers import PINNED, Start, write_settings

from sinkwell.contract import Blob
from sinkwell.parts import sink_plan
from sinkwell.runtime import installed_plugins
from sinkwell.settings import load

FILES = 32
IN_FLIGHT = (1, 8)


@dataclass(frozen=True)
class PutCost:
    """Milliseconds of CPU a put."""

    boto3: float
    sinkwell: float

    @property
    def ratio(self) -> float:
        """Return the share of boto3's cost that the sink's is."""
        return self.sinkwell / self.boto3


def make_files(directory: Path, size: int) -> None:
    """Write the files that are put."""
    directory.mkdir()
    for number in range(FILES):
        (directory / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(size - 8))


def measure_puts(start: Start, files: Path, count: int, in_flight: int) -> PutCost:
    """Measure both, one after the other, each in a process of its own."""
    amounts = [str(count), str(in_flight), str(files)]
    python = python_environment(start.cache, "flask") / "python"
    boto3 = [str(python), str(PINNED / "put_object.py"), *amounts]
    settings = str(write_settings(start))
    sinkwell = [sys.executable, "-m", "bench.compare.put_alone", *amounts, settings]
    return PutCost(_printed(boto3, start), _printed(sinkwell, start))


def _printed(command: list[str], start: Start) -> float:
    root = Path(__file__).parents[2]
    env = {**os.environ, **start.env()}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env=env, cwd=root
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-1500:]}")
    return float(done.stdout)


async def _put_all(count: int, in_flight: int, directory: Path, config: Path) -> float:
    registry = installed_plugins()
    settings = load(
        registry,
        path=config,
        default_text=None,
        data_dir=None,
        host=None,
        port=None,
        environ=os.environ,
    )
    blobs = [_blob(file) for file in sorted(directory.iterdir())]
    async with AsyncExitStack() as stack:
        plan = sink_plan(settings, registry, "archive", stack)
        sink = await plan.open()
        stack.push_async_callback(sink.close)

        async def put_some(numbers: range) -> None:
            for number in numbers:
                blob = blobs[number % len(blobs)]
                await sink.put(blob, f"screenshots/{number}.png", if_present=plan.if_present)

        async def put_many(amount: int) -> None:
            async with asyncio.TaskGroup() as group:
                for first in range(in_flight):
                    group.create_task(put_some(range(first, amount, in_flight)))

        await put_many(4 * in_flight)
        began = time.process_time()
        await put_many(count)
        return 1000 * (time.process_time() - began) / count


def _blob(file: Path) -> Blob:
    content = file.read_bytes()
    return Blob(file, len(content), hashlib.sha256(content).hexdigest(), "image/png")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        amounts = int(sys.argv[1]), int(sys.argv[2])
        print(runner.run(_put_all(*amounts, Path(sys.argv[3]), Path(sys.argv[4]))))
