"""Deliveries of a real process: dead sinks, orderly ends, second tries, lost ledgers."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import moody_sink
import pytest
from instances import READY_WITHIN, Instance
from intake_support import assert_problem

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
MakeInstance = Callable[..., Instance]


class Moods:
    """Sinks of type ``moody`` of one instance, and how they feel."""

    def __init__(self, directory: Path, *names: str) -> None:
        self._directory = directory
        self.environ = {"PYTHONPATH": moody_sink.install(directory / "plugin")}
        self.settings = "".join(self._section(name) for name in names)
        for name in names:
            self.set(name, "well")

    def set(self, name: str, mood: str) -> None:
        (self._directory / name).write_text(mood)

    def stored(self, name: str) -> int:
        root = self._directory / f"{name}-root"
        return sum(path.is_file() for path in root.rglob("*"))

    def _section(self, name: str) -> str:
        mood, root = self._directory / name, self._directory / f"{name}-root"
        return f'\n[sinks.{name}]\ntype = "moody"\nmood = "{mood}"\nroot = "{root}"\n'


@pytest.fixture
def make_moody(
    make_instance: MakeInstance, tmp_path: Path
) -> Callable[..., tuple[Instance, Moods]]:
    """Return a maker of instances with one local sink and the moody sinks named."""

    def make(*names: str, extra_settings: str = "") -> tuple[Instance, Moods]:
        moods = Moods(tmp_path / f"moods-{'-'.join(names)}", *names)
        settings = moods.settings + extra_settings
        return make_instance(extra_settings=settings, environ=moods.environ), moods

    return make


def post_many(instance: Instance, count: int, prefix: str = "token") -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda n: instance.post(f"{prefix}{n:04}", PICTURE), range(count))
        assert {answer.status_code for answer in answers} == {200}


def deliveries(instance: Instance, sink: str) -> dict[str, dict[str, object]]:
    """Return the deliveries of a sink by token."""
    return {row["token"]: row for row in instance.rows("deliveries", "--sink", sink)}


def states(instance: Instance) -> dict[str, str]:
    """Return the state of each sink's delivery, of the one file that there is."""
    return {row["sink"]: row["state"] for row in instance.rows("deliveries")}


def wait_until(condition: Callable[[], bool], within: float = 30.0) -> None:
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def settled(instance: Instance, sink: str) -> list[float]:
    """Return how long each delivery of a sink took from its callback on, in seconds, sorted."""
    rows = instance.rows("deliveries", "--sink", sink, "--state", "stored")
    return sorted(row["settled_at"] - row["created_at"] for row in rows)


def wait_settled(instance: Instance, sink: str, count: int) -> None:
    wait_until(lambda: len(settled(instance, sink)) == count)


def test_dead_sinks_never_delay_another(
    make_moody: Callable[..., tuple[Instance, Moods]],
) -> None:
    p99 = {}
    for name, mood_of in (("alone", {}), ("beside the dead", {"hole": "hang", "stuck": "block"})):
        instance, moods = make_moody(*mood_of)
        for sink, mood in mood_of.items():
            moods.set(sink, mood)
        instance.start()
        post_many(instance, 300)
        wait_settled(instance, "local", 300)
        p99[name] = settled(instance, "local")[296]
        instance.kill()

    assert p99["beside the dead"] <= max(1.5 * p99["alone"], 0.5), p99


