"""The labels of a file are shown wherever the file is, and do nothing but be shown."""

import json
from collections.abc import Iterator

import httpx
import pytest
from instances import Instance
from intake_support import running

from sinkwell.samples import png

SECRET = "labels-secret-0123456789"
SETTINGS = """
[sources.shots]
type = "webhook"
transport = "raw"
secrets = ["env:SHOTS_SECRET"]
id = "header:X-Id"
url = "header:X-Url"
labels = { "team" = "header:X-Team" }
authentication = { scheme = "bearer" }
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    directory = tmp_path_factory.mktemp("gateway")
    with running(directory, SETTINGS, environ={"SHOTS_SECRET": SECRET}) as instance:
        send(instance, "one", url="https://example.com/page", team="web & <b>app</b>")
        instance.wait_drained()
        yield instance


def send(instance: Instance, name: str, *, url: str, team: str) -> None:
    given = {"Authorization": f"Bearer {SECRET}", "X-Id": name, "X-Url": url, "X-Team": team}
    answer = instance.ask(
        "POST",
        f"{instance.url}/callbacks/shots",
        content=png(name),
        headers={key: value.encode("latin-1") for key, value in given.items()},
    )
    assert answer.status_code == 200, answer.text


def test_a_file_is_shown_with_its_labels_and_its_deliveries(gateway: Instance) -> None:
    (listed,) = gateway.rows("files", "--token", "one")

    shown = gateway.run("files", "show", listed["id"])
    whole = json.loads(gateway.run("files", "show", listed["id"], "--json").stdout)

    assert shown.returncode == 0, shown.stderr
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert {f"file {listed['id']}", "token one", "type image/png"} <= set(lines)
    assert {"team web & <b>app</b>", "url https://example.com/page"} <= set(lines)
    (delivery,) = whole.pop("deliveries")
    assert whole == listed
    assert any(
        line.startswith(f"{delivery['id']} local {delivery['key']} stored") for line in lines
    )
    assert delivery["labels"] == {"team": "web & <b>app</b>", "url": "https://example.com/page"}


def test_a_file_that_is_not_there_is_told_of(gateway: Instance) -> None:
    done = gateway.run("files", "show", "f0")
    assert (done.returncode, "There is no file f0." in done.stderr) == (1, True)


@pytest.mark.parametrize("command", ["files", "deliveries"])
def test_a_list_has_a_column_of_labels_where_asked(gateway: Instance, command: str) -> None:
    labels = "team=web & <b>app</b> url=https://example.com/page"
    assert labels in gateway.run(command, "--labels", "--token", "one").stdout
    assert labels not in gateway.run(command, "--token", "one").stdout
    (row,) = gateway.rows(command, "--token", "one")
    assert row["labels"]["team"] == "web & <b>app</b>"


def test_the_dashboard_shows_labels_as_text(gateway: Instance) -> None:
    page = httpx.get(f"{gateway.url}/", timeout=20).text
    assert "<dd>https://example.com/page</dd>" in page
    assert "<dd>web &amp; &lt;b&gt;app&lt;/b&gt;</dd>" in page
    assert "<b>app" not in page


@pytest.mark.parametrize("command", ["files", "deliveries", "events"])
def test_what_a_sender_wrote_moves_no_cursor(gateway: Instance, command: str) -> None:
    # A C1 control is one that a header may hold; the terminal obeys it like an escape.
    send(gateway, "bad\x9b2J", url="https://e.com/\x9b31m[red]", team="a\x9db")
    gateway.wait_drained()
    labels = [] if command == "events" else ["--labels"]

    said = gateway.run(command, *labels).stdout
    (file,) = gateway.rows("files", "--token", "bad\x9b2J")
    said += gateway.run("files", "show", file["id"]).stdout

    assert r"bad\x9b2J" in said
    assert r"https://e.com/\x9b31m[red]" in said
    assert not [char for char in said if not char.isprintable() and char != "\n"]
