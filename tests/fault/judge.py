"""The judgement of what became of the truth, once the faults have stopped.

I1 conservation: what was promised is in the sink, or visible as failed with its reason.
I2 integrity: the bytes in the sink are the client's.
I3 no ghosts: every object in the sink has an id that the client issued.
I4 uniqueness: one object, and one delivery, per id and sink.
I5 liveness: a fresh id is delivered within ten seconds.
I6 no leaks: spool and staging are empty; descriptors and memory are back where they were.
I7 explainable: the attempts on record tell how each delivery came to its state.
"""

import hashlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
from fault.oracle import Oracle, Truth
from instances import Instance

LIVE_WITHIN = 10.0
_PAGE = 1000
_SETTLES_WITHIN = 3.0
_MORE_DESCRIPTORS = 5
_MORE_MEMORY = 1.2
_STAGING = ".sinkwell"

Row = dict[str, Any]


@dataclass(slots=True)
class Evidence:
    """All that can be seen from outside."""

    stored: dict[str, str]
    """The objects in the sink: sha256 by key."""
    deliveries: list[Row]
    attempts: dict[str, list[Row]]
    """By delivery id."""
    failures: set[str]
    """The ids that are on record as failed by the provider."""
    leftovers: list[str]
    """Files in the spool and in the sink's staging directory."""

    @property
    def states(self) -> set[str]:
        """The states that deliveries are in."""
        return {row["state"] for row in self.deliveries}


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process takes of its machine."""

    descriptors: int
    memory: int
    """Resident, in bytes."""


def footprint(instance: Instance) -> Footprint:
    """Measure the running process."""
    assert instance.process is not None
    proc = Path(f"/proc/{instance.process.pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return Footprint(len(list((proc / "fd").iterdir())), pages * os.sysconf("SC_PAGESIZE"))


def judge(instance: Instance, oracle: Oracle, before: Footprint | None = None) -> Evidence:
    """Drain a running instance and hold it to I1-I7. Returns the evidence for further questions.

    ``before`` is the footprint of this same process at rest, where memory and descriptors are
    judged too.
    """
    instance.wait_drained()
    faults = [*_liveness(instance, oracle)]
    eventually(lambda: not leftovers(instance))
    if before is not None:  # before the judge's own reading, which takes memory too
        faults += _growth(before, instance)
    evidence = gather(instance)
    faults += find_faults(oracle.truth, evidence)
    assert not faults, _told(faults) + f"\nits log:\n{instance.log_text()}"
    return evidence


def gather(instance: Instance) -> Evidence:
    """Look at a running instance from outside."""
    with httpx.Client(base_url=f"{instance.url}/api/v1", timeout=30) as api:
        deliveries = list(_rows(api, "/deliveries"))
        return Evidence(
            stored=digests(instance),
            deliveries=deliveries,
            attempts={
                delivery["id"]: api.get(f"/deliveries/{delivery['id']}/attempts").json()
                for delivery in deliveries
            },
            failures=set(_failures(api)),
            leftovers=leftovers(instance),
        )


def digests(instance: Instance) -> dict[str, str]:
    """Return the sha256 of every object in the sink, by key."""
    return {
        key: hashlib.sha256((instance.root / key).read_bytes()).hexdigest()
        for key in _files_below(instance.root)
        if not key.startswith(f"{_STAGING}/")
    }


def leftovers(instance: Instance) -> list[str]:
    """Return what lies in the spool (quarantine apart) and in the sink's staging directory."""
    places = (
        instance.data_dir / "spool" / "files",
        instance.data_dir / "spool" / "tmp",
        instance.root / _STAGING,
    )
    return [f"{place}/{name}" for place in places for name in _files_below(place)]


def find_faults(truth: Truth, evidence: Evidence) -> list[str]:
    """Compare what is with what must be; an empty list is a clean record."""
    return [
        *(f"refused without cause: {refusal}" for refusal in truth.refused),
        *_conservation(truth, evidence),
        *_integrity(truth, evidence),
        *_ghosts(truth, evidence),
        *_uniqueness(evidence),
        *(f"I6 leak: {path} was left behind" for path in evidence.leftovers),
        *_explainability(evidence),
    ]


def _conservation(truth: Truth, evidence: Evidence) -> Iterator[str]:
    stored = {_id(key) for key in evidence.stored}
    failed: dict[str, str | None] = {
        row["token"]: row["error"]
        for row in evidence.deliveries
        if row["state"] in ("rejected", "exhausted", "cancelled")
    }
    for id_ in truth.promised:
        if truth.issued[id_] is None:
            if id_ not in evidence.failures:
                yield f"I1 loss: the provider's failure {id_} was answered 2xx and is not on record"
        elif id_ not in stored:
            if id_ not in failed:
                yield f"I1 loss: {id_} was answered 2xx and is neither stored nor visibly failed"
            elif not failed[id_]:
                yield f"I1 loss: {id_} is marked as failed, without a reason"


