"""The notifier type ``command`` keeps the contract of notifiers, and its programs their limits."""

import asyncio
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sinkwell.contract import NotifierContext, TransientError, UnusableError
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.contract.settings import decode_custom
from sinkwell.notifiers.command import COMMAND, CommandSettings
from sinkwell.testing import (
    Arrival,
    NotifierContract,
    NotifierFault,
    NotifierFaults,
    NotOffered,
    Receiver,
)
from sinkwell.testing.notifiers.base import example

TAKES = "#!/bin/sh\nread -r event && printf '%s\\n' \"$event\" >> '{told}'\n"


def program(path: Path, text: str) -> Path:
    """Write a program at one stroke, as one that is being written cannot be run."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(stat.S_IRWXU)
    fresh.replace(path)
    return path


class ProgramReceiver(Receiver):
    def __init__(self, directory: Path) -> None:
        self.told = directory / "told"
        self.path = directory / "program"
        self._restore()

    def received(self) -> Sequence[Arrival]:
        lines = self.told.read_text().splitlines() if self.told.exists() else []
        return [Arrival(event["id"], event["type"]) for event in map(json.loads, lines)]

    def faults(self) -> NotifierFaults:
        return {
            NotifierFault.UNREACHABLE: NotOffered("a program is not connected to"),
            NotifierFault.BUSY: partial(self._being, "exit 75"),
            NotifierFault.REFUSED: partial(self._being, f"exit {os.EX_DATAERR}"),
            NotifierFault.FORBIDDEN: partial(self._being, f"exit {os.EX_NOPERM}"),
            NotifierFault.GONE: self._removed,
            NotifierFault.HANG: partial(self._being, "exec sleep 30"),
        }

    def _restore(self) -> None:
        program(self.path, TAKES.format(told=self.told))

    @contextmanager
    def _being(self, what: str) -> Iterator[None]:
        program(self.path, f"#!/bin/sh\n{what}\n")
        yield
        self._restore()

    @contextmanager
    def _removed(self) -> Iterator[None]:
        self.path.unlink()
        yield
        self._restore()


class TestCommand(NotifierContract):
    @pytest.fixture
    def notifier_type(self) -> AnyNotifierType:
        return COMMAND

    @pytest.fixture
    def receiver(self, tmp_path: Path) -> Receiver:
        return ProgramReceiver(tmp_path)

    @pytest.fixture
    def section(self, receiver: ProgramReceiver) -> dict[str, object]:
        return {"type": "command", "command": [str(receiver.path)], "enabled": True}


def settings(*command: str, **keys: Any) -> CommandSettings:
    section = {"type": "command", "command": command, "enabled": True, **keys}
    return msgspec.convert(section, CommandSettings, dec_hook=decode_custom)


async def tell(*command: str, **keys: Any) -> None:
    notifier = await COMMAND.open(settings(*command, **keys), NotifierContext("page"))
    await notifier.notify(example())


@pytest.mark.parametrize(
    ("keys", "said"),
    [({"enabled": False}, "off by default"), ({"command": []}, "absolute path"),
     ({"command": ["page"]}, "absolute path"), ({"memory": 0}, "memory")],
)  # fmt: skip
def test_it_is_off_by_default_and_names_its_program_whole(keys: Any, said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        settings(**{"command": ["/bin/true"], **keys})


async def test_a_program_sees_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "hunter2")
    seen = tmp_path / "seen"
    await tell(str(program(tmp_path / "p", f"#!/bin/sh\nenv > '{seen}'\n")))
    assert "hunter2" not in seen.read_text()
    assert "SINKWELL_EVENT_TYPE=file.finished" in seen.read_text()


async def test_what_a_program_says_is_told_when_it_fails(tmp_path: Path) -> None:
    text = "#!/bin/sh\nyes 'the pager is off' | head -c 1000000 >&2\nexit 3\n"
    with pytest.raises(TransientError, match="ended with exit code 3: the pager is off") as raised:
        await tell(str(program(tmp_path / "p", text)))
    assert len(str(raised.value)) < 400


async def test_a_program_and_all_that_it_started_end_with_the_call(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    text = f"#!/bin/sh\nsleep 60 & echo $! $$ > '{pids}'\nwait\n"
    telling = asyncio.create_task(tell(str(program(tmp_path / "p", text))))
    while not (pids.exists() and pids.read_text().strip()):  # noqa: ASYNC110 - a file tells
        await asyncio.sleep(0.01)
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
    await asyncio.sleep(0.1)
    for pid in pids.read_text().split():
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


async def test_memory_is_limited(tmp_path: Path) -> None:
    text = "#!/bin/sh\nsleep 0.2\nhead -c 300000000 /dev/zero | tail > /dev/null || exit 9\n"
    with pytest.raises(TransientError, match="exit code 9"):
        await tell(str(program(tmp_path / "p", text)), memory=100_000_000)


async def test_a_program_that_is_not_there_is_unusable() -> None:
    with pytest.raises(UnusableError, match="cannot be run: No such file"):
        await tell("/nowhere/page")
