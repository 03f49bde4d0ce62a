"""What a process leaves that is killed in the middle of its puts."""

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local_support import aside, blob_of, local_sink, stored

from sinkwell.contract import IfPresent

WRITER = """
import sys, threading
from pathlib import Path
from sinkwell.contract import Blob, IfPresent, SinkContext
from sinkwell_local.settings import LocalSettings
from sinkwell_local.store import Store

root, spool, seed, size = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
blobs = [Blob(path, size, path.name, "image/png") for path in spool.iterdir()]
context = SinkContext("mirror", run_blocking=None, directory=None)
store = Store.open(LocalSettings(type="local", root=str(root)), context)

def work(thread):
    choice = list(IfPresent)[thread % 3]
    for n in range(10**9):
        blob = blobs[(thread + n) % len(blobs)]
        store.put(blob, f"{seed}/{thread}/{n}/{blob.sha256}", choice)

threads = [threading.Thread(target=work, args=[n], daemon=True) for n in range(4)]
for thread in threads:
    thread.start()
print("putting", flush=True)
threads[0].join()
"""


def kill_a_writer(after: float, root: Path, spool: Path, seed: str, size: int) -> None:
    """Start a process that puts without end, and kill it ``after`` seconds."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(spool), seed, str(size)],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"putting\n"
        time.sleep(after)
        process.kill()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.soak)])
async def test_a_killed_process_leaves_no_partial_file_and_its_leftovers_are_swept(
    tmp_path: Path, kills: int
) -> None:
    root, spool = tmp_path / "root", tmp_path / "spool"
    spool.mkdir()
    size = 1_000_000
    chosen = random.Random(1)
    for _ in range(4):
        payload = chosen.randbytes(size)
        (spool / hashlib.sha256(payload).hexdigest()).write_bytes(payload)

    left = files = 0
    for kill in range(kills):
        kill_a_writer(chosen.uniform(0.02, 0.12), root, spool, str(kill), size)
        left += len(aside(root))
        for key, payload in stored(root / str(kill)).items():
            assert key.endswith(hashlib.sha256(payload).hexdigest()), f"{key} is partial"
            files += 1
        async with local_sink(root) as sink:
            assert aside(root) == []
            blob = blob_of(b"after", tmp_path / "after")
            await sink.put(blob, f"after/{kill}", if_present=IfPresent.REFUSE)
    assert left > 0, "no kill met a put: the test shows nothing"
    assert files > 0
