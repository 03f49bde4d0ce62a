"""Bringing spool and ledger together at start, before the first callback is taken.

Only what the ledger does not know is read, so a start is quick however much waits.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from sinkwell.delivery.plan import Planner
from sinkwell.intake.admission import Admission
from sinkwell.intake.durable import plan_deliveries
from sinkwell.intake.journal import Acceptance, Journal
from sinkwell.intake.manifest import DamagedFileError, Manifest, read_manifest
from sinkwell.intake.spool import Spool
from sinkwell.threads import Threads

_AT_ONCE = 500

log = structlog.get_logger()


class Register(Journal, Protocol):
    """The ledger, as the reconciliation sees it."""

    async def kept_files(self) -> dict[str, int]:
        """Return id and size of every file that should lie in the spool."""
        ...

    async def known_files(self, file_ids: list[str]) -> set[str]:
        """Return those of these files that the ledger knows, let go or not."""
        ...

    async def lose_file(self, file_id: str, reason: str) -> None:
        """Make visible that the spool's copy of a file is gone or damaged."""
        ...


@dataclass(slots=True)
class Reconciled:
    """What was found."""

    swept: int = 0
    """Files that were being written when the process before ended: removed."""
    adopted: int = 0
    """Complete files that the ledger did not know: recorded, and delivered as usual."""
    repeated: int = 0
    """Complete files whose callback the ledger knows by another file: removed."""
    let_go: int = 0
    """Files that the ledger had let go: removed."""
    quarantined: int = 0
    """Files that are not what they claim to be: set aside."""
    lost: int = 0
    """Files that the ledger knows and that are not there: their deliveries are rejected."""


async def reconcile(
    spool: Spool, ledger: Register, planner: Planner, admission: Admission, threads: Threads
) -> Reconciled:
    """Bring spool and ledger together. Raises ``OSError`` and ``LedgerUnavailableError``."""
    found = Reconciled(swept=await threads.run(spool.sweep))
    present = await threads.run(_names, spool)
    kept = await ledger.kept_files()
    async with asyncio.TaskGroup() as losing:
        for file_id in kept.keys() - present:
            losing.create_task(ledger.lose_file(file_id, "it is no longer in the spool"))
            found.lost += 1
    admission.used = sum(kept[file_id] for file_id in kept.keys() & present)
    strangers = sorted(present - kept.keys())
    unrecorded: list[Manifest] = []
    for group in (strangers[n : n + _AT_ONCE] for n in range(0, len(strangers), _AT_ONCE)):
        # A name that is none of ours may be no text at all, which no database takes.
        known = await ledger.known_files([name for name in group if name.isascii()])
        for file_id in known:
            await threads.run(spool.release, file_id)
        found.let_go += len(known)
        unknown = [file_id for file_id in group if file_id not in known]
        manifests = await threads.run(_read_all, spool, unknown)
        found.quarantined += len(unknown) - len(manifests)
        unrecorded += manifests
    for callbacks in _by_callback(unrecorded):
        await _adopt(callbacks, spool, ledger, planner, admission, found)
    if found != Reconciled():
        log.info(
            "spool and ledger were brought together",
            **{name: getattr(found, name) for name in Reconciled.__slots__},
        )
    return found


def _by_callback(manifests: list[Manifest]) -> Iterator[list[list[Manifest]]]:
    """Yield the files of each callback together, some hundred callbacks at a time.

    A callback is recorded whole: its second file, alone, would be taken for a repeat.
    """
    callbacks: dict[str, list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        callbacks[manifest.callback_id].append(manifest)
    whole = list(callbacks.values())
    for n in range(0, len(whole), _AT_ONCE):
        yield whole[n : n + _AT_ONCE]


async def _adopt(
    callbacks: Iterable[list[Manifest]],
    spool: Spool,
    ledger: Journal,
    planner: Planner,
    admission: Admission,
    found: Reconciled,
) -> None:
    async def adopt(manifests: list[Manifest]) -> None:
        first = manifests[0]
        recorded = await ledger.record_acceptance(
            Acceptance(
                callback_id=first.callback_id,
                source=first.source,
                provider_id=first.provider_id,
                provider_status=first.provider_status,
                deduplication_key=first.deduplication_key,
                received_at=first.received_at,
                files=tuple(
                    (manifest, plan_deliveries(planner, manifest)) for manifest in manifests
                ),
            )
        )
        for manifest in manifests:
            if recorded.duplicate:
                spool.release(manifest.file_id)
                found.repeated += 1
            else:
                admission.used += manifest.size
                found.adopted += 1

    async with asyncio.TaskGroup() as group:
        for manifests in callbacks:
            group.create_task(adopt(manifests))


def _names(spool: Spool) -> set[str]:
    return {path.name for path in spool.files.iterdir()}


def _read_all(spool: Spool, names: list[str]) -> list[Manifest]:
    """Read manifests, and set aside what has no good one."""
    manifests = []
    for name in names:
        path = spool.path(name)
        try:
            manifest = _read(path)
        except DamagedFileError as error:
            place = spool.quarantine(path)
            log.error("a spooled file was set aside", path=_shown(place), reason=str(error))
        else:
            manifests.append(manifest)
    return manifests


def _read(path: Path) -> Manifest:
    try:
        manifest = read_manifest(path)
    except OSError as error:
        raise DamagedFileError(f"it cannot be read: {error.strerror}") from error
    if manifest.file_id != path.name:
        raise DamagedFileError(f"inside it is named {manifest.file_id}")
    return manifest


def _shown(path: Path) -> str:
    """Return a path as text that any log takes: a stranger's name may hold any bytes."""
    return bytes(path).decode(errors="backslashreplace")
