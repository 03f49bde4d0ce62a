"""What the GCS sink stores is what Google's own library finds, and costs no memory."""

import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT
from gcs_support import LARGE_FILE, SMALL_FILE, blob_in, opened
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage.client import Client
from object_servers import GcsServer

from sinkwell.contract import IfPresent


@pytest.mark.parametrize("size", [SMALL_FILE, LARGE_FILE])
async def test_the_library_finds_what_the_sink_put(
    fake_gcs: GcsServer, tmp_path: Path, size: int
) -> None:
    bucket = fake_gcs.make_bucket()
    section: dict[str, object] = {"bucket": bucket, "endpoint": fake_gcs.url, "anonymous": True}

    blob = blob_in(tmp_path, size, labels={"site": "example.com"})
    async with opened(section | {"resumable_above": 256 * 1024}) as sink:
        await sink.put(blob, "a b/ü.png", if_present=IfPresent.REFUSE)

    client = Client(
        project="test",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": fake_gcs.url},
    )
    found = client.bucket(bucket).get_blob("a b/ü.png")
    assert found.download_as_bytes(checksum="crc32c") == blob.path.read_bytes()
    assert (found.size, found.content_type) == (size, "image/png")
    assert found.metadata["sha256"] == blob.sha256
    assert found.metadata["label-site"] == "example.com"
    client.close()


def test_a_file_of_256_mb_takes_32_mb_of_memory_at_most() -> None:
    said = subprocess.run(
        [sys.executable, ROOT / "bench/gcs_put.py", "--large", "256000000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout

    assert said.startswith("memory for a file of 256000000 bytes: +"), said
    assert float(said.partition("+")[2].split()[0]) <= 32, said
