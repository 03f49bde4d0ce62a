"""Whatever the key, and whoever swaps directories meanwhile: nothing lands outside the root."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_support import blob_of, idle_context, settings_for, stored
from naming_support import shows

from sinkwell.contract import Blob, IfPresent, RejectedError, SinkError, UnusableError
from sinkwell_local import containment
from sinkwell_local.containment import Opener, by_openat2, by_walk
from sinkwell_local.errors import sink_error
from sinkwell_local.store import Store

CONTEXT = idle_context()
OPENERS = pytest.mark.parametrize("opener", [by_openat2, by_walk])

SEGMENTS = st.one_of(
    st.sampled_from(
        ["..", ".", "", "a", "b", "link", "file", ".sinkwell", ".SINKWELL", "a\0b", "\\..\\"]
    ),
    st.sampled_from(["é" * 127, "é" * 128, "x" * 255, "x" * 256, "\u202e", "\ud800", "\r\n", "C:"]),
    st.text(max_size=5),
)
KEYS = st.one_of(st.lists(SEGMENTS, min_size=1, max_size=6).map("/".join), st.text(max_size=30))


@pytest.fixture(params=["/dev/shm"])
def tree(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A root and, beside it, what must stay as it is; on tmpfs, where fsync costs nothing."""
    with tempfile.TemporaryDirectory(dir=request.param) as name:
        tree = Path(name)
        (tree / "outside" / "b" / "c").mkdir(parents=True)
        (tree / "outside" / "file").write_bytes(b"precious")
        (tree / "root").mkdir()
        (tree / "root" / "link").symlink_to(tree / "outside")
        (tree / "root" / "file").symlink_to(tree / "outside" / "file")
        yield tree


def outside_of(tree: Path) -> dict[Path, bytes | None]:
    """All that is beside the root."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for beside in tree.iterdir()
        if beside.name != "root"
        for path in (beside, *beside.rglob("*"))
    }


def put(store: Store, blob: Blob, key: str, choice: IfPresent) -> SinkError | None:
    """Put, and return what the sink would raise."""
    try:
        store.put(blob, key, choice)
    except SinkError as error:
        return error
    except OSError as error:
        return sink_error(error, store.context.label("putting", key))
    return None


@shows(13)
@OPENERS
def test_any_key_is_refused_or_stored_strictly_below_the_root(opener: Opener, tree: Path) -> None:
    blob = blob_of(b"payload", tree / "blob")
    root = (tree / "root").resolve()
    Store.open(settings_for(root), CONTEXT)
    store = Store(settings_for(root), CONTEXT, opener)
    before = outside_of(tree)
    taken = 0

    @settings(max_examples=2_000, deadline=None)
    @given(KEYS, st.sampled_from(IfPresent))
    def attempt(key: str, choice: IfPresent) -> None:
        nonlocal taken
        error = put(store, blob, key, choice)
        assert outside_of(tree) == before
        if error is None:
            taken += 1
            path = Path(os.path.realpath(root / key))
            assert path.is_relative_to(root)
            assert path != root
            assert not path.is_relative_to(root / ".sinkwell")
            assert path.read_bytes() == b"payload"
        else:
            assert type(error) is RejectedError

    attempt()
    assert taken > 0


class Attacker:
    """Swaps directories for links to the outside and back, at most one at a time."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._link: Path | None = None

    def step(self, number: int) -> None:
        """Move a directory aside within the root and link its name, or remove that link."""
        with self._lock, suppress(OSError):  # a put was quicker, or has made nothing there yet
            if self._link:
                self._link.unlink()
                self._link = None
            else:
                path = self._tree / "root" / ["a", "a/b", "a/b/c"][number % 3]
                path.rename(self._tree / "root" / f"aside-{number}")
                path.symlink_to(self._tree / "outside")
                self._link = path


def race(store: Store, tree: Path, amount: int) -> list[SinkError | None]:
    """Put ``amount`` files in six threads, which attack before every second one."""
    attacker = Attacker(tree)

    def one(number: int) -> SinkError | None:
        if number % 2:
            attacker.step(number)
        key = f"a/b/c/{number}"
        blob = blob_of(key.encode(), tree / "spool" / str(number))
        return put(store, blob, key, list(IfPresent)[number % 3])

    (tree / "spool").mkdir()
    with ThreadPoolExecutor(6) as executor:
        outcomes = list(executor.map(one, range(amount)))
    shutil.rmtree(tree / "spool")
    return outcomes


@shows(13)
@OPENERS
@pytest.mark.parametrize(
    ("tree", "amount"),
    [
        ("/dev/shm", 10_000),
        (None, 500),  # where temporary files usually are: a real disk
        pytest.param("/dev/shm", 200_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
        pytest.param(None, 10_000, marks=pytest.mark.soak),
    ],
    indirect=["tree"],
)
def test_nothing_lands_outside_while_directories_are_swapped_for_links(
    opener: Opener, tree: Path, amount: int
) -> None:
    Store.open(settings_for(tree / "root"), CONTEXT)
    store = Store(settings_for(tree / "root"), CONTEXT, opener)
    before = outside_of(tree)

    outcomes = race(store, tree, amount)

    assert outside_of(tree) == before
    inside = set(stored(tree / "root").values())
    for number, outcome in enumerate(outcomes):
        if outcome is None:
            assert f"a/b/c/{number}".encode() in inside
        else:
            assert not isinstance(outcome, UnusableError), str(outcome)
    kinds = {type(outcome) for outcome in outcomes}
    assert kinds >= {type(None), RejectedError}, "nothing was swapped in time"
    assert list((tree / "root" / ".sinkwell").iterdir()) == []


def test_the_same_attack_succeeds_where_links_are_followed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it shows that the attack of the test above is one."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    monkeypatch.setattr(
        containment, "enter", lambda parent, name: os.open(name, flags, dir_fd=parent)
    )
    Store.open(settings_for(tree / "root"), CONTEXT)
    store = Store(settings_for(tree / "root"), CONTEXT, by_walk)
    before = outside_of(tree)

    race(store, tree, 1_000)

    assert outside_of(tree) != before
