"""What the tests of the local sink share: blobs at rest, and a sink with real threads."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar, cast

from sinkwell.contract import Blob, DeletableSink, ReadableSink, Sink, SinkContext
from sinkwell_local import LOCAL
from sinkwell_local.settings import LocalSettings

P = ParamSpec("P")
T = TypeVar("T")

PAYLOAD = b"payload" * 1000


def blob_of(payload: bytes, path: Path) -> Blob:
    """Lay ``payload`` down as the spool does: something else may follow it in the file."""
    path.write_bytes(payload + b"what follows the payload")
    return Blob(path, len(payload), hashlib.sha256(payload).hexdigest(), "image/png")


def settings_for(root: Path, **more: object) -> LocalSettings:
    return LocalSettings(type="local", root=str(root), **more)  # type: ignore[arg-type]  # free keys


def idle_context() -> SinkContext:
    """A context for a store that runs nothing in threads and remembers nothing."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("nothing is to run in a thread here")

    return SinkContext("mirror", refuse, Path("/nowhere"))


@asynccontextmanager
async def threads(count: int = 8) -> AsyncIterator[SinkContext]:
    """A context whose ``run_blocking`` has ``count`` real threads; they end with it."""
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(count)
    directory = tempfile.TemporaryDirectory()

    def run_blocking(
        function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        return loop.run_in_executor(executor, partial(function, *args, **kwargs))

    try:
        yield SinkContext("mirror", run_blocking, Path(directory.name))
    finally:
        directory.cleanup()
        executor.shutdown()


@asynccontextmanager
async def local_sink(root: Path, **more: object) -> AsyncIterator[Sink]:
    """An open sink named ``mirror``."""
    async with threads() as context:
        sink = await LOCAL.open(settings_for(root, **more), context)
        yield sink
        await sink.close()


def stored(root: Path) -> dict[str, bytes]:
    """Every file that stands under a key, by key."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".sinkwell" not in path.parts
    }


def aside(root: Path) -> list[str]:
    """The files that are on their way in, or were left so."""
    return [path.name for path in (root / ".sinkwell").iterdir()]


@contextmanager
def root_on(kind: str, tmp_path: Path) -> Iterator[Path]:
    """A root that is not there yet, on ``disk`` or on ``tmpfs``."""
    if kind == "disk":
        yield tmp_path / "root"
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory) / "root"


def bytes_of(blob: Blob) -> bytes:
    with blob.open() as file:
        return file.read()


def pieces(sink: Sink, key: str) -> AsyncGenerator[bytes, None]:
    return cast("AsyncGenerator[bytes, None]", cast("ReadableSink", sink).read(key))


async def read(sink: Sink, key: str) -> bytes:
    return b"".join([piece async for piece in pieces(sink, key)])


async def delete(sink: Sink, key: str) -> None:
    await cast("DeletableSink", sink).delete(key)


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def path_of(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())
