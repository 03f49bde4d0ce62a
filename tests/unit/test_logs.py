"""The log: lines for programs or for the eye, and never a secret in one."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from sinkwell.contract import Event, NotifierContext, NotifierSettings, Secret
from sinkwell.contract.events import DeliveryStored
from sinkwell.logs import Redactor, configure, secrets_in
from sinkwell.notifiers.log import LOG

PASSWORD = "hunter2-and-more"
SECRET = Secret(PASSWORD)

Lines = Callable[[], list[str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Return what was logged since the last call; the log is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def read() -> list[str]:
        return capsys.readouterr().err.splitlines()

    yield read
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def cleaned(record: dict[str, Any], *secrets: Secret) -> dict[str, Any]:
    return dict(Redactor(secrets or (SECRET,))(None, "info", record))


class Shown:
    """Something whose repr holds the secret."""

    def __repr__(self) -> str:
        return f"Shown({PASSWORD})"


@pytest.mark.parametrize(
    "value",
    [
        PASSWORD,
        f"a text with {PASSWORD} in it",
        [f"Bearer {PASSWORD}"],
        ("a", ["b", {"c": PASSWORD}]),
        {"outer": {"inner": {PASSWORD: 1}}},
        {PASSWORD},
        PASSWORD.encode(),
        ValueError(PASSWORD),
        Shown(),
        {"deep": [Shown()]},
    ],
)
def test_a_known_secret_is_blacked_out_wherever_it_stands(value: object) -> None:
    record = cleaned({"event": f"hello {PASSWORD}", "field": value})

    assert PASSWORD not in str(record)
    assert "***" in str(record["field"])
    assert record["event"] == "hello ***"


texts = st.text(alphabet=st.characters(exclude_characters="*", exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


@given(st.data())
def test_no_secret_survives_in_any_structure(data: st.DataObject) -> None:
    secret = data.draw(texts.filter(lambda text: len(text) >= 4 and not text.isdigit()))
    before, after = data.draw(texts), data.draw(texts)
    hidden = data.draw(st.sampled_from((secret, repr(secret)[1:-1])))
    field = [{"a": (before + hidden + after,)}, data.draw(values)]

    (first, _) = cleaned({"event": "x", "field": field}, Secret(secret))["field"]

    assert secret not in first["a"][0]
    assert hidden not in first["a"][0]


@pytest.mark.parametrize("secret", ["pass word/1+1=2&x", "käse'\"\\\n"])
def test_a_secret_within_a_url_or_a_repr_is_blacked_out(secret: str) -> None:
    record = cleaned(
        {
            "event": f"GET https://example.com/?key={quote(secret, safe='')}&b=1",
            "path": f"/{quote(secret)}/x",
            "error": str(KeyError(secret)),
        },
        Secret(secret),
    )

    assert record == {
        "event": "GET https://example.com/?key=***&b=1",
        "path": "/***/x",
        "error": "'***'",
    }


@pytest.mark.parametrize(
    "name",
    ["callback_secret", "Authorization", "api_key", "apikey", "X-Signature", "admin_token",
     "password"],
)  # fmt: skip
def test_a_field_with_a_suspect_name_is_blacked_out_on_every_level(name: str) -> None:
    record = cleaned({"event": "x", name: "unknown value", "headers": {name: ["unknown value"]}})

    assert record == {"event": "x", name: "***", "headers": {name: "***"}}


def test_what_is_no_secret_is_left_as_it_is() -> None:
    record = {"event": "stored", "key": "a/b.png", "size": 7, "paused_for": 1.5, "ok": True}

    assert cleaned(dict(record)) == record
    assert cleaned(dict(record), Secret("red")) == record, "too short: it would eat words"


def test_the_longer_of_two_secrets_is_blacked_out_whole() -> None:
    record = cleaned({"event": "abcd-efgh"}, Secret("abcd"), Secret("abcd-efgh"))

    assert record["event"] == "***"


class Section(msgspec.Struct):
    secrets: tuple[Secret, ...] = ()
    headers: dict[str, Secret | str] = {}
    inner: "Section | None" = None


def test_every_secret_of_the_settings_is_found() -> None:
    section = Section(
        (Secret("one"), Secret("two")), {"a": Secret("three"), "b": "x"}, Section((Secret("four"),))
    )

    assert [secret.reveal() for secret in secrets_in({"app": section})] == [
        "one",
        "two",
        "three",
        "four",
    ]


def test_json_lines_can_be_read_by_a_program(lines: Lines) -> None:
    configure("json", "info")
    structlog.get_logger().info("stored", key="bücher/ü.png", size=7, odd=b"\xff", none=None)

    (line,) = map(json.loads, lines())
    assert line["event"] == "stored"
    assert (line["key"], line["size"], line["none"]) == ("bücher/ü.png", 7, None)
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_a_hostile_value_does_not_break_the_log(lines: Lines) -> None:
    configure("json", "info")
    structlog.get_logger().info(
        "set aside", path="name-\udcff", what=object(), nested={1: "\ud800"}
    )

    (line,) = map(json.loads, lines())
    assert line["path"] == "name-\udcff"


def test_the_console_shows_the_same_for_the_eye(lines: Lines) -> None:
    configure("console", "info")
    structlog.get_logger().info("stored", key="a/b.png")

    (line,) = lines()
    assert "stored" in line
    assert "key=a/b.png" in line
    assert not line.startswith("{")


def test_without_a_terminal_the_default_is_json(lines: Lines) -> None:
    configure("auto", "info")
    structlog.get_logger().info("stored")

    assert json.loads(lines()[0])["event"] == "stored"


def test_only_what_is_important_enough_is_logged(lines: Lines) -> None:
    configure("json", "warning")
    structlog.get_logger().info("small talk")
    structlog.get_logger().warning("something is wrong")

    assert [json.loads(line)["event"] for line in lines()] == ["something is wrong"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_leaves_through_an_exception_or_a_librarys_log(lines: Lines, style: Any) -> None:
    configure(style, "info", [SECRET])
    try:
        os.environ[PASSWORD]
    except KeyError as error:
        structlog.get_logger().error("it broke", exc_info=error)
        structlog.get_logger().exception("it broke")
        logging.getLogger("library").exception("it broke with %s", PASSWORD)
    logging.getLogger("library").warning("connecting to %s", {"password": PASSWORD})

    text = "\n".join(lines())
    assert PASSWORD not in text
    assert text.count("KeyError") >= 3, "the traceback itself is there"
    assert text.count("it broke") >= 3


@pytest.mark.parametrize(("style", "shown"), [("json", '"sink": "archive"'),
                                              ("console", "sink=archive")])  # fmt: skip
async def test_the_log_notifier_prints_each_event(lines: Lines, style: Any, shown: str) -> None:
    configure(style, "info")
    notifier = await LOG.open(NotifierSettings(type="log"), NotifierContext(name="events"))
    stored = DeliveryStored(
        delivery_id="d1",
        file_id="f1",
        source="shotbot",
        provider_id="token",
        sink="archive",
        key="a.png",
        location="s3://bucket/a.png",
        attempt=1,
    )
    await notifier.notify(
        Event(position=7, id="e1", type=stored.TYPE, time=1.0, subject="f1", data=stored)
    )
    await notifier.close()

    (line,) = lines()
    assert "delivery.stored" in line
    assert shown in line
    assert "s3://bucket/a.png" in line
    assert "events" in line
