"""``sinkwell files``, ``deliveries`` and ``events``: whole, in order, and readable."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from instances import SECRET, SINKWELL, Instance

from sinkwell import samples

MANY = 1100
"""More than the API gives at once."""
LONG_TOKEN = "a1B2" * 32


def test_lists_for_programs_have_the_promised_names(instance: Instance) -> None:
    picture = samples.png("names")
    instance.post("token1", picture)
    instance.wait_drained()

    (file,) = instance.rows("files")
    (delivery,) = instance.rows("deliveries")
    events = instance.rows("events")

    assert {"id", "source", "token", "size", "sha256", "media_type", "state"} <= file.keys()
    promised = {"id", "file_id", "source", "token", "sink", "key", "state", "attempts"}
    assert promised | {"error", "location"} <= delivery.keys()
    assert (delivery["file_id"], delivery["token"]) == (file["id"], "token1")
    assert delivery["location"] == f"file://{instance.root / delivery['key']}"
    for event in events:
        assert {"position", "id", "type", "time", "subject", "data"} == event.keys()


def test_lists_can_be_narrowed(instance: Instance) -> None:
    for token in ("token1", "token2"):
        instance.post(token, samples.png(token))
    instance.wait_drained()

    assert [row["token"] for row in instance.rows("files", "--token", "token1")] == ["token1"]
    assert len(instance.rows("deliveries", "--sink", "local", "--state", "stored")) == 2
    assert instance.rows("deliveries", "--source", "nobody") == []
    wrong = instance.run("files", "--state", "lost")
    assert wrong.returncode != 0
    assert "'lost'" in wrong.stderr


def test_lists_are_whole_and_in_order_beyond_a_page(instance: Instance) -> None:
    tokens = [f"token{number}" for number in range(MANY)]
    asyncio.run(_post_all(instance, tokens))
    instance.wait_drained()

    for what in ("files", "deliveries"):
        rows = instance.rows(what)
        assert sorted(row["token"] for row in rows) == sorted(tokens)
        ids = [row["id"] for row in rows]
        assert ids == sorted(ids, reverse=True), "the newest first"
        assert [row["id"] for row in instance.rows(what, "--limit", "1001")] == ids[:1001]
    positions = [event["position"] for event in instance.rows("events")]
    assert positions == list(range(1, 4 * MANY + 1))
    after = instance.rows("events", "--after", "7", "--limit", "1002")
    assert [event["position"] for event in after] == list(range(8, 1010))


async def _post_all(instance: Instance, tokens: list[str]) -> None:
    picture = samples.png("many", 8, 8)
    waiting = iter(tokens)

    async def provider(client: httpx.AsyncClient) -> None:
        for token in waiting:
            fields = {"callback_secret": SECRET, "status": "OK", "token": token, "format": "png"}
            answer = await client.post(
                instance.callback_url, data=fields, files={"file": ("shot.png", picture)}
            )
            assert answer.status_code == 200

    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(provider(client) for _ in range(8)))


def test_a_list_in_a_pipe_cuts_nothing(instance: Instance) -> None:
    instance.post(LONG_TOKEN, samples.png("long"))
    instance.wait_drained()
    (file,) = instance.rows("files")
    (delivery,) = instance.rows("deliveries")

    files = instance.run("files").stdout.splitlines()
    deliveries = instance.run("deliveries").stdout.splitlines()

    assert (len(files), len(deliveries)) == (2, 2), "one line a row below the names"
    assert {file["id"], LONG_TOKEN, "image/png"} <= set(files[1].split())
    assert {delivery["id"], delivery["key"], "stored"} <= set(deliveries[1].split())


@pytest.mark.parametrize("width", [40, 80])
def test_a_list_on_a_screen_keeps_ids_and_states_whole(instance: Instance, width: int) -> None:
    instance.post(LONG_TOKEN, samples.png("long"))
    instance.wait_drained()
    (delivery,) = instance.rows("deliveries")

    lines = _on_a_terminal(instance, width, "deliveries").splitlines()

    assert {delivery["id"], "stored"} <= set(lines[1].split())
    fits = all(len(line) <= width for line in lines)
    assert fits is (width == 80), "80 columns are enough for any list; 40 are not"


def _on_a_terminal(instance: Instance, width: int, *arguments: str) -> str:
    """Run a command with a terminal of a width as its output; return that without colours."""
    ours, theirs = os.openpty()
    done = subprocess.Popen(
        [*SINKWELL, *arguments, "--data-dir", str(instance.data_dir)],
        env={**os.environ, "COLUMNS": str(width), "TERM": "xterm"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        said += piece
    os.close(ours)
    assert done.wait(60) == 0, said
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said.decode()).replace("\r", "")


@pytest.mark.parametrize("command", [["files"], ["deliveries"], ["events"], ["ledger", "rebuild"]])
def test_a_damaged_ledger_is_told_with_its_cure(tmp_path: Path, command: list[str]) -> None:
    instance = Instance(tmp_path)
    instance.data_dir.mkdir()
    (instance.data_dir / "ledger.sqlite3").write_bytes(b"no database at all " * 100)

    done = instance.run(*command)

    if command == ["ledger", "rebuild"]:
        assert (done.returncode, done.stderr) == (0, "")
        assert "the old ledger is kept as" in done.stdout
    else:
        assert done.returncode == 1
        assert "sinkwell ledger rebuild" in done.stderr
        assert "Traceback" not in done.stderr
