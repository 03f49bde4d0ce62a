"""Files that callbacks point to are fetched, whatever happens on the way."""

import hmac
import random
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from instances import Instance
from intake_support import ask, events, running, spooled, within
from link_server import LinkServer, Script, answer, hang_up, link_server

from sinkwell.samples import png

SECRET = "centre-secret-0123456789"
SETTINGS = """
[server]
port = {port}

[sources.centre]
type = "screenshotcenter"
secrets = ["env:CENTRE_SECRET"]

[sources.centre.fetch]
allow_hosts = ["127.0.0.1"]
allow_networks = ["127.0.0.1/32"]
headers = {{ "127.0.0.1" = {{ "X-API-KEY" = "env:CENTRE_KEY" }} }}

[sinks.local]
type = "local"
root = "{root}"

[retry]
attempts = 3
base = "100ms"
"""
ENVIRON = {"CENTRE_SECRET": SECRET, "CENTRE_KEY": "the-api-key"}
PICTURE = png("fetched")


@pytest.fixture
def links() -> Iterator[LinkServer]:
    with link_server() as server:
        yield server


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("centre"), settings=SETTINGS, environ=ENVIRON) as instance:
        yield instance


@pytest.fixture
def mortal(make_instance: Callable[..., Instance]) -> Instance:
    """Return an instance that a test may end."""
    instance = make_instance(settings=SETTINGS, environ=ENVIRON)
    instance.start()
    return instance


def call(instance: Instance, document: dict[str, Any]) -> httpx.Response:
    body = msgspec.json.encode(document)
    signature = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    return instance.ask(
        "POST",
        f"{instance.url}/callbacks/centre",
        content=body,
        headers={"Content-Type": "application/json", "X-Signature": f"sha256={signature}"},
    )


def finished(name: str, url: str, **more: Any) -> dict[str, Any]:
    said = {"event": "screenshot.finished", "screenshot_id": name, "status": "finished"}
    return {**said, "image_url": url, **more}


def file_of(instance: Instance, name: str) -> dict[str, Any]:
    (found,) = ask(instance, "files", token=name)
    return dict(found)


def stored(instance: Instance, name: str) -> bytes | None:
    return instance.stored().get(f"{name}.png")


def becomes(instance: Instance, name: str, state: str) -> dict[str, Any]:
    def reached() -> bool:
        return bool(file_of(instance, name)["state"] == state)

    assert within(20, reached), (file_of(instance, name), instance.log_text())
    return file_of(instance, name)


def test_a_link_is_fetched_and_delivered(centre: Instance, links: LinkServer) -> None:
    url = links.serve("/shot", answer(PICTURE, Content_Type="application/octet-stream"))

    assert call(centre, finished("s1", f"{url}?sig=a%2Fb~", apps={"a": 1})).status_code == 200

    found = becomes(centre, "s1", "finished")
    assert stored(centre, "s1") == PICTURE
    assert (found["media_type"], found["size"]) == ("image/png", len(PICTURE))
    assert (found["fetch"]["state"], found["fetch"]["host"]) == ("fetched", "127.0.0.1")
    assert found["labels"]["apps"] == '{"a":1}'
    ((path, headers),) = links.asked
    assert path == "/shot?sig=a%2Fb~"
    assert (headers["x-api-key"], headers["accept-encoding"]) == ("the-api-key", "identity")
    assert within(5, lambda: found["id"] not in spooled(centre))


def test_the_answer_does_not_wait_for_the_fetch(centre: Instance, links: LinkServer) -> None:
    url = links.serve("/slow", lambda _: time.sleep(3))
    began = time.monotonic()

    assert call(centre, finished("s2", url)).status_code == 200

    assert time.monotonic() - began < 1.5
    assert file_of(centre, "s2")["state"] == "fetching"


