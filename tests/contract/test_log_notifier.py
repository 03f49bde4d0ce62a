"""The notifier type ``log`` keeps the contract of notifiers."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.notifiers.log import LOG
from sinkwell.testing import (
    Arrival,
    NotifierContract,
    NotifierFault,
    NotifierFaults,
    NotOffered,
    Receiver,
)


class LogReader(Receiver):
    def __init__(self, entries: Sequence[MutableMapping[str, Any]]) -> None:
        self._entries = entries

    def received(self) -> Sequence[Arrival]:
        told = [entry for entry in self._entries if "event_id" in entry]
        return [Arrival(entry["event_id"], entry["event"]) for entry in told]

    def faults(self) -> NotifierFaults:
        return dict.fromkeys(NotifierFault, NotOffered("a process is never without its own log"))


class TestLog(NotifierContract):
    @pytest.fixture
    def notifier_type(self) -> AnyNotifierType:
        return LOG

    @pytest.fixture
    def section(self) -> dict[str, object]:
        return {"type": "log", "events": ["file.*"]}

    @pytest.fixture
    def receiver(self) -> Iterator[Receiver]:
        with capture_logs() as entries:
            yield LogReader(entries)
