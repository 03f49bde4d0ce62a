"""Callback URLs that name sinks and keys: made, used, and not to be tampered with."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from instances import SECRET, Instance
from intake_support import ask, assert_problem, running, spooled, within

from sinkwell.intake.callback_urls import CallbackUrls
from sinkwell.intake.refusals import Refusal
from sinkwell.naming import TemplateError
from sinkwell.samples import png

SETTINGS = """
[sinks.other]
type = "local"
root = "{other}"
key = "usual/{{id}}.{{ext}}"

[sources.second]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET"]

[[routes]]
source = "*"
sinks = ["local"]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    directory = tmp_path_factory.mktemp("gateway")
    with running(directory, SETTINGS.format(other=directory / "other")) as instance:
        yield instance


def make(gateway: Instance, **wanted: Any) -> httpx.Response:
    asked = {"source": "shotbot", "sinks": {"other": "clients/acme/{id}.{ext}"}, **wanted}
    return gateway.ask("POST", f"{gateway.url}/api/v1/callback-urls", json=asked)


def post(gateway: Instance, url: str, token: str) -> httpx.Response:
    return gateway.ask(
        "POST",
        url,
        data={"callback_secret": SECRET, "status": "OK", "token": token, "format": "png"},
        files={"file": ("shot.png", png(token), "image/png")},
    )


def test_its_sinks_and_keys_take_the_place_of_the_routes(gateway: Instance) -> None:
    made = make(gateway, sinks={"other": "clients/acme/{id}.{ext}", "local": ""})
    assert made.status_code == 201, made.text

    assert post(gateway, made.json()["url"], "mine1").status_code == 200

    place = gateway.directory / "other" / "clients" / "acme" / "mine1.png"
    assert within(10, place.exists)
    gateway.wait_drained()
    sinks = {each["sink"]: each["key"] for each in ask(gateway, "deliveries", token="mine1")}
    assert sinks["other"] == "clients/acme/mine1.png"
    assert sinks["local"].startswith("screenshots/")
    assert sinks["local"].endswith("/mine1.png")


def test_an_empty_template_is_the_usual_key_of_the_sink(gateway: Instance) -> None:
    post(gateway, make(gateway, sinks={"other": ""}).json()["url"], "usual1")
    gateway.wait_drained()
    (delivery,) = ask(gateway, "deliveries", token="usual1")
    assert (delivery["sink"], delivery["key"]) == ("other", "usual/usual1.png")


def test_without_a_token_the_routes_hold(gateway: Instance) -> None:
    assert post(gateway, f"{gateway.callback_url}?other=1", "routed1").status_code == 200
    gateway.wait_drained()
    (delivery,) = ask(gateway, "deliveries", token="routed1")
    assert delivery["sink"] == "local"


def test_the_secret_of_the_source_is_asked_for_all_the_same(gateway: Instance) -> None:
    url = make(gateway).json()["url"]
    refused = gateway.ask("POST", url, data={"callback_secret": "wrong", "status": "OK"})
    assert_problem(gateway.ask("POST", url, files={"a": b""}), 403, "not-authentic")
    assert refused.status_code in {403, 415}


def test_a_tampered_token_is_refused_and_nothing_is_kept(gateway: Instance) -> None:
    url = make(gateway).json()["url"]
    before = len(ask(gateway, "files", limit=1000)), spooled(gateway)
    (token,) = parse_qs(urlsplit(url).query)["to"]
    rng = random.Random(7)
    for _ in range(40):
        at = rng.randrange(len(token))
        other = token[:at] + rng.choice("ABCabc012-_.%") + token[at + 1 :]
        if other != token:
            answer = post(gateway, url.replace(token, other), "forged1")
            assert_problem(answer, 403, "callback-url-refused")
    for other in ("", ".", "..", "a", token[:-1], token + "A", token + "=", token.swapcase()):
        answer = post(gateway, url.replace(f"to={token}", f"to=x{other}"), "forged1")
        assert_problem(answer, 403, "callback-url-refused")
    assert (len(ask(gateway, "files", limit=1000)), spooled(gateway)) == before


def test_a_token_is_good_for_its_source_alone(gateway: Instance) -> None:
    url = make(gateway).json()["url"].replace("/callbacks/shotbot", "/callbacks/second")
    problem = assert_problem(post(gateway, url, "other1"), 403, "callback-url-refused")
    assert "another source" in problem["detail"]