def test_a_failing_link_is_tried_again(centre: Instance, links: LinkServer) -> None:
    url = links.serve(
        "/shaky",
        answer(status=503, Retry_After="1"),
        answer(PICTURE[:50], length=len(PICTURE)),
        answer(PICTURE),
    )
    began = time.monotonic()

    call(centre, finished("s3", url))

    becomes(centre, "s3", "finished")
    assert time.monotonic() - began >= 1
    assert stored(centre, "s3") == PICTURE
    failures = events(centre, "fetch.attempt_failed", file_id=file_of(centre, "s3")["id"])
    assert [each["error"] for each in failures] == [
        "127.0.0.1 answered 503",
        "the connection to 127.0.0.1 broke off after 50 bytes",
    ]
    file = file_of(centre, "s3")
    tries = ask(centre, f"files/{file['id']}/attempts")
    assert [each["outcome"] for each in tries] == ["transient", "transient", "stored"]


def test_what_cannot_be_fetched_is_shown_with_its_reason_and_can_be_retried(
    centre: Instance, links: LinkServer
) -> None:
    url = links.serve("/gone", hang_up)
    call(centre, finished("s4", f"{url}?token=very-secret"))

    found = becomes(centre, "s4", "failed")

    assert found["error"] == "127.0.0.1 gave no answer that can be read"
    assert events(centre, "file.failed", file_id=found["id"], error=found["error"])
    listed = centre.run("files", "--json", "--token", "s4").stdout
    assert msgspec.json.decode(listed)["error"] == found["error"]
    assert "very-secret" not in listed + centre.log_text()

    links.serve("/gone", answer(PICTURE))
    done = centre.run("files", "retry", found["id"])
    assert done.returncode == 0, done.stderr
    becomes(centre, "s4", "finished")
    assert stored(centre, "s4") == PICTURE
    assert events(centre, "fetch.retried", file_id=found["id"])


def test_what_is_fetched_or_unknown_cannot_be_retried(centre: Instance, links: LinkServer) -> None:
    call(centre, finished("s5", links.serve("/shot", answer(PICTURE))))
    found = becomes(centre, "s5", "finished")

    assert "was fetched" in centre.run("files", "retry", found["id"]).stderr
    assert "there is no file" in centre.run("files", "retry", "f0").stderr


def test_a_repeated_callback_renews_the_link(centre: Instance, links: LinkServer) -> None:
    old = links.serve("/old", answer(status=410))
    first = call(centre, finished("s6", old))
    becomes(centre, "s6", "failed")

    second = call(centre, finished("s6", links.serve("/new", answer(PICTURE))))

    assert first.json() == second.json()
    becomes(centre, "s6", "finished")
    assert stored(centre, "s6") == PICTURE
    assert len(ask(centre, "files", token="s6")) == 1


def test_a_repeat_of_what_was_fetched_changes_nothing(centre: Instance, links: LinkServer) -> None:
    url = links.serve("/shot", answer(PICTURE))
    first = call(centre, finished("s7", url))
    becomes(centre, "s7", "finished")

    assert call(centre, finished("s7", url)).json() == first.json()

    assert events(centre, "callback.duplicate", provider_id="s7")
    (file,) = ask(centre, "files", token="s7")
    assert links.times_asked("/shot") == 1
    assert within(5, lambda: file["id"] not in spooled(centre))


def test_a_host_that_is_not_allowed_is_told_of(centre: Instance) -> None:
    assert call(centre, finished("s8", "https://files.example.com/a.png")).status_code == 200

    error = becomes(centre, "s8", "failed")["error"]

    assert "files.example.com" in error
    assert "add it to allow_hosts" in error


def test_what_never_came_is_shown_without_what_it_would_have_been(centre: Instance) -> None:
    call(centre, finished("s14", "https://files.example.com/a.png"))
    file = becomes(centre, "s14", "failed")

    shown = centre.run("files", "show", file["id"])
    explained = centre.run("routes", "explain", file["id"], "--config", str(centre.config))

    lines = [line.split()[0] for line in shown.stdout.splitlines() if line]
    assert {"token", "state", "error", "fetch"} <= set(lines)
    assert not {"size", "sha256", "type"} & set(lines)
    assert explained.returncode == 1
    assert f"{file['id']} has never come, so no route is asked: " in explained.stderr


