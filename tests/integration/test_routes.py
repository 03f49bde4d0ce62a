"""Files that no route takes are kept, told of, and delivered once a route takes them."""

import json
from collections.abc import Callable

from instances import SETTINGS, Instance

from sinkwell import samples

PDF_ONLY = """
[[routes]]
source = "*"
sinks = ["local"]
when = {{ media_type = "application/pdf" }}
"""


def test_a_file_that_no_route_takes_waits_in_the_spool_until_one_does(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(settings=SETTINGS + PDF_ONLY)
    instance.start()
    picture = samples.png("kept")
    instance.post("kept1", picture)
    instance.post("pdf1", samples.pdf("sent"))
    instance.wait_drained()

    (kept,) = instance.rows("files", "--state", "unrouted")
    assert (kept["token"], kept["in_spool"]) == ("kept1", True)
    assert [delivery["token"] for delivery in instance.rows("deliveries")] == ["pdf1"]
    told = [each["data"] for each in instance.rows("events") if each["type"] == "file.unrouted"]
    assert [fact["file_id"] for fact in told] == [kept["id"]]

    explained = instance.run_plain(
        *("routes", "explain", kept["id"], "--json", "--config", str(instance.config)),
        *("--data-dir", str(instance.data_dir)),
    )
    (route,) = map(json.loads, explained.stdout.splitlines())
    assert (route["takes"], route["deliveries"]) == (False, [])
    assert route["why_not"] == 'its media type "image/png", not application/pdf'

    instance.stop()
    instance.settings = SETTINGS
    instance.start()
    instance.wait_drained()

    assert picture in instance.stored().values()
    assert instance.rows("files", "--state", "unrouted") == []
    assert "file.routed" in {each["type"] for each in instance.rows("events")}


def test_a_file_that_waits_for_a_route_survives_a_kill_and_is_delivered_once(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(settings=SETTINGS + PDF_ONLY)
    instance.start()
    tokens = [f"kept{number}" for number in range(5)]
    for token in tokens:
        instance.post(token, samples.png(token))
    instance.kill()
    instance.start()
    assert len(instance.rows("files", "--state", "unrouted")) == 5

    instance.kill()
    instance.settings = SETTINGS
    instance.start()
    instance.kill()
    instance.start()
    instance.wait_drained()

    assert sorted(row["token"] for row in instance.rows("deliveries")) == tokens
    assert len(instance.stored()) == 5
