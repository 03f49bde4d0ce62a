"""What becomes of spooled files once the ledger has spoken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sinkwell.clock import Clock
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.delivery.plan import Planner
from sinkwell.intake.admission import Admission
from sinkwell.intake.journal import Acceptance, Notice, ProviderFailure, Recorded
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.manifest import Manifest
from sinkwell.intake.receive import Intake
from sinkwell.intake.spool import Spool, SpoolWriter
from sinkwell.threads import Threads

MANIFEST = Manifest(
    file_id="f1",
    callback_id="c1",
    source="shotbot",
    provider_id="token1",
    deduplication_key="token1",
    provider_status="OK",
    received_at=1764000000.0,
    size=0,
    sha256="",
    media_type="image/png",
    extension="png",
    name="shot.png",
    labels={},
)


class Journal:
    """A ledger that finds every callback to repeat the one it is given."""

    def __init__(self, standing: str) -> None:
        self._answer = Recorded(standing, duplicate=True)

    async def record_acceptance(self, _: Acceptance) -> Recorded:
        return self._answer

    async def record_failure(self, _: ProviderFailure) -> Recorded:
        return self._answer

    async def record_notice(self, _: Notice) -> Recorded:
        return self._answer


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.close()


@pytest.mark.parametrize(
    ("standing", "stays"),
    [("c1", True), ("c0", False)],
    ids=["itself, by a commit that failed and stands", "an earlier callback"],
)
async def test_only_the_file_of_another_callbacks_repeat_is_removed(
    spool: Spool, standing: str, *, stays: bool
) -> None:
    manifest = SpoolWriter(spool, "f1").finish([b"bytes"], MANIFEST)
    threads = Threads("spool", 1)
    intake = Intake(
        spool=spool,
        admission=Admission(spool, max_size=None, reserve=0, threads=threads),
        limits=IntakeLimits(),
        planner=Planner([], {}, {}),
        journal=Journal(standing),
        clock=Clock(),
        threads=threads,
        dispatch=Dispatch({}),
        wake_fetcher=lambda _: None,
    )
    acceptance = Acceptance("c1", "shotbot", "token1", "OK", "token1", 0.0, ((manifest, ()),))

    await intake._record(acceptance)

    assert spool.path("f1").exists() is stays
    threads.close()