def test_headers_are_not_forwarded_by_a_redirect(centre: Instance, links: LinkServer) -> None:
    target = links.serve("/target", answer(PICTURE))
    url = links.serve("/from", answer(status=302, Location=target))

    call(centre, finished("s9", url))

    becomes(centre, "s9", "finished")
    sent = {path: headers.get("x-api-key") for path, headers in links.asked}
    assert sent == {"/from": "the-api-key", "/target": None}


def test_news_without_a_file_are_kept(centre: Instance) -> None:
    failed = {"event": "screenshot.failed", "screenshot_id": 7, "status": "failed"}
    batch = {"event": "batch.finished", "batch_id": 9, "status": "finished"}

    assert [call(centre, each).status_code for each in (failed, batch, batch)] == [200] * 3

    assert events(centre, "callback.provider_failed", provider_id="7", provider_status="failed")
    (notice,) = events(centre, "callback.notice")
    assert (notice["provider_id"], notice["labels"]) == ("9", {"batch_id": "9"})
    (over,) = events(centre, "batch.finished")
    assert (over["batch_id"], over["callback_id"]) == ("9", notice["callback_id"])


def test_a_killed_fetch_is_resumed(mortal: Instance, links: LinkServer) -> None:
    url = links.serve("/shot", lambda _: time.sleep(2), answer(PICTURE))
    call(mortal, finished("s11", url))
    assert within(5, lambda: links.times_asked("/shot") == 1)

    mortal.kill()
    mortal.start()

    becomes(mortal, "s11", "finished")
    assert stored(mortal, "s11") == PICTURE


def test_a_ledger_made_anew_still_fetches(mortal: Instance, links: LinkServer) -> None:
    url = links.serve("/later", answer(status=503, Retry_After="3600"), answer(PICTURE))
    call(mortal, finished("s12", url))
    assert within(5, lambda: links.times_asked("/later") == 1)
    mortal.stop()

    done = mortal.run("ledger", "rebuild", "--config", str(mortal.config))
    assert "1 files recorded anew" in done.stdout, done.stderr
    mortal.start()

    becomes(mortal, "s12", "finished")
    assert stored(mortal, "s12") == PICTURE


def test_a_reference_that_is_lost_is_told_of(mortal: Instance, links: LinkServer) -> None:
    call(mortal, finished("s13", links.serve("/a", answer(status=503, Retry_After="3600"))))
    assert within(5, lambda: links.times_asked("/a") == 1)
    mortal.stop()
    for path in Path(mortal.data_dir / "spool" / "files").iterdir():
        path.unlink()

    mortal.start()

    assert becomes(mortal, "s13", "quarantined")["fetch"]["state"] == "failed"


def test_kills_at_any_moment_lose_no_link(
    make_instance: Callable[..., Instance], links: LinkServer
) -> None:
    # A try that a kill cut off counts, so there are more tries than kills, as by default.
    patient = SETTINGS.replace("attempts = 3", "attempts = 12")
    mortal = make_instance(settings=patient, environ=ENVIRON)
    mortal.start()
    rng = random.Random(5)
    owed: dict[str, bytes] = {}
    for turn in range(6):
        for number in range(6):
            name = f"k{turn}{number}"
            content = png(name)
            url = links.serve(f"/{name}", delayed(content, rng.choice([0, 0.05, 0.1])))
            if call(mortal, finished(name, url)).status_code == 200:
                owed[f"{name}.png"] = content
        time.sleep(rng.uniform(0, 0.15))
        mortal.kill()
        mortal.start()

    assert len(owed) == 36
    assert within(30, lambda: mortal.stored() == owed), mortal.log_text()
    assert within(10, lambda: not spooled(mortal))
    states = {file["state"] for file in ask(mortal, "files", limit=1000)}
    assert states == {"finished"}


def delayed(content: bytes, seconds: float) -> Script:
    def run(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        answer(content)(request)

    return run