def _integrity(truth: Truth, evidence: Evidence) -> Iterator[str]:
    for key, sha256 in evidence.stored.items():
        if truth.issued.get(_id(key), sha256) != sha256:
            yield f"I2 corruption: the bytes under {key} are not those that were posted"


def _ghosts(truth: Truth, evidence: Evidence) -> Iterator[str]:
    for key in evidence.stored:
        if truth.issued.get(_id(key)) is None:
            yield f"I3 ghost: nobody posted a file for {key}"


def _uniqueness(evidence: Evidence) -> Iterator[str]:
    for id_, number in Counter(map(_id, evidence.stored)).items():
        if number > 1:
            yield f"I4 duplicate: {id_} is stored {number} times"
    counted = Counter((row["token"], row["sink"]) for row in evidence.deliveries)
    for (id_, sink), number in counted.items():
        if number > 1:
            yield f"I4 duplicate: {id_} has {number} deliveries to {sink}"


def _explainability(evidence: Evidence) -> Iterator[str]:
    recorded = {row["token"]: row["key"] for row in evidence.deliveries if row["state"] == "stored"}
    for key in evidence.stored:
        if recorded.get(_id(key)) != key:
            yield f"I7 unexplained: {key} is in the sink, and no delivery says so"
    for row in evidence.deliveries:
        attempts = evidence.attempts[row["id"]]
        name = f"the delivery of {row['token']}"
        outcomes = Counter(attempt["outcome"] for attempt in attempts)
        if outcomes["stored"] != (row["state"] == "stored"):
            yield f"I7 unexplained: {name} is {row['state']} after {dict(outcomes)}"
        # A sink that is unusable takes no attempt from its deliveries.
        if row["attempts"] != outcomes.total() - outcomes["unusable"]:
            yield f"I7 unexplained: {name} counts {row['attempts']} attempts: {dict(outcomes)}"


def _liveness(instance: Instance, oracle: Oracle) -> Iterator[str]:
    fresh = oracle.new_file_id()
    began = time.monotonic()
    oracle.insist(fresh)
    if not eventually(lambda: _delivered(instance, fresh), LIVE_WITHIN):
        yield f"I5 stall: {fresh}, fresh, was not delivered within {LIVE_WITHIN:g} s"
    elif time.monotonic() - began > LIVE_WITHIN:
        yield f"I5 stall: {fresh}, fresh, took {time.monotonic() - began:.1f} s"
    instance.wait_drained()


def _growth(before: Footprint, instance: Instance) -> Iterator[str]:
    if not eventually(
        lambda: footprint(instance).descriptors <= before.descriptors + _MORE_DESCRIPTORS
    ):
        now = footprint(instance).descriptors
        yield f"I6 leak: {now} descriptors are open; there were {before.descriptors}"
    now = footprint(instance).memory
    if now > before.memory * _MORE_MEMORY:
        yield f"I6 leak: {now / 1e6:.0f} MB of memory; there were {before.memory / 1e6:.0f}"


def _delivered(instance: Instance, id_: str) -> bool:
    rows = instance.ask(
        "GET", f"{instance.url}/api/v1/deliveries", params={"token": id_, "state": "stored"}
    ).json()
    return any((instance.root / row["key"]).is_file() for row in rows)


def eventually(holds: Callable[[], bool], within: float = _SETTLES_WITHIN) -> bool:
    until = time.monotonic() + within
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _rows(api: httpx.Client, path: str) -> Iterator[Row]:
    before: dict[str, str] = {}
    while True:
        rows = api.get(path, params={"limit": _PAGE, **before}).raise_for_status().json()
        yield from rows
        if len(rows) < _PAGE:
            return
        before = {"before": rows[-1]["id"]}


def _failures(api: httpx.Client) -> Iterator[str]:
    after = 0
    while rows := api.get("/events", params={"limit": _PAGE, "after": after}).json():
        for event in rows:
            if event["type"] == "callback.provider_failed":
                yield event["data"]["provider_id"]
        after = rows[-1]["position"]


def _files_below(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def _id(key: str) -> str:
    return PurePosixPath(key).stem


def _told(faults: list[str]) -> str:
    kinds: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        kinds[fault.partition(":")[0]].append(fault)
    shown = [
        f"{len(all_)} times {kind}, as\n  " + "\n  ".join(all_[:5]) for kind, all_ in kinds.items()
    ]
    return "\n".join(shown)
