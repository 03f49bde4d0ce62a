"""From intake to the workers: fresh deliveries start at once where a slot is free.

A delivery whose slot is held while its callback is recorded is born leased, so a file that
arrives at an idle sink costs one commit, not two.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager

from sinkwell.delivery.model import Lease, LeasedFile
from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.delivery.worker import SinkWorker

Planned = Iterable[tuple[LeasedFile, Iterable[PlannedDelivery]]]


class HandOver:
    """Slots that are held for deliveries about to be recorded."""

    def __init__(self, workers: Mapping[str, SinkWorker], planned: Planned) -> None:
        self.leases: dict[str, float] = {}
        """How long to lease each delivery that has a slot, by id, in seconds."""
        self._workers = workers
        self._held: list[tuple[SinkWorker, Lease]] = []
        self._sinks: set[str] = set()
        for file, deliveries in planned:
            for delivery in deliveries:
                self._reserve(file, delivery)

    def begin(self) -> None:
        """Attempt what has a slot, and let the workers claim the rest: all is recorded."""
        for worker, lease in self._held:
            worker.begin(lease)
        self._held = []
        for sink in self._sinks:
            self._workers[sink].wake()

    def cancel(self) -> None:
        """Give back the slots that ``begin`` has not used."""
        for worker, _ in self._held:
            worker.cancel()
        self._held = []

    def _reserve(self, file: LeasedFile, delivery: PlannedDelivery) -> None:
        worker = self._workers[delivery.sink]
        lease_for = worker.reserve()
        if lease_for is None:
            self._sinks.add(delivery.sink)
            return
        self.leases[delivery.id] = lease_for
        lease = Lease(
            delivery_id=delivery.id,
            sink=delivery.sink,
            key=delivery.key,
            epoch=1,
            attempts=0,
            interrupted=False,
            file=file,
        )
        self._held.append((worker, lease))


class Dispatch:
    """The workers of all sinks, as intake and the API see them."""

    def __init__(self, workers: Mapping[str, SinkWorker]) -> None:
        self._workers = workers

    @contextmanager
    def hand_over(self, planned: Planned) -> Generator[HandOver, None, None]:
        """Hold slots for deliveries while they are recorded; then call ``begin`` on the result."""
        over = HandOver(self._workers, planned)
        try:
            yield over
        finally:
            over.cancel()

    def troubles(self) -> dict[str, str | None]:
        """Say of each sink why it is paused, None where it works."""
        return {name: worker.health.trouble for name, worker in self._workers.items()}

    def wake(self, sink: str) -> None:
        """Have a sink's worker look for due deliveries now, if the sink is still configured."""
        if worker := self._workers.get(sink):
            worker.wake()
