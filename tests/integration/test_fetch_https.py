"""Files are fetched over HTTPS from hosts whose certificates an authority of one's own made."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from instances import Instance
from intake_support import ask, running, within
from link_server import LinkServer, answer, link_server

from sinkwell.samples import png

SETTINGS = """
[server]
port = {port}

[sources.own]
type = "webhook"
transport = "json"
file = "file"
id = "id"
authentication = {{ scheme = "none" }}
fetch.allow_hosts = ["localhost", "127.0.0.1"]
fetch.allow_networks = ["127.0.0.0/8", "::1/128"]
fetch.ca_bundle = "{root}.pem"

[sources.plain]
type = "webhook"
transport = "json"
file = "file"
id = "id"
authentication = {{ scheme = "none" }}
fetch.allow_hosts = ["localhost"]
fetch.allow_networks = ["127.0.0.0/8", "::1/128"]

[sinks.local]
type = "local"
root = "{root}"

[retry]
attempts = 2
base = "100ms"
"""
PICTURE = png("over https")


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return what a server shows for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
    made.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Instance]:
    directory = tmp_path_factory.mktemp("https")
    authority.cert_pem.write_to_path(str(directory / "stored.pem"))
    with running(directory, settings=SETTINGS) as instance:
        yield instance


@pytest.fixture(scope="module")
def links(authority: trustme.CA) -> Iterator[LinkServer]:
    """Return a server whose certificate is for ``localhost`` alone."""
    with link_server(tls=certified(authority, "localhost")) as server:
        yield server


def call(gateway: Instance, name: str, url: str, source: str = "own") -> None:
    body = msgspec.json.encode({"id": name, "file": url})
    sent = gateway.ask("POST", f"{gateway.url}/callbacks/{source}", content=body)
    assert sent.status_code == 200, sent.text


def file_of(gateway: Instance, name: str) -> dict[str, Any]:
    (found,) = ask(gateway, "files", token=name)
    return dict(found)


def test_a_file_comes_from_a_host_of_an_own_authority(gateway: Instance, links: LinkServer) -> None:
    url = links.serve("/shot", answer(PICTURE)).replace("127.0.0.1", "localhost")

    call(gateway, "trusted", url)

    assert within(20, lambda: PICTURE in gateway.stored().values()), gateway.log_text()
    assert file_of(gateway, "trusted")["state"] == "finished"


@pytest.mark.parametrize(
    ("name", "source", "host", "told"),
    [
        ("foreign", "plain", "localhost", "unable to get local issuer certificate"),
        ("mismatch", "own", "127.0.0.1", "IP address mismatch"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told_of_and_tried_again(
    gateway: Instance, links: LinkServer, name: str, source: str, host: str, told: str
) -> None:
    url = links.serve(f"/{name}", answer(PICTURE)).replace("127.0.0.1", host)

    call(gateway, name, f"{url}?secret=very-secret", source)

    assert within(20, lambda: file_of(gateway, name)["state"] == "failed"), gateway.log_text()
    file = file_of(gateway, name)
    assert file["error"].startswith(f"the certificate of {host} is not trusted: ")
    assert told in file["error"]
    assert file["error"].endswith("if it is of an authority of your own, name that in ca_bundle")
    tries = [each["outcome"] for each in ask(gateway, f"files/{file['id']}/attempts")]
    assert tries == ["transient", "transient"], "a certificate can be put right"
    assert links.times_asked(f"/{name}") == 0, "nothing is sent to whom nobody vouches for"
    assert "very-secret" not in gateway.log_text()


def test_a_certificate_that_is_put_right_in_time_is_enough(
    gateway: Instance, authority: trustme.CA
) -> None:
    wrong, right = certified(trustme.CA(), "localhost"), certified(authority, "localhost")
    served = []

    def choose(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        served.append(connection)
        if len(served) > 1:
            connection.context = right

    wrong.sni_callback = choose
    with ExitStack() as stack:
        server = stack.enter_context(link_server(tls=wrong))
        url = server.serve("/late", answer(png("late"))).replace("127.0.0.1", "localhost")
        call(gateway, "late", url)
        assert within(20, lambda: file_of(gateway, "late")["state"] == "finished")
    tries = ask(gateway, f"files/{file_of(gateway, 'late')['id']}/attempts")
    assert [each["outcome"] for each in tries] == ["transient", "stored"]


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read: No such file"), ("no certificate", "holds no certificates in PEM")],
)
def test_a_bundle_that_is_none_is_told_of_before_the_start(
    tmp_path: Path, content: str | None, told: str
) -> None:
    instance = Instance(tmp_path)
    if content is not None:
        Path(f"{instance.root}.pem").write_text(content)
    instance.config.write_text(SETTINGS.format(port=instance.port, root=instance.root))

    done = instance.run_plain("check", "--config", str(instance.config))

    assert done.returncode == 2
    assert f"ca_bundle '{instance.root}.pem' {told}" in done.stderr
