"""A spool file is whole or it is refused, whatever became of it."""

import os
import socket
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_support import descriptors

from sinkwell.intake.manifest import DamagedFileError, Manifest, encode_trailer, read_manifest

PAYLOAD = b"\x89PNG payload"
END = 64
"""Bytes of the end record."""


def manifest(**changed: Any) -> Manifest:
    given = {
        "file_id": "f018c0000000000000000000000001",
        "callback_id": "c018c0000000000000000000000001",
        "source": "shotbot",
        "provider_id": "token1",
        "deduplication_key": "token1",
        "provider_status": "OK",
        "received_at": 1764000000.25,
        "size": len(PAYLOAD),
        "sha256": "0" * 64,
        "media_type": "image/png",
        "extension": "png",
        "name": "shot.png",
        "labels": {"url": "https://example.com/"},
    }
    return Manifest(**{**given, **changed})


WHOLE = PAYLOAD + encode_trailer(manifest())


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    before = descriptors()
    yield tmp_path / "spooled"
    assert descriptors() == before, "a descriptor was left open"


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DamagedFileError) as raised:
        read_manifest(path)
    return str(raised.value)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(
    st.builds(
        manifest,
        provider_id=texts,
        deduplication_key=st.none() | texts,
        name=st.none() | texts,
        labels=st.dictionaries(texts, texts, max_size=3),
        received_at=st.floats(0, 1e10),
    )
)
def test_whatever_a_manifest_says_is_read_back(tmp_path_factory: Any, written: Manifest) -> None:
    path = tmp_path_factory.getbasetemp() / "read back"
    path.write_bytes(PAYLOAD + encode_trailer(written))
    assert read_manifest(path) == written


def test_an_empty_payload_has_a_manifest_too(path: Path) -> None:
    path.write_bytes(encode_trailer(manifest(size=0)))
    assert read_manifest(path).size == 0


def test_the_payload_is_rescued_with_nothing_but_head(path: Path) -> None:
    path.write_bytes(WHOLE)
    size = str(read_manifest(path).size)
    rescued = subprocess.run(["head", "-c", size, path], capture_output=True, check=True).stdout
    assert rescued == PAYLOAD


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    for length in range(len(WHOLE)):
        assert refused(path, WHOLE[:length]), f"{length} of {len(WHOLE)} bytes are taken"


def test_a_file_with_anything_behind_it_is_refused(path: Path) -> None:
    for more in (b"\0", b"\n", bytes(END), WHOLE):
        assert refused(path, WHOLE + more)


def test_a_file_that_lost_its_beginning_is_refused(path: Path) -> None:
    for start in range(1, len(WHOLE)):
        assert refused(path, WHOLE[start:]), f"it is taken without its first {start} bytes"


def test_one_flipped_bit_behind_the_payload_is_refused(path: Path) -> None:
    for at in range(len(PAYLOAD), len(WHOLE)):
        for bit in range(8):
            flipped = bytearray(WHOLE)
            flipped[at] ^= 1 << bit
            assert refused(path, bytes(flipped)), f"bit {bit} of byte {at} may be either"


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(tmp_path_factory: Any, content: bytes) -> None:
    assert refused(tmp_path_factory.getbasetemp() / "random", content)


def test_two_files_swapped_in_part_are_refused(path: Path) -> None:
    other = PAYLOAD + encode_trailer(manifest(file_id="f018c0000000000000000000000002"))
    for at in range(len(PAYLOAD), len(WHOLE)):
        mixed = WHOLE[:at] + other[at:]
        if mixed not in (WHOLE, other):
            assert refused(path, mixed), f"the two are taken joined at byte {at}"


def test_a_manifest_that_is_not_one_is_refused_though_its_digest_is_right(path: Path) -> None:
    for text in (b"", b"{}", b"[]", b"\xff", b'{"file_id": 1}', WHOLE[:9]):
        assert refused(path, _end_record(text, size=0))


def test_a_manifest_that_lies_about_the_size_is_refused(path: Path) -> None:
    text = msgspec.json.encode(manifest(size=len(PAYLOAD) + 1))
    assert "disagree" in refused(path, PAYLOAD + _end_record(text, size=len(PAYLOAD)))


def test_a_file_of_a_later_version_is_refused_by_name_of_the_version(path: Path) -> None:
    later = bytearray(WHOLE)
    later[-END + 8] = 2
    assert "version 2" in refused(path, bytes(later))


def test_a_huge_manifest_is_refused_unread(path: Path) -> None:
    end = bytearray(_end_record(b"", size=0))
    end[12:16] = (2**32 - 1).to_bytes(4, "little")
    path.write_bytes(b"")
    os.truncate(path, 2**32 - 1)
    with path.open("ab") as file:
        file.write(end)
    with pytest.raises(DamagedFileError, match="length"):
        read_manifest(path)


def test_what_is_no_file_is_refused_at_once(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    with pytest.raises(DamagedFileError, match="no regular file"):
        read_manifest(path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DamagedFileError, match="no regular file"):
        read_manifest(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="No such device"):
            read_manifest(tmp_path / "socket")


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(WHOLE)
    path.symlink_to(tmp_path / "whole")
    with pytest.raises(OSError, match="symbolic links"):
        read_manifest(path)


def _end_record(text: bytes, size: int) -> bytes:
    """Return what ``encode_trailer`` would for a manifest with this text."""
    whole = encode_trailer(manifest(size=size))
    encoded = msgspec.json.encode(manifest(size=size))
    digest = sha256(encoded).digest()
    end = whole[len(encoded) :]
    assert end.count(digest) == 1
    lengths = len(encoded).to_bytes(4, "little")
    return text + end.replace(digest, sha256(text).digest()).replace(
        lengths, len(text).to_bytes(4, "little"), 1
    )