def test_a_token_expires(gateway: Instance) -> None:
    url = make(gateway, expires_in=0.05).json()["url"]
    assert within(5, lambda: post(gateway, url, "late1").status_code == 403)
    assert_problem(post(gateway, url, "late2"), 403, "callback-url-refused")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"source": "nobody"}, "no source named 'nobody'; there are second, shotbot."),
        ({"sinks": {}}, "Name one sink"),
        ({"sinks": {"nowhere": ""}}, "no sink named 'nowhere'; there are local, other."),
        ({"sinks": {"other": "../{id}"}}, "segment"),
        ({"sinks": {"other": "{unknown}"}}, "unknown"),
        ({"sinks": {"other": "same-for-all.png"}}, "different files the same key"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": 1e12}, "at most 31622400 seconds"),
        ({"more": 1}, ""),
    ],
)
def test_what_makes_no_sense_is_refused(
    gateway: Instance, wanted: dict[str, Any], told: str
) -> None:
    problem = assert_problem(make(gateway, **wanted), 400, "bad-request")
    assert told in problem["detail"]


def test_the_command_makes_one(gateway: Instance) -> None:
    done = gateway.run("callback-url", "shotbot", "--sink=other=c/{id}.{ext}", "--expires-in=2h")
    assert done.returncode == 0, done.stderr
    assert "good until" in done.stderr
    assert post(gateway, done.stdout.strip(), "command1").status_code == 200
    assert within(10, (gateway.directory / "other" / "c" / "command1.png").exists)


def test_it_is_explained_why_a_file_went_where_its_callback_url_said(gateway: Instance) -> None:
    url = make(gateway, sinks={"other": "clients/acme/{id}.{ext}"}).json()["url"]
    assert post(gateway, url, "asked1").status_code == 200
    (file,) = ask(gateway, "files", token="asked1")
    call = ["routes", "explain", file["id"], "--config", str(gateway.config)]
    call += ["--data-dir", str(gateway.data_dir)]

    rows = [json.loads(line) for line in gateway.run_plain(*call, "--json").stdout.splitlines()]
    shown = gateway.run_plain(*call)

    assert file["overrides"] == {"other": "clients/acme/{id}.{ext}"}
    assert [(row["route"], row["takes"]) for row in rows] == [(None, True), (1, False)]
    assert rows[0]["deliveries"] == [{"sink": "other", "key": "clients/acme/asked1.png"}]
    assert rows[1]["why_not"].startswith("the callback URL of the file names its sinks")
    assert "callback URL" in shown.stdout
    assert "no route takes it" not in shown.stderr
    assert "clients/acme/{id}.{ext}" in gateway.run("files", "show", file["id"]).stdout


def test_a_sink_of_a_callback_url_that_is_gone_by_now_is_named(gateway: Instance) -> None:
    assert post(gateway, make(gateway).json()["url"], "gone1").status_code == 200
    (file,) = ask(gateway, "files", token="gone1")
    fewer = gateway.directory / "fewer.toml"
    fewer.write_text(gateway.config.read_text().replace("[sinks.other]", "[sinks.another]"))

    done = gateway.run_plain(
        *("routes", "explain", file["id"], "--json", "--config", str(fewer)),
        *("--data-dir", str(gateway.data_dir)),
    )

    first = json.loads(done.stdout.splitlines()[0])
    assert (first["takes"], first["deliveries"]) == (False, [])
    assert first["why_not"] == "not in the settings any more: other"


def test_overrides_outlive_the_ledger(tmp_path: Path, make_instance: Any) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no directory")
    instance = make_instance(extra_settings=SETTINGS.format(other=blocked))
    instance.start()
    url = make(instance).json()["url"]
    assert post(instance, url, "kept1").status_code == 200
    instance.stop()
    blocked.unlink()

    assert instance.run("ledger", "rebuild", "--config", str(instance.config)).returncode == 0
    instance.start()

    assert within(20, (blocked / "clients" / "acme" / "kept1.png").exists), instance.log_text()
    assert post(instance, url, "after1").status_code == 200, "a start must not change the key"


def test_the_key_is_private_and_made_once(tmp_path: Path) -> None:
    first = CallbackUrls.of(tmp_path)
    path = tmp_path / "callback-urls.key"
    assert path.stat().st_mode & 0o777 == 0o600
    token = first.mint("s", {"a": ""}, 10.0)
    assert CallbackUrls.of(tmp_path).read(token, "s", 9.0) == {"a": ""}
    path.write_bytes(b"cut")
    with pytest.raises(Refusal, match="was not made here"):
        CallbackUrls.of(tmp_path).read(token, "s", 9.0)


def test_a_template_is_checked_when_a_token_is_made(tmp_path: Path) -> None:
    with pytest.raises(TemplateError):
        CallbackUrls.of(tmp_path).mint("s", {"a": "/etc/{id}"}, 10.0)
