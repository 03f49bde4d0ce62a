"""Links to files of a real instance: told, followed, refused, and safe to open."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hooks import Hook
from instances import SECRET, Instance, free_port
from intake_support import ask, assert_problem, connect, running, spooled, within

from sinkwell.samples import png, sized
from sinkwell.testing.s3 import S3Stub, answering

S3 = """
[server]
port = {{port}}
public_url = "http://127.0.0.1:{{port}}/"

[sources.shotbot]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET"]

[sinks.archive]
type = "s3"
provider = "aws"
region = "us-east-1"
endpoint = "{url}"
bucket = "captures"
access_key = "env:S3_ACCESS_KEY"
secret_key = "env:S3_SECRET_KEY"
"""
NOTIFIER = """
[notifiers.{name}]
type = "webhook"
url = "{url}/{name}"
allow_networks = ["127.0.0.0/8"]
schedule = ["1500ms", "1500ms"]
"""
PICTURE = sized(png("linked"), 700_001)
SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
MakeInstance = Callable[..., Instance]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Yield an instance whose spool keeps what is delivered."""
    with running(tmp_path_factory.mktemp("gateway"), '\n[spool]\nretention = "1h"\n') as instance:
        assert instance.post("linked", PICTURE).status_code == 200
        instance.wait_drained()
        yield instance


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def stub() -> Iterator[S3Stub]:
    with S3Stub(["captures"]) as running:
        yield running


def file_of(instance: Instance, token: str = "linked") -> dict[str, Any]:
    (found,) = ask(instance, "files", token=token)
    return dict(found)


def link_to(instance: Instance, file_id: str, **wanted: Any) -> httpx.Response:
    return instance.ask("POST", f"{instance.url}/api/v1/files/{file_id}/links", json=wanted)


def url_of(instance: Instance, token: str = "linked", **wanted: Any) -> str:
    made = link_to(instance, file_of(instance, token)["id"], **wanted)
    assert made.status_code == 201, made.text
    return str(made.json()["url"])


