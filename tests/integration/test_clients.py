"""The clients that providers call with: each makes its own boundary, order, quoting, chunks."""

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
import requests
from instances import SECRET, Instance
from intake_support import ask, running, within
from programs import need

from sinkwell.samples import png, sized

PACKAGES = {"node": "nodejs", "php": "php-cli php-curl"}
CLIENTS = Path(__file__).parents[1] / "clients"
SETTINGS = """
[sources.raw]
type = "webhook"
secrets = ["env:SHOTBOT_SECRET"]
transport = "raw"
id = "header:X-Id"
authentication = { scheme = "bearer" }
"""
CONTENT = sized(png("from a client"), 700_001)
"""More than one buffer of any of them, and no round number."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    settings = f'key = "{{source}}/{{id}}.{{ext}}"\n{SETTINGS}'
    with running(tmp_path_factory.mktemp("gateway"), settings) as instance:
        yield instance


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "shot.png"
    path.write_bytes(CONTENT)
    return path


def program(name: str, *arguments: str) -> str:
    need(name, PACKAGES.get(name))
    done = subprocess.run(
        [name, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FIELDS = {"status": "OK", "format": "png"}


def by_php(url: str, token: str, file: Path, kind: str) -> str:
    return program("php", str(CLIENTS / f"{kind}.php"), url, SECRET, token, str(file))


def by_node(url: str, token: str, file: Path, kind: str) -> str:
    return program("node", str(CLIENTS / f"{kind}.mjs"), url, SECRET, token, str(file))


def by_requests(url: str, token: str, file: Path, kind: str) -> str:
    with file.open("rb") as stream:
        if kind == "multipart":
            fields = {**FIELDS, "callback_secret": SECRET, "token": token}
            name = "r\u00e9sum\u00e9.png"
            answer = requests.post(url, data=fields, files={"file": (name, stream)}, timeout=30)
        else:
            headers = {"Authorization": f"Bearer {SECRET}", "X-Id": token}
            pieces = iter(lambda: stream.read(5000), b"")
            answer = requests.post(url, data=pieces, headers=headers, timeout=30)
    return f"{answer.status_code} {answer.text}"


def by_aiohttp(url: str, token: str, file: Path, kind: str) -> str:
    import asyncio

    async def pieces() -> AsyncIterator[bytes]:
        with file.open("rb") as stream:
            while piece := stream.read(9999):
                yield piece

    async def send() -> str:
        headers = {}
        if kind == "multipart":
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("file", file.read_bytes(), filename="shot;1.png")
            for name, value in {**FIELDS, "token": token, "callback_secret": SECRET}.items():
                form.add_field(name, value, content_type="text/plain; charset=utf-8")
            data: object = form
        else:
            headers = {"Authorization": f"Bearer {SECRET}", "X-Id": token}
            data = pieces()
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=data, headers=headers) as answer,
        ):
            return f"{answer.status} {await answer.text()}"

    return asyncio.run(send())


def by_curl(url: str, token: str, file: Path, kind: str) -> str:
    if kind == "multipart":
        fields = {**FIELDS, "callback_secret": SECRET, "token": token}
        sent = [f"-F{name}={value}" for name, value in fields.items()]
        sent.append(f"-Ffile=@{file};type=image/png")
    else:
        sent = ["-XPOST", f"-T{file}", f"-HX-Id: {token}"]
        sent += [f"-HAuthorization: Bearer {SECRET}", "-HTransfer-Encoding: chunked"]
    return program("curl", "--silent", "--write-out", "%{http_code}", *sent, url)


def by_wget(url: str, token: str, file: Path, kind: str) -> str:
    """It makes no forms of its own, so people write them into a file."""
    if kind == "multipart":
        boundary = "wget-0123456789"
        fields = {**FIELDS, "callback_secret": SECRET, "token": token}
        lines = [
            f"--{boundary}\r\ncontent-disposition: form-data; name={name}\r\n\r\n{value}\r\n"
            for name, value in fields.items()
        ]
        lines.append(f"--{boundary}\r\nContent-Disposition: form-data; name=file; filename=a.png")
        form = file.with_name(f"{token}.form")
        end = f"\r\n--{boundary}--\r\n".encode()
        form.write_bytes("".join(lines).encode() + b"\r\n\r\n" + file.read_bytes() + end)
        sent = [f"--post-file={form}"]
        sent += [f"--header=Content-Type: multipart/form-data; boundary={boundary}"]
    else:
        sent = [f"--post-file={file}", f"--header=X-Id: {token}"]
        sent += [f"--header=Authorization: Bearer {SECRET}"]
    return "200 " + program("wget", "--quiet", "--output-document=-", *sent, url)


Client = Callable[[str, str, Path, str], str]


@pytest.mark.parametrize("client", [by_php, by_node, by_requests, by_aiohttp, by_curl, by_wget])
@pytest.mark.parametrize(("source", "kind"), [("shotbot", "multipart"), ("raw", "raw")])
def test_what_a_client_sends_is_stored_byte_by_byte(
    gateway: Instance, picture: Path, client: Client, source: str, kind: str
) -> None:
    token = f"{kind}{client.__name__.replace('_', '')}"

    answer = client(f"{gateway.url}/callbacks/{source}", token, picture, kind)

    assert "200" in answer, answer
    assert "callback_id" in answer

    def stored() -> bytes | None:
        return gateway.stored().get(f"{source}/{token}.png")

    assert within(10, lambda: stored() == CONTENT), ask(gateway, "files", token=token)
