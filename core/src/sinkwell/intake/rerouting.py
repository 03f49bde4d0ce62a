"""Files that no route took when they came, looked at again with the routes of today.

Routes change with the settings, hence with a start: what was kept then finds its way by itself.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog

from sinkwell.delivery.plan import PlannedDelivery, Planner
from sinkwell.intake.durable import plan_deliveries
from sinkwell.intake.manifest import DamagedFileError, Manifest, read_manifest
from sinkwell.intake.spool import Spool
from sinkwell.threads import Threads

log = structlog.get_logger()


class RoutingRegister(Protocol):
    """The ledger, as this room sees it."""

    async def unrouted_files(self) -> Sequence[str]:
        """Return the ids of files in the spool that no route took."""
        ...

    async def record_routed(self, manifest: Manifest, planned: Sequence[PlannedDelivery]) -> None:
        """Write the deliveries of such a file and that it has some, at once."""
        ...


async def reroute(
    spool: Spool, ledger: RoutingRegister, planner: Planner, threads: Threads
) -> tuple[int, int]:
    """Plan deliveries of files that have none; return how many now have, and how many have not."""
    routed = kept = 0
    for file_id in await ledger.unrouted_files():
        try:
            manifest = await threads.run(read_manifest, spool.path(file_id))
        except (DamagedFileError, OSError) as error:
            log.error("a file that waits for a route is damaged", file=file_id, reason=str(error))
            continue
        if planned := plan_deliveries(planner, manifest):
            await ledger.record_routed(manifest, planned)
            routed += 1
        else:
            kept += 1
    if routed:
        log.info("kept files have found a route", files=routed)
    if kept:
        log.warning("files are kept that no route takes", files=kept, see="sinkwell routes explain")
    return routed, kept
