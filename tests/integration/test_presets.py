"""Each preset, end to end: a provider calls over a socket, its file lands in the sink."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from contract.webhook_doubles import BY_SETTINGS, PRESETS, WebhookDouble
from instances import Instance
from intake_support import ask, events, running, within
from link_server import LinkServer, answer, link_server

from sinkwell.samples import png
from sinkwell.testing import ExpectedBody, ExpectedLink, Request, Sample

DOUBLES = {name: make() for name, make in {**PRESETS, **BY_SETTINGS}.items()}


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {as_toml(each)}' for key, each in value.items())} }}"
    return json.dumps(value)


def section(name: str, double: WebhookDouble) -> str:
    keys = {"type": "webhook", **double.section}
    if double.secrets:
        keys["secrets"] = list(double.secrets)
    lines = [f"{key} = {as_toml(value)}" for key, value in keys.items()]
    fetch = "allow_hosts = ['127.0.0.1']\nallow_networks = ['127.0.0.1/32']"
    return "\n".join([f"[sources.{name}]", *lines, f"[sources.{name}.fetch]", fetch, ""])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    sections = "".join(section(name, double) for name, double in DOUBLES.items())
    # The extra key of the sink keeps each source's files in a directory of its own.
    settings = f'key = "{{source}}/{{id}}.{{ext}}"\n{sections}'
    with running(tmp_path_factory.mktemp("gateway"), settings) as instance:
        yield instance


@pytest.fixture(scope="module")
def links() -> Iterator[LinkServer]:
    with link_server() as server:
        yield server


def here(sample: Sample, name: str, links: LinkServer) -> tuple[Request, list[bytes]]:
    """Return a sample's request with its links leading here, and the files that it brings."""
    request, contents = sample.request, []
    for number, file in enumerate(sample.expected.files):
        match file:
            case ExpectedLink(url=url):
                content = png(f"{name} {sample.name} {number}")
                path = f"/{name}/{sample.name.replace(' ', '-')}/{number}.png"
                local = links.serve(path, answer(content)).encode()
                request = replace(request, body=request.body.replace(url.encode(), local))
            case ExpectedBody():
                content = request.body
            case _:
                content = b""  # compared by what is stored alone
        contents.append(content)
    return request, contents


def send(gateway: Instance, name: str, request: Request) -> httpx.Response:
    return gateway.ask(
        "POST",
        f"{gateway.url}/callbacks/{name}",
        content=request.body,
        headers=dict(request.headers),
    )


@pytest.mark.parametrize("name", DOUBLES)
def test_a_provider_calls_and_its_files_are_stored(
    gateway: Instance, links: LinkServer, name: str
) -> None:
    double = DOUBLES[name]
    sent = []
    for sample in double.samples():
        request, contents = here(sample, name, links)
        secret = double.secrets[-1] if double.secrets else ""
        signed = double.sign(request, secret=secret, at=time.time())
        answers = [send(gateway, name, signed) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 200], answers[0].text
        assert answers[0].json() == answers[1].json(), "the repeat was taken for another one"
        sent.append((sample, contents))

    wanted = [content for _, contents in sent for content in contents]

    def files() -> list[Path]:
        return [path for path in (gateway.root / name).rglob("*") if path.is_file()]

    assert within(20, lambda: len(files()) >= len(wanted)), gateway.log_text()
    stored = [path.read_bytes() for path in files()]
    assert len(stored) == len(wanted)
    assert set(filter(None, wanted)) <= set(stored)
    for sample, _ in sent:
        if not sample.expected.succeeded:
            told = {"source": name, "provider_id": sample.expected.provider_id}
            assert events(gateway, "callback.provider_failed", **told)
        if sample.expected.notice:
            assert events(gateway, "callback.notice", source=name)


@pytest.mark.parametrize("name", [name for name, each in DOUBLES.items() if each.secrets])
def test_a_forgery_is_refused(gateway: Instance, name: str) -> None:
    double = DOUBLES[name]
    before = len(ask(gateway, "files", source=name))
    sample = double.samples()[0]
    forged = double.sign(sample.request, secret=double.foreign_secret, at=time.time())

    assert send(gateway, name, forged).status_code == 403
    assert send(gateway, name, sample.request).status_code == 403
    assert len(ask(gateway, "files", source=name)) == before


def test_what_signs_nothing_is_warned_of(gateway: Instance) -> None:
    done = gateway.run("check", "--config", str(gateway.config))
    assert '[sources.pdfshift]: scheme = "none": whoever knows the address' in done.stdout


def test_presets_are_listed(gateway: Instance) -> None:
    done = gateway.run_plain("sources", "presets", "--json")
    assert [json.loads(line)["preset"] for line in done.stdout.splitlines()] == [*PRESETS]


def test_a_callback_can_be_tried_without_storing_it(gateway: Instance, tmp_path: Path) -> None:
    double = DOUBLES["pdfbolt"]
    sample = double.samples()[0]
    signed = double.sign(sample.request, secret=double.secrets[0], at=time.time())
    body = tmp_path / "body.json"
    body.write_bytes(signed.body)
    headers = [f"--header={name}: {value}" for name, value in signed.headers.items()]
    before = ask(gateway, "files")
    call = ["sources", "try", "pdfbolt", "--config", str(gateway.config), "--body", str(body)]

    done = gateway.run_plain(*call, *headers)
    shown = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (shown["outcome"], shown["provider_id"]) == ("file", "p1")
    assert shown["files"][0]["url"] == "https://s3.pdfbolt.com/p1.pdf"

    assert shown["files"][0]["refused"].startswith("the link leads to 's3.pdfbolt.com', and files")
    refused = gateway.run_plain(*call, headers[0])
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, 403)
    believed = gateway.run_plain(*call, headers[0], "--unproven")
    assert json.loads(believed.stdout) == shown
    assert ask(gateway, "files") == before
