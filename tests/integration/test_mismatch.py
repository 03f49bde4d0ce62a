"""Each policy for files that are not what they are claimed to be, on a running instance."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from instances import SECRET, Instance
from intake_support import ask, assert_problem, events, running, spooled, within
from link_server import answer, link_server
from webhooks import call_signed

from sinkwell.samples import pdf, png

POLICIES = ("accept", "warn", "quarantine", "reject")
SETTINGS = "".join(
    f"""
[sources.{policy}]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET"]
on_mismatch = "{policy}"

[sources.linked-{policy}]
type = "webhook"
secrets = ["env:SHOTBOT_SECRET"]
on_mismatch = "{policy}"
transport = "json"
id = "id"
file = "file"
authentication = {{ scheme = "bearer" }}
fetch = {{ allow_hosts = ["127.0.0.1"], allow_networks = ["127.0.0.1/32"] }}
"""
    for policy in POLICIES
)
CLAIM = "it is claimed to be image/png and is application/pdf"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    settings = f'key = "{{source}}/{{id}}.{{ext}}"\n{SETTINGS}'
    with running(tmp_path_factory.mktemp("gateway"), settings) as instance:
        yield instance


def post(gateway: Instance, policy: str, token: str, content: bytes) -> httpx.Response:
    return gateway.ask(
        "POST",
        f"{gateway.url}/callbacks/{policy}",
        data={"callback_secret": SECRET, "status": "OK", "token": token, "format": "png"},
        files={"file": ("shot.png", content, "image/png")},
    )


def link(gateway: Instance, policy: str, token: str, content: bytes) -> None:
    with link_server() as server:
        url = server.serve("/shot.png", answer(content))
        answered = call_signed(gateway, f"linked-{policy}", {"id": token, "file": url}, SECRET)
        assert answered.status_code == 200
        assert within(10, lambda: file_of(gateway, token)["state"] != "fetching")


def file_of(gateway: Instance, token: str) -> dict[str, Any]:
    (found,) = ask(gateway, "files", token=token)
    return dict(found)


def becomes(gateway: Instance, token: str, state: str) -> dict[str, Any]:
    assert within(10, lambda: file_of(gateway, token)["state"] == state), file_of(gateway, token)
    return file_of(gateway, token)


Bring = Callable[[Instance, str, str, bytes], object]
BRING = pytest.mark.parametrize("bring", [post, link], ids=["posted", "linked"])


@BRING
def test_accepted_files_are_taken_for_what_they_are(gateway: Instance, bring: Bring) -> None:
    token = f"{bring.__name__}1"
    bring(gateway, "accept", token, pdf("a"))
    found = becomes(gateway, token, "finished")
    assert (found["media_type"], found["labels"], found["error"]) == ("application/pdf", {}, None)
    assert any(key.endswith(f"{token}.pdf") for key in gateway.stored())


@BRING
def test_warned_of_files_are_delivered_with_a_label(gateway: Instance, bring: Bring) -> None:
    token = f"{bring.__name__}2"
    bring(gateway, "warn", token, pdf("a"))
    found = becomes(gateway, token, "finished")
    assert found["labels"] == {"mismatch": CLAIM}
    assert CLAIM in gateway.log_text()


@BRING
def test_quarantined_files_are_kept_and_go_nowhere(gateway: Instance, bring: Bring) -> None:
    token = f"{bring.__name__}3"
    bring(gateway, "quarantine", token, png("whole")[:-20])
    found = becomes(gateway, token, "quarantined")
    assert "cut off" in found["error"]
    assert events(gateway, "file.quarantined", file_id=found["id"], reason=found["error"])
    assert found["id"] in spooled(gateway)
    assert not ask(gateway, "deliveries", file_id=found["id"])
    asked = gateway.run("routes", "explain", found["id"], "--config", str(gateway.config))
    assert f"{found['id']} is quarantined, so no route is asked" in asked.stderr


def test_rejected_files_are_refused(gateway: Instance) -> None:
    problem = assert_problem(post(gateway, "reject", "posted4", pdf("a")), 422, "content-mismatch")
    assert problem["detail"] == CLAIM
    assert not ask(gateway, "files", token="posted4")


def test_rejected_links_are_not_fetched(gateway: Instance) -> None:
    link(gateway, "reject", "linked4", pdf("a"))
    assert becomes(gateway, "linked4", "failed")["error"] == CLAIM


def test_a_quarantined_file_stays_so_in_a_ledger_made_anew(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(extra_settings=SETTINGS)
    instance.start()
    assert post(instance, "quarantine", "kept", pdf("a")).status_code == 200
    instance.stop()

    assert instance.run("ledger", "rebuild", "--config", str(instance.config)).returncode == 0
    instance.start()

    assert becomes(instance, "kept", "quarantined")["error"] == CLAIM
