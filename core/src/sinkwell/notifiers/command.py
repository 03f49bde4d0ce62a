"""The notifier type ``command``: runs a program of the user's with the event on standard input."""

import asyncio
import os
import resource
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path

import msgspec

from sinkwell.contract import (
    Event,
    Notifier,
    NotifierContext,
    NotifierSettings,
    NotifierType,
    RejectedError,
    SinkError,
    Size,
    TransientError,
    UnusableError,
)

_LONGEST_SAID = 64 * 1024
_EXCERPT = 200
_OPEN_FILES = 256
# The exit codes of sysexits.h that say more than "not now".
_REJECTED = {os.EX_DATAERR, os.EX_USAGE}
_UNUSABLE = {os.EX_UNAVAILABLE, os.EX_NOPERM, os.EX_CONFIG}


class CommandSettings(NotifierSettings, frozen=True, kw_only=True):
    """The keys of the section, beside those that every notifier has."""

    command: tuple[str, ...]
    """The program, by its absolute path, and its arguments; no shell reads them."""
    enabled: bool = False
    """To be set to true: whoever can change these settings can then run any program."""
    memory: Size = Size(512 * 1024**2)
    """The most address space that it may have."""
    concurrency: int = 1
    """How many run at once, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.command or not Path(self.command[0]).is_absolute():
            raise ValueError("command must begin with the absolute path of a program")
        if any("\0" in word for word in self.command):
            raise ValueError("command must hold no NUL character")
        if not self.enabled:
            raise ValueError("enabled must be true: this type runs programs, and is off by default")
        if self.memory <= 0:
            raise ValueError("memory must be more than 0")


class CommandNotifier(Notifier):
    """Runs one program, once for each event."""

    def __init__(self, settings: CommandSettings, context: NotifierContext) -> None:
        self._settings = settings
        self._whom = f"notifier {context.name!r}: {Path(settings.command[0]).name}"

    async def notify(self, event: Event) -> None:
        """Run the program; exit code 0 means that it took the event."""
        process = await self._start(event)
        try:
            said = await _talk(process, msgspec.json.encode(event.as_dict()) + b"\n")
            code = await process.wait()
        finally:
            with suppress(ProcessLookupError):  # it and all that it started have ended
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if code:
            raise self._failure(code, said)

    async def close(self) -> None:
        """Nothing is held."""

    async def _start(self, event: Event) -> Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._settings.command,
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=PIPE,
                cwd="/",
                env=_environment(event),  # nothing of ours: it may hold secrets
                start_new_session=True,
            )
        except OSError as error:
            raise UnusableError(f"{self._whom} cannot be run: {error.strerror}") from error
        with suppress(ProcessLookupError):  # it was quick
            self._limit(process.pid)
        return process

    def _limit(self, pid: int) -> None:
        seconds = int(self._settings.timeout) + 1
        for limit, value in (
            (resource.RLIMIT_AS, int(self._settings.memory)),
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_NOFILE, _OPEN_FILES),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.prlimit(pid, limit, (value, value))

    def _failure(self, code: int, said: bytes) -> SinkError:
        text = "".join(
            each if each.isprintable() else " " for each in said.decode("utf-8", "replace")
        )
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        what = f"{self._whom} {how}" + (f": {text.strip()[:_EXCERPT]}" if text.strip() else "")
        if code in _REJECTED:
            return RejectedError(what)
        return UnusableError(what) if code in _UNUSABLE else TransientError(what)


def _environment(event: Event) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "SINKWELL_EVENT_ID": event.id,
        "SINKWELL_EVENT_TYPE": event.type,
    }


async def _talk(process: Process, told: bytes) -> bytes:
    """Give a program its input, and return the beginning of what it says of errors."""
    assert process.stdin is not None  # noqa: S101 - pipes, as asked for
    assert process.stderr is not None  # noqa: S101 - as above
    writing = asyncio.ensure_future(_give(process.stdin, told))
    said = b""
    try:
        while piece := await process.stderr.read(_LONGEST_SAID):
            said = (said + piece)[:_LONGEST_SAID]
        await writing
    finally:
        writing.cancel()
    return said


async def _give(stream: asyncio.StreamWriter, told: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it may end without reading
        stream.write(told)
        await stream.drain()
    stream.close()


async def _open(settings: CommandSettings, context: NotifierContext) -> Notifier:
    return CommandNotifier(settings, context)


COMMAND = NotifierType(
    name="command",
    summary="Runs a program with the event on standard input; off until it is enabled.",
    settings=CommandSettings,
    open=_open,
)