@contextmanager
def load(instance: Instance) -> Iterator[list[str]]:
    """Post without a pause, and collect the tokens that were answered 2xx."""
    answered: list[str] = []
    stop = threading.Event()

    def post(client: int) -> None:
        number = 0
        while not stop.is_set():
            token = f"client{client}n{number:05}"
            number += 1
            try:
                if instance.post(token, PICTURE).is_success:
                    answered.append(token)
            except httpx.TransportError:
                return

    threads = [threading.Thread(target=post, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_sigterm_under_load_ends_in_time_and_loses_no_file_and_no_attempt(
    make_moody: Callable[..., tuple[Instance, Moods]],
) -> None:
    instance, moods = make_moody("hole", "stuck")
    moods.set("hole", "hang")
    moods.set("stuck", "block")
    instance.start()
    with load(instance) as answered:
        wait_until(lambda: len(answered) > 50)
        assert instance.stop(within=30.0) == 0, instance.log_text()
    log = instance.log_text()
    assert "Traceback" not in log

    moods.set("hole", "well")
    moods.set("stuck", "well")
    instance.start()
    instance.wait_drained()

    for sink in ("local", "hole", "stuck"):
        rows = deliveries(instance, sink)
        assert set(answered) <= rows.keys(), "what was answered is delivered"
        assert {row["state"] for row in rows.values()} == {"stored"}
        assert {row["attempts"] for row in rows.values()} == {1}, "what hung was handed back"
    assert moods.stored("hole") == moods.stored("stuck") == len(instance.stored())


def test_a_second_process_on_the_same_data_is_refused(instance: Instance) -> None:
    assert instance.process is not None

    second = instance.run("serve", "--port", "0")

    assert second.returncode == 1
    assert f"process {instance.process.pid})" in second.stderr
    assert "--data-dir" in second.stderr
    assert "Traceback" not in second.stderr
    assert instance.post("token", PICTURE).status_code == 200, "the first one is not disturbed"


def test_a_final_delivery_is_tried_again_on_request_running_or_not(
    make_moody: Callable[..., tuple[Instance, Moods]],
) -> None:
    instance, moods = make_moody("moody")
    moods.set("moody", "reject")
    instance.start()
    post_many(instance, 2)
    instance.wait_drained()
    first, second = deliveries(instance, "moody").values()
    assert (first["state"], first["error"]) == ("rejected", "it does not like this file")
    moods.set("moody", "well")

    asked = instance.run("deliveries", "retry", str(first["id"]))
    assert (asked.returncode, asked.stderr) == (0, "")
    instance.wait_drained()
    assert deliveries(instance, "moody")[str(first["token"])]["state"] == "stored"

    assert instance.stop() == 0
    asked = instance.run("deliveries", "retry", str(second["id"]))
    assert (asked.returncode, asked.stderr) == (0, "")
    assert deliveries(instance, "moody")[str(second["token"])]["state"] == "pending"
    instance.start()
    instance.wait_drained()
    assert deliveries(instance, "moody")[str(second["token"])]["state"] == "stored"


@pytest.mark.parametrize("running", [True, False])
def test_a_delivery_that_waits_is_given_up_on_request_and_its_file_comes_to_an_end(
    make_moody: Callable[..., tuple[Instance, Moods]], running: bool
) -> None:
    instance, moods = make_moody("moody")
    moods.set("moody", "broken")
    instance.start()
    post_many(instance, 1)
    wait_until(lambda: states(instance) == {"moody": "pending", "local": "stored"})
    (waiting,) = deliveries(instance, "moody").values()
    if not running:
        assert instance.stop() == 0

    done = instance.run("deliveries", "cancel", str(waiting["id"]))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "is given up" in done.stdout

    assert states(instance) == {"moody": "cancelled", "local": "stored"}
    (file,) = instance.rows("files")
    assert (file["state"], file["in_spool"]) == ("finished", True)
    told = [event for event in instance.rows("events") if event["subject"] == file["id"]]
    assert [event["type"] for event in told[-2:]] == ["delivery.cancelled", "file.finished"]
    assert told[-1]["data"]["stored"] == told[-1]["data"]["failed"] == 1
    again = instance.run("deliveries", "cancel", str(waiting["id"]))
    assert (again.returncode, "cancelled already" in again.stderr) == (1, True)

    moods.set("moody", "well")
    assert instance.run("deliveries", "retry", str(waiting["id"])).returncode == 0
    if not running:
        instance.start()
    instance.wait_drained()
    assert states(instance) == {"moody": "stored", "local": "stored"}


def test_a_delivery_that_is_being_tried_is_not_given_up(
    make_moody: Callable[..., tuple[Instance, Moods]],
) -> None:
    instance, moods = make_moody("moody")
    moods.set("moody", "hang")
    instance.start()
    post_many(instance, 1)
    wait_until(lambda: states(instance) == {"moody": "leased", "local": "stored"})
    (leased,) = deliveries(instance, "moody").values()

    answer = instance.ask("POST", f"{instance.url}/api/v1/deliveries/{leased['id']}/cancel")
    problem = assert_problem(answer, 409, "conflict")
    assert "being tried" in problem["detail"]
    assert states(instance) == {"moody": "leased", "local": "stored"}

    unknown = instance.ask("POST", f"{instance.url}/api/v1/deliveries/d0/cancel")
    assert_problem(unknown, 404, "not-found")


@pytest.mark.parametrize("running", [True, False])
def test_a_retry_that_makes_no_sense_is_refused_with_the_reason(
    instance: Instance, running: bool
) -> None:
    instance.post("token", PICTURE)
    instance.wait_drained()
    (delivery,) = instance.rows("deliveries")
    if not running:
        instance.stop()

    unknown = instance.run("deliveries", "retry", "d-unknown")
    assert (unknown.returncode, "no delivery d-unknown" in unknown.stderr) == (1, True)
    gone = instance.run("deliveries", "retry", delivery["id"])
    assert (gone.returncode, "has left the spool" in gone.stderr) == (1, True)


def overwrite(instance: Instance) -> None:
    for path in instance.data_dir.glob("ledger.sqlite3*"):
        path.write_bytes(os.urandom(max(path.stat().st_size, 8192)))


def delete(instance: Instance) -> None:
    for path in instance.data_dir.glob("ledger.sqlite3*"):
        path.unlink()


@pytest.mark.parametrize("damage", [overwrite, delete])
def test_a_lost_ledger_is_rebuilt_from_the_spool_and_every_waiting_file_delivered(
    make_moody: Callable[..., tuple[Instance, Moods]], damage: Callable[[Instance], None]
) -> None:
    instance, moods = make_moody("moody")
    moods.set("moody", "broken")
    instance.start()
    post_many(instance, 30)
    wait_settled(instance, "local", 30)
    instance.kill()
    damage(instance)

    rebuilt = instance.run("ledger", "rebuild", "--config", str(instance.config))
    assert (rebuilt.returncode, rebuilt.stderr) == (0, "")
    assert "30 files recorded anew" in rebuilt.stdout

    moods.set("moody", "well")
    instance.start()
    instance.wait_drained()
    for sink in ("local", "moody"):
        rows = deliveries(instance, sink)
        assert len(rows) == 30
        assert {row["state"] for row in rows.values()} == {"stored"}
    assert moods.stored("moody") == len(instance.stored()) == 30


def test_a_damaged_ledger_is_said_so_with_the_cure_and_kept_by_it(instance: Instance) -> None:
    instance.post("token", PICTURE)
    instance.kill()
    overwrite(instance)
    garbage = (instance.data_dir / "ledger.sqlite3").read_bytes()

    process = instance.launch()
    assert process.wait(READY_WITHIN) == 1
    log = instance.log_text()
    assert "`sinkwell ledger rebuild`" in log
    assert "Traceback" not in log

    rebuilt = instance.run("ledger", "rebuild", "--config", str(instance.config))
    assert rebuilt.returncode == 0, rebuilt.stderr
    (kept,) = instance.data_dir.glob("ledger.sqlite3.*.old")
    assert kept.read_bytes() == garbage, "the old one is set aside, not removed"
