"""What the kit does not ask: logins, servers that can do less, connections that break."""

import asyncio
import hashlib
import json
import os
import re
import socket
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import asyncssh
import msgspec
import pytest
from sftp_place import PASSPHRASE, STAGING, Server, SftpDestination, section_of

from sinkwell.contract import (
    Blob,
    Finding,
    IfPresent,
    RejectedError,
    Secret,
    Sink,
    SinkContext,
    SinkError,
    SinkSettings,
    TransientError,
    UnusableError,
)
from sinkwell_sftp import SFTP
from sinkwell_sftp.settings import SftpSettings

P = ParamSpec("P")
T = TypeVar("T")
Opener = Callable[..., AbstractAsyncContextManager[Sink]]
KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE


def settings_of(section: dict[str, object]) -> SftpSettings:
    return msgspec.convert(section, SftpSettings, dec_hook=lambda kind, value: kind(value))


@pytest.fixture
def section(server: Server, disk: Path) -> Iterator[dict[str, object]]:
    server.run_with("")
    yield section_of(server, disk / "root")
    server.run_with("")


@pytest.fixture
def destination(server: Server, disk: Path) -> SftpDestination:
    return SftpDestination(disk / "root", server)


@pytest.fixture
def opened(section: dict[str, object]) -> Opener:
    """Open a sink with other keys in its section; None takes one away."""

    @asynccontextmanager
    async def opened(**changes: object) -> AsyncIterator[Sink]:
        changed = {key: value for key, value in (section | changes).items() if value is not None}
        with ThreadPoolExecutor(4) as executor:

            def run_blocking(
                work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
            ) -> Awaitable[T]:
                return asyncio.wrap_future(executor.submit(work, *args, **kwargs))

            sink = await SFTP.open(
                settings_of(changed), SinkContext("archive", run_blocking, Path())
            )
            try:
                yield sink
            finally:
                await sink.close()

    return opened


@pytest.fixture
def blob_of(tmp_path: Path) -> Callable[[bytes], Blob]:
    def blob_of(payload: bytes) -> Blob:
        digest = hashlib.sha256(payload).hexdigest()
        path = tmp_path / digest
        path.write_bytes(payload)
        return Blob(path, len(payload), digest, "image/png")

    return blob_of


async def refused(opened: Opener, **changes: object) -> str:
    """Return why a sink with these keys cannot be opened."""
    with pytest.raises(UnusableError) as refusal:
        async with opened(**changes):
            pytest.fail("it was opened")
    return str(refusal.value)


