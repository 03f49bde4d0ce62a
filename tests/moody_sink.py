"""A plugin for tests: a sink whose mood is a file, so that a test can change it at any time.

The mood is one word: ``well``, ``hang`` (it never answers), ``block`` (its thread hangs),
``reject``, ``fail``, or ``broken`` (the sink itself does not work).
"""

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sinkwell.contract import (
    Blob,
    Finding,
    IfPresent,
    Policy,
    Receipt,
    RejectedError,
    Sink,
    SinkContext,
    SinkSettings,
    SinkType,
    Stat,
    TransientError,
    UnusableError,
    hookimpl,
)


class MoodySettings(SinkSettings, frozen=True, kw_only=True):
    """``root`` is where files go, ``mood`` the file that says how the sink feels."""

    root: str
    mood: str


class MoodySink(Sink):
    """Stores files, when it is well."""

    def __init__(self, settings: MoodySettings, context: SinkContext) -> None:
        self._root = Path(settings.root)
        self._mood = Path(settings.mood)
        self._run_blocking = context.run_blocking

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        match self._mood.read_text():
            case "hang":
                await asyncio.Event().wait()
            case "block":
                await self._run_blocking(threading.Event().wait)
            case "reject":
                raise RejectedError("it does not like this file")
            case "fail":
                raise TransientError("it is busy")
            case "broken":
                raise UnusableError("it is broken")
        with blob.open() as stream:
            content = stream.read()
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return Receipt(key, len(content), hashlib.sha256(content).hexdigest(), path.as_uri())

    async def stat(self, key: str) -> Stat | None:
        path = self._root / key
        return Stat(path.stat().st_size) if path.exists() else None

    async def check(self) -> Sequence[Finding]:
        if self._mood.read_text() == "broken":
            return [Finding("failed", "it is broken", "mend it")]
        return [Finding("ok", "it is well")]

    async def close(self) -> None:
        """Nothing is held."""


async def _open(settings: MoodySettings, context: SinkContext) -> Sink:
    return MoodySink(settings, context)


async def _examine(settings: MoodySettings, context: SinkContext) -> Sequence[Finding]:
    mood = Path(settings.mood).read_text()
    if mood == "hang":
        await asyncio.Event().wait()
    if mood == "fail":
        raise TransientError(f"sink {context.name!r}: it is busy")
    return [
        Finding("ok", f"keeps its notes in {context.directory}"),
        Finding("warning", "moods are not kept", "keep them"),
        Finding("not permitted", "how it slept", "ask it"),
        Finding("not offered", "smiles"),
        *([Finding("failed", "it is broken", "mend it")] if mood == "broken" else []),
    ]


def _policy(settings: MoodySettings) -> Policy:
    return Policy(f'{{"Write": "{settings.root}"}}', ["Write: to put files there"])


@hookimpl
def sinkwell_sinks() -> Iterable[SinkType[Any]]:
    """Return the one type."""
    return [
        SinkType(
            "moody",
            "Does as its mood is.",
            MoodySettings,
            _open,
            examine=_examine,
            policy=_policy,
        )
    ]


def install(directory: Path) -> str:
    """Make an installed distribution of this module; return the PYTHONPATH that it needs."""
    metadata = directory / "moody_sink-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: moody-sink\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[sinkwell]\nmoody = moody_sink\n")
    return f"{directory}:{Path(__file__).parent}"
