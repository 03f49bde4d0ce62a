"""The check of a local sink: a real put, and what else may soon go wrong."""

import hashlib
import os
import secrets
from collections.abc import Iterator

from sinkwell.contract import Blob, Finding, IfPresent, SinkError
from sinkwell_local import staging
from sinkwell_local.containment import STAGING, by_openat2
from sinkwell_local.errors import explain
from sinkwell_local.store import Opened, Store

_LITTLE = 1 << 30
"""Free bytes below which a check warns."""


def check(store: Store) -> list[Finding]:
    """Return a finding for everything tried; the first failure is the last finding."""
    findings = []
    try:
        with store.opened() as opened:
            for finding in _look(store, opened):
                findings.append(finding)  # noqa: PERF402 - those before a failure are kept
    except SinkError as error:
        findings.append(Finding("failed", str(error)))
    except OSError as error:
        findings.append(Finding("failed", explain(error, f"sink {store.context.name!r}: checking")))
    return findings


def _look(store: Store, opened: Opened) -> Iterator[Finding]:
    yield _space(store, opened)
    _try(store, opened)
    yield Finding("ok", f"{store.root}: a file was written, fsynced, read back and removed")
    if store.opener is by_openat2:
        yield Finding("ok", "containment: openat2, the kernel confines every path to the root")
    else:
        yield Finding("ok", "containment: name by name, as openat2 is not available here")
    yield Finding("ok", f"new files never overwrite others: {store.published_by}")


def _space(store: Store, opened: Opened) -> Finding:
    disk = os.fstatvfs(opened.root)
    free = disk.f_bavail * disk.f_frsize
    what = f"{store.root}: {free / 1e9:.1f} GB free"
    if free < _LITTLE:
        return Finding("warning", what, "Free some space, or move the root to a larger disk.")
    return Finding("ok", what)


def _try(store: Store, opened: Opened) -> None:
    key = f"sinkwell-check-{secrets.token_hex(8)}"
    payload = secrets.token_bytes(4096)
    with staging.aside(opened.staging) as source:
        staging.write(source.fd, payload)
        path = store.root / os.fsdecode(STAGING) / os.fsdecode(source.name)
        digest = hashlib.sha256(payload).hexdigest()
        blob = Blob(path, len(payload), digest, "application/octet-stream")
        try:
            store.put(blob, key, IfPresent.REFUSE)
            # Keeping what is there compares it, byte for byte, with what was put.
            store.put(blob, key, IfPresent.KEEP_IF_SAME)
        finally:
            store.delete(key)