def get(url: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Instance.ask("GET", url, headers=named, timeout=30)


# --- downloads --------------------------------------------------------------------------------


def test_a_link_and_the_api_give_the_bytes_that_came(gateway: Instance) -> None:
    file = file_of(gateway)
    for url in (url_of(gateway), f"{gateway.url}/api/v1/files/{file['id']}/content"):
        answer = get(url)

        assert (answer.status_code, answer.content) == (200, PICTURE)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-disposition"] == 'inline; filename="shot.png"'
        assert answer.headers["etag"] == f'"{hashlib.sha256(PICTURE).hexdigest()}"'
        head = gateway.ask("HEAD", url)
        assert (head.status_code, head.content) == (200, b"")
        same = ("content-length", "content-type", "etag", "accept-ranges", "content-disposition")
        assert [head.headers[name] for name in same] == [answer.headers[name] for name in same]


def test_a_download_goes_on_where_it_broke_off(gateway: Instance) -> None:
    url = url_of(gateway)
    etag = get(url, range="bytes=0-0").headers["etag"]

    rest = get(url, range="bytes=400000-", if_range=etag)
    assert (rest.status_code, rest.content) == (206, PICTURE[400_000:])
    assert rest.headers["content-range"] == f"bytes 400000-700000/{len(PICTURE)}"
    assert get(url, range="bytes=-5").content == PICTURE[-5:]
    other = get(url, range="bytes=400000-", if_range='"another"')
    assert (other.status_code, other.content) == (200, PICTURE)
    beyond = get(url, range="bytes=700001-")
    assert_problem(beyond, 416, "range-not-satisfiable")
    assert beyond.headers["content-range"] == "bytes */700001"
    known = get(url, if_none_match=etag)
    assert (known.status_code, known.content) == (304, b"")


def test_what_could_act_as_a_page_is_a_download(gateway: Instance) -> None:
    name = 'ü"\r\nX-Evil: 1.svg'
    answer = gateway.ask(
        "POST",
        gateway.callback_url,
        data={"callback_secret": SECRET, "status": "OK", "token": "script1", "format": "svg"},
        files={"file": (name, SCRIPT, "image/svg+xml")},
    )
    assert answer.status_code == 200, answer.text
    gateway.wait_drained()

    answer = get(url_of(gateway, "script1"))

    assert answer.content == SCRIPT
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert "x-evil" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"].startswith("private")


def test_a_bad_link_is_refused_and_says_nothing_of_files(gateway: Instance) -> None:
    url = url_of(gateway)
    file_id = file_of(gateway)["id"]
    others = (f"{file_id}x", "f0", "%00", "%F0%9F", "a%20b", file_id.upper())
    refused = [get(url.replace(file_id, other)).content for other in others]
    refused += [get(url[:-1]).content, get(url.partition("?")[0]).content, get(f"{url}=").content]
    refused.append(get(f"{url.rpartition('.')[0]}.").content)

    assert len(set(refused)) == 1
    problem = assert_problem(get(url[:-1]), 403, "link-refused")
    assert file_id not in problem["detail"]
    assert gateway.ask("POST", url).status_code == 405


def test_an_expired_link_says_so(gateway: Instance) -> None:
    url = url_of(gateway, expires_in=1)
    assert within(10, lambda: get(url).status_code == 410)
    assert_problem(get(url), 410, "link-expired")


@pytest.mark.parametrize(
    ("wanted", "status", "told"),
    [
        ({"expires_in": 0}, 400, "expires_in"),
        ({"expires_in": 1e10}, 400, "expires_in"),
        ({"expires_in": 8 * 86400, "via": "sink"}, 400, "expires_in"),
        ({"via": "pigeon"}, 400, ""),
        ({"more": 1}, 400, ""),
        ({"via": "sink"}, 409, "No sink that can sign links"),
    ],
)
def test_what_makes_no_sense_is_refused(
    gateway: Instance, wanted: dict[str, Any], status: int, told: str
) -> None:
    answer = link_to(gateway, file_of(gateway)["id"], **wanted)
    assert (answer.status_code, told in answer.text) == (status, True), answer.text


def test_the_command_makes_one(gateway: Instance) -> None:
    file_id = file_of(gateway)["id"]
    done = gateway.run("files", "link", file_id, "--expires-in", "2h")
    assert (done.returncode, "good until" in done.stderr) == (0, True), done.stderr
    assert get(done.stdout.strip()).content == PICTURE

    unknown = gateway.run("files", "link", "f0")
    assert (unknown.returncode, "There is no file f0" in unknown.stderr) == (1, True)
    wrong = gateway.run("files", "link", file_id, "--expires-in", "soon")
    assert (wrong.returncode, "--expires-in" in wrong.stderr) == (2, True)


def test_so_many_download_at_once_and_who_goes_away_makes_room(gateway: Instance) -> None:
    big = sized(png("big"), 20_000_000)
    assert gateway.post("big", big).status_code == 200
    gateway.wait_drained()
    url = url_of(gateway, "big")
    place = gateway.data_dir / "spool" / "files" / file_of(gateway, "big")["id"]
    assert gateway.process is not None
    descriptors = Path(f"/proc/{gateway.process.pid}/fd")

    def opened() -> int:
        return sum(_target(each) == place for each in descriptors.iterdir())

    with ExitStack() as idle:
        for _ in range(100):
            connection = idle.enter_context(connect(gateway))
            path = url.removeprefix(gateway.url)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert within(30, lambda: opened() == 100)
        one_more = get(url)
        assert_problem(one_more, 503, "too-many-downloads")
        assert one_more.headers["retry-after"] == "5"
        assert gateway.post("meanwhile", PICTURE).status_code == 200

    assert within(30, lambda: opened() == 0)
    assert hashlib.sha256(get(url).content).digest() == hashlib.sha256(big).digest()


def _target(descriptor: Path) -> Path | None:
    try:
        return descriptor.readlink()
    except FileNotFoundError:
        return None


# --- where the bytes come from ----------------------------------------------------------------


def test_what_has_left_the_spool_comes_from_a_sink_and_only_if_it_is_the_same(
    instance: Instance,
) -> None:
    assert instance.post("linked", PICTURE).status_code == 200
    instance.wait_drained()
    assert within(20, lambda: not spooled(instance))
    url = url_of(instance)

    answer = get(url, range="bytes=5-9")
    assert (answer.status_code, answer.content) == (200, PICTURE), "the whole is allowed"
    assert instance.ask("HEAD", url).headers["content-length"] == str(len(PICTURE))

    (path,) = (instance.root / key for key in instance.stored())
    path.chmod(0o600)
    path.write_bytes(b"x" + PICTURE[1:])
    with pytest.raises(httpx.RemoteProtocolError):
        get(url)
    path.write_bytes(b"short")
    assert_problem(get(url), 410, "file-gone")
    path.unlink()
    problem = assert_problem(get(url), 410, "file-gone")
    assert "[spool] retention" in problem["detail"]


def on_s3(stub: S3Stub, make_instance: MakeInstance, *sections: str) -> Instance:
    keys = {"S3_ACCESS_KEY": stub.access_key, "S3_SECRET_KEY": stub.secret_key}
    made = make_instance(
        settings=S3.format(url=stub.url), environ=keys, extra_settings="".join(sections)
    )
    made.start()
    return made


def test_a_sink_that_cannot_be_read_is_redirected_to(
    stub: S3Stub, make_instance: MakeInstance
) -> None:
    gateway = on_s3(stub, make_instance)
    assert gateway.post("linked", PICTURE).status_code == 200
    gateway.wait_drained()
    assert within(20, lambda: not spooled(gateway))
    url = url_of(gateway)
    assert get(url).content == PICTURE, "read by Sinkwell"

    with stub.failing(answering("AccessDenied"), operation="GetObject"):
        answer = get(url)

    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers["cache-control"] == "no-store"
    there = answer.headers["location"]
    assert urlsplit(there).netloc.endswith(str(stub.port))
    assert get(there).content == PICTURE
    assert get(url_of(gateway, via="sink", expires_in=60)).content == PICTURE


# --- notifications ----------------------------------------------------------------------------


def told(hook: Hook, count: int) -> list[dict[str, Any]]:
    assert within(30, lambda: len(hook.taken) >= count), hook.posts
    return [post.event for post in hook.taken]


def test_a_notification_brings_a_link_that_gives_the_identical_bytes(
    stub: S3Stub, hook: Hook, make_instance: MakeInstance
) -> None:
    def notifier(name: str, *keys: str) -> str:
        head = NOTIFIER.format(name=name, url=hook.url)
        return head + "".join(f"{key}\n" for key in keys)

    gateway = on_s3(
        stub,
        make_instance,
        notifier("own", 'events = ["file.finished"]', 'links = "sinkwell"', 'link_expires = "1h"'),
        notifier("theirs", 'events = ["delivery.stored"]', 'links = "sink"'),
        notifier("none", 'events = ["file.accepted"]'),
        notifier(
            "former", 'events = ["file.finished"]', 'format = "screenshotcenter"', 'links = "sink"'
        ),
        notifier(
            "mine",
            'events = ["file.accepted"]',
            'links = "sinkwell"',
            'format = "template"',
            """template = '{"type": "mine", "url": {{ event.data.link.url | tojson }}}'""",
        ),
    )
    before = time.time()
    assert gateway.post("linked", PICTURE).status_code == 200

    by_kind = {each.get("type", each.get("event")): each for each in told(hook, 5)}

    own = by_kind["file.finished"]["data"]["link"]
    assert own["url"].startswith(f"{gateway.url}/files/f")
    assert before + 3600 <= own["expires_at"] <= time.time() + 3601
    theirs = by_kind["delivery.stored"]["data"]["link"]["url"]
    assert urlsplit(theirs).netloc.endswith(str(stub.port))
    assert "link" not in by_kind["file.accepted"]["data"]
    former = by_kind["screenshot.finished"]["image_url"]
    for url in (own["url"], theirs, former, by_kind["mine"]["url"]):
        assert get(url).content == PICTURE, url
    log = ask(gateway, "events", limit=1000)
    assert all("link" not in event["data"] for event in log), "the log holds no links"


def test_each_attempt_has_a_link_of_its_own_and_none_stands_in_an_error(
    hook: Hook, make_instance: MakeInstance
) -> None:
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    gateway = make_instance(
        port=port,
        environ={"SINKWELL_SERVER__PUBLIC_URL": public},
        extra_settings=NOTIFIER.format(name="app", url=hook.url)
        + 'events = ["file.accepted"]\nlinks = "sinkwell"\n',
    )
    gateway.start()
    echo = b'{"bad": "http://a/files/f1?sig=1795669335.hJ3oBuvwbBDTwyCbz5m7fQ"}'
    with hook.behaving(status=500, body=echo):
        assert gateway.post("linked", PICTURE).status_code == 200
        assert within(20, lambda: len(hook.posts) >= 1)
    told(hook, 1)

    links = [post.event["data"]["link"] for post in hook.posts]
    assert len({link["url"] for link in links}) > 1
    assert links[-1]["expires_at"] > links[0]["expires_at"]
    (notification,) = ask(gateway, "notifications")
    attempts = ask(gateway, f"notifications/{notification['id']}/attempts")
    errors = [each["error"] for each in attempts if each["error"]]
    assert errors
    assert all("sig=***" in error for error in errors)
    for said in (gateway.log_text(), *errors):
        assert "hJ3oBuvwbBDTwyCbz5m7fQ" not in said
        assert links[0]["url"].rpartition(".")[2] not in said


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ('type = "webhook"\nurl = "https://a"\nlinks = "sinkwell"', "[server] public_url"),
        ('type = "webhook"\nurl = "https://a"\nlinks = "sink"', "no sink is configured that can"),
        ('type = "webhook"\nurl = "https://a"\nlinks = "any"', "none, sink, sinkwell"),
        ('type = "webhook"\nurl = "https://a"\nlink_expires = "1s"', "link_expires must be"),
        ('type = "log"\nlinks = "sinkwell"', "is given no links"),
    ],
)
def test_links_that_nobody_could_follow_are_an_error_of_the_settings(
    tmp_path: Path, section: str, complaint: str
) -> None:
    config = tmp_path / "sinkwell.toml"
    config.write_text(
        '[sources.a]\ntype = "shotbot"\nsecrets = ["env:SHOTBOT_SECRET"]\n'
        f'[sinks.b]\ntype = "local"\nroot = "{tmp_path}/b"\n[notifiers.n]\n{section}\n'
    )
    done = Instance(directory=tmp_path).run_plain("check", "--config", str(config))
    assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
    assert "sinkwell.toml:" in done.stderr