class TestLogin:
    async def test_a_private_key_with_its_passphrase_lets_in(
        self, opened: Opener, server: Server
    ) -> None:
        key = {"private_key": server.private_key, "passphrase": PASSPHRASE, "password": None}
        async with opened(**key) as sink:
            assert await sink.stat("nothing") is None

    async def test_a_known_hosts_file_is_enough_to_know_the_server(
        self, opened: Opener, server: Server, tmp_path: Path
    ) -> None:
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
        async with opened(host_keys=[], known_hosts=str(known)) as sink:
            assert await sink.stat("nothing") is None

    async def test_a_server_with_another_key_is_told_nothing(self, opened: Opener) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        said = await refused(opened, host_keys=[other.strip()])
        assert "sink 'archive'" in said
        assert "not trusted" in said
        assert "known_hosts or host_keys" in said

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"password": "wrong"}, "check user, password and private_key"),
            ({"private_key": "nonsense"}, "private_key cannot be used"),
            ({"known_hosts": "/nowhere", "host_keys": []}, "ssh-keyscan"),
            ({"host": "nowhere.invalid"}, "check host"),
            ({"port": 1}, "Connection refused"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_what_cannot_work_says_what_to_do(
        self, opened: Opener, changes: dict[str, object], says: str
    ) -> None:
        said = await refused(opened, **changes)
        assert says in said
        assert "wrong" not in said
        assert "nonsense" not in said

    async def test_a_wrong_passphrase_is_told_without_the_key(
        self, opened: Opener, server: Server
    ) -> None:
        key = {"private_key": server.private_key, "passphrase": "wrong", "password": None}
        said = await refused(opened, **key)
        assert "check that file, and passphrase" in said
        assert server.private_key[40:80] not in said

    async def test_a_password_that_was_changed_pauses_the_sink_until_it_is_right(
        self, opened: Opener, server: Server, blob_of: Callable[[bytes], Blob]
    ) -> None:
        blob = blob_of(b"x")
        async with opened() as sink:
            with server.within("locked"):
                await settled(sink)
                with pytest.raises(UnusableError, match="check user, password"):
                    await sink.put(blob, "key", if_present=KEEP)
            await sink.put(blob, "key", if_present=KEEP)


async def settled(sink: Sink) -> None:
    """Wait until the sink noticed that its connection has gone."""
    for _ in range(10):
        try:
            await sink.stat("key")
        except SinkError:
            return
        await asyncio.sleep(0.05)


class TestLesserServers:
    """OpenSSH's server, told not to offer what others lack."""

    async def test_without_links_a_new_file_still_never_overwrites(
        self,
        opened: Opener,
        server: Server,
        blob_of: Callable[[bytes], Blob],
        destination: SftpDestination,
    ) -> None:
        server.run_with("-P hardlink")
        first, second = blob_of(b"first"), blob_of(b"second")
        async with opened() as sink:
            await sink.put(first, "a/b", if_present=REFUSE)
            await sink.put(first, "a/b", if_present=KEEP)
            for choice in (KEEP, REFUSE):
                with pytest.raises(RejectedError):
                    await sink.put(second, "a/b", if_present=choice)
            warning = only(await sink.check(), "warning")
        assert "rename" in warning.what
        assert "hardlink@openssh.com" in warning.advice
        assert destination.read("a/b") == b"first"
        assert destination.leftovers() == []

    async def test_without_posix_rename_nothing_is_replaced_and_the_sink_says_so(
        self,
        opened: Opener,
        server: Server,
        blob_of: Callable[[bytes], Blob],
        destination: SftpDestination,
    ) -> None:
        server.run_with("-P posix-rename")
        async with opened(if_present="replace") as sink:
            await sink.put(blob_of(b"first"), "key", if_present=REPLACE)
            with pytest.raises(UnusableError, match="set if_present"):
                await sink.put(blob_of(b"second"), "key", if_present=REPLACE)
            assert "set if_present" in only(await sink.check(), "failed").what
        assert destination.read("key") == b"first"
        assert destination.leftovers() == []

    async def test_without_fsync_files_are_taken_and_check_warns(
        self, opened: Opener, server: Server, blob_of: Callable[[bytes], Blob]
    ) -> None:
        server.run_with("-P fsync")
        async with opened() as sink:
            receipt = await sink.put(blob_of(b"x"), "key", if_present=KEEP)
            assert receipt.size == 1
            assert "fsync@openssh.com" in only(await sink.check(), "warning").advice

    async def test_a_server_that_only_reads_is_unusable(
        self, opened: Opener, server: Server, blob_of: Callable[[bytes], Blob]
    ) -> None:
        async with opened():
            pass  # makes the directories
        server.run_with("-R")
        async with opened() as sink:
            with pytest.raises(UnusableError, match="right to write"):
                await sink.put(blob_of(b"x"), "key", if_present=KEEP)


def only(findings: object, level: str) -> Finding:
    assert isinstance(findings, list)
    (finding,) = [each for each in findings if each.level == level]
    assert isinstance(finding, Finding)
    return finding


class TestConnections:
    async def test_a_connection_that_broke_is_made_again(
        self, opened: Opener, server: Server, blob_of: Callable[[bytes], Blob]
    ) -> None:
        async with opened(connections=1) as sink:
            await sink.put(blob_of(b"one"), "one", if_present=KEEP)
            with server.within("unreachable"), pytest.raises(TransientError):
                await sink.put(blob_of(b"two"), "two", if_present=KEEP)
            await sink.put(blob_of(b"two"), "two", if_present=KEEP)
            assert await sink.stat("one") is not None

    async def test_an_sftp_server_that_was_killed_is_started_again(
        self, opened: Opener, server: Server, blob_of: Callable[[bytes], Blob]
    ) -> None:
        blob = blob_of(b"one")
        async with opened(connections=1) as sink:
            await sink.put(blob, "one", if_present=KEEP)
            with server.within("killed"):
                await settled(sink)
                await sink.put(blob, "two", if_present=KEEP)

    async def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_was_set(
        self, opened: Opener
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began = time.monotonic()
            said = await refused(opened, port=silent.getsockname()[1], connect_timeout=0.3)
        assert "no answer in time" in said
        assert time.monotonic() - began < 5

    async def test_no_more_connections_are_made_than_were_allowed(
        self, opened: Opener, server: Server, blob_of: Callable[[bytes], Blob]
    ) -> None:
        async with opened(connections=2) as sink:
            puts = [sink.put(blob_of(b"%d" % n), f"many/{n}", if_present=KEEP) for n in range(16)]
            await asyncio.gather(*puts)
            assert server.connections() == 2
        async with opened(connections=2) as sink:
            for n in range(4):
                await sink.put(blob_of(b"%d" % n), f"many/{n}", if_present=KEEP)
            assert server.connections() == 1


class TestPlace:
    async def test_files_and_directories_have_the_modes_of_the_settings(
        self, opened: Opener, blob_of: Callable[[bytes], Blob], destination: SftpDestination
    ) -> None:
        async with opened() as sink:
            await sink.put(blob_of(b"x"), "a/b", if_present=KEEP)
        async with opened(file_mode="0640", directory_mode="0750") as sink:
            await sink.put(blob_of(b"x"), "c/d", if_present=KEEP)
        found = {name: oct(mode_of(destination.root / name)) for name in ("a", "a/b", "c", "c/d")}
        assert found == {"a": "0o700", "a/b": "0o600", "c": "0o750", "c/d": "0o640"}

    async def test_what_a_killed_process_left_is_swept_after_a_day_and_not_before(
        self, opened: Opener, destination: SftpDestination
    ) -> None:
        async with opened():
            pass  # makes the directories
        for name, age in (("new", 3600), ("old", 25 * 3600)):
            path = destination.root / STAGING / name
            path.write_bytes(b"half a file")
            os.utime(path, (time.time() - age,) * 2)
        async with opened():
            assert destination.leftovers() == [f"{STAGING}/new"]

    async def test_a_root_relative_to_the_login_is_found_again_in_the_location(
        self, opened: Opener, blob_of: Callable[[bytes], Blob], destination: SftpDestination
    ) -> None:
        relative = os.path.relpath(destination.root, Path.cwd())
        async with opened(root=relative) as sink:
            receipt = await sink.put(blob_of(b"x"), "a b", if_present=KEEP)
        assert receipt.location.endswith(f"{destination.root}/a%20b")
        assert destination.read("a b") == b"x"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


COMMON = set(SinkSettings.__struct_fields__)
RIGHT: dict[str, object] = {
    "type": "sftp",
    "host": "files.example.com",
    "user": "captures",
    "password": "a-password",
    "known_hosts": "known_hosts",
    "root": "captures",
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"host": ""}, "host must not be empty"),
        ({"user": ""}, "user must not be empty"),
        ({"root": ""}, "root must not be empty"),
        ({"port": 0}, "port must be from 1 to 65535"),
        ({"port": 65536}, "port must be from 1 to 65535"),
        ({"password": None}, "password or private_key is needed"),
        ({"known_hosts": ""}, "'ssh-keyscan -p 22 files.example.com' prints its keys"),
        ({"host_keys": ["SHA256:abc"]}, "host_keys: 'SHA256:abc' is no key"),
        ({"connect_timeout": 0}, "connect_timeout must be more than 0"),
        ({"connections": 0}, "connections must be from 1 to 64"),
        ({"file_mode": "rw-------"}, 'file_mode must be octal digits such as "0640"'),
        ({"directory_mode": "9"}, "directory_mode must be octal digits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], says: str) -> None:
    settings_of(RIGHT)
    section = {key: value for key, value in (RIGHT | changes).items() if value is not None}
    with pytest.raises(msgspec.ValidationError, match=says):
        settings_of(section)


def test_secrets_do_not_show_in_the_settings() -> None:
    settings = settings_of(RIGHT | {"private_key": "the-key", "passphrase": "the-phrase"})
    assert isinstance(settings.password, Secret)
    assert not any(word in repr(settings) for word in ("a-password", "the-key", "the-phrase"))


README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_readme_tells_of_every_setting_with_its_default() -> None:
    rows = [line.split("|")[1:3] for line in README.splitlines() if line.startswith("| `")]
    told = {key.strip(" `"): default.strip(" `") for key, default in rows}
    for field in msgspec.structs.fields(SftpSettings):
        if field.name in COMMON:
            continue
        if field.required or not field.default:
            assert told[field.name] == "", field.name
        else:
            default = [] if field.default is msgspec.NODEFAULT else field.default
            assert json.loads(told[field.name]) == default, field.name


def test_the_section_of_the_readme_is_taken() -> None:
    example = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert example
    (section,) = tomllib.loads(example[1])["sinks"].values()
    assert settings_of(section).user == "captures"
