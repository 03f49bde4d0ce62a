"""Webhooks: what they say, how they are signed, and what their answers mean."""

import asyncio
import base64
import datetime as dt
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hooks import LOOPBACK, PRIVATE_KEY, SECRET, Hook
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from sinkwell.contract import (
    Event,
    GoneError,
    Notifier,
    NotifierContext,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell.contract.events import (
    CallbackProviderFailed,
    Delivered,
    DeliveryExhausted,
    DeliveryStored,
    Fact,
    FileFailed,
    FileFinished,
    SinkPaused,
)
from sinkwell.contract.settings import decode_custom
from sinkwell.notifiers.signing import Signer, parse_private_key, parse_secret, public_key
from sinkwell.notifiers.webhook import WEBHOOK
from sinkwell.notifiers.webhook_settings import WebhookSettings

OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
NAMED: dict[str, Any] = {"file_id": "f1", "source": "shotbot", "provider_id": "abc"}
STORED = Delivered(sink="archive", state="stored", key="a/abc.png", location="s3://b/a/abc.png")
LOST = Delivered(sink="mirror", state="exhausted", key="abc.png", location=None)
FINISHED = FileFinished(**NAMED, stored=1, failed=1, deliveries=(STORED, LOST))


def event(fact: Fact = FINISHED, position: int = 7) -> Event:
    return Event(
        position=position, id=f"e{position}", type=fact.TYPE, time=1.5, subject="f1", data=fact
    )


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


def settings(url: str, **keys: Any) -> WebhookSettings:
    section = {"type": "webhook", "url": url, "allow_networks": LOOPBACK, **keys}
    return msgspec.convert(section, WebhookSettings, dec_hook=decode_custom)


@asynccontextmanager
async def opened(url: str, **keys: Any) -> AsyncIterator[Any]:
    notifier = await WEBHOOK.open(settings(url, **keys), NotifierContext("app"))
    try:
        yield notifier
    finally:
        await notifier.close()


async def raised(notifier: Notifier) -> SinkError:
    with pytest.raises(SinkError) as caught:
        await notifier.notify(event())
    return caught.value


# --- signatures -------------------------------------------------------------------------------


async def test_the_official_library_verifies_each_secret_of_a_rotation(hook: Hook) -> None:
    async with opened(hook.url, secret=SECRET, secrets=[OTHER_SECRET]) as notifier:
        await notifier.notify(event())

    (post,) = hook.taken
    for secret in (SECRET, OTHER_SECRET):
        assert Webhook(secret).verify(post.body, post.headers) == post.event
    stranger = base64.b64encode(b"the secret of a stranger").decode()
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify(post.body, post.headers)
    assert post.headers["content-type"] == "application/json"
    assert post.headers["user-agent"].startswith("Sinkwell/")


async def test_a_repeat_has_the_same_id_and_the_time_of_its_own(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    async with opened(hook.url, secret=SECRET) as notifier:
        await notifier.notify(event())
        monkeypatch.setattr(time, "time", lambda: now + 90)
        await notifier.notify(event())

    first, second = hook.taken
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "e7"
    times = [int(post.headers["webhook-timestamp"]) for post in (first, second)]
    assert 89 <= times[1] - times[0] <= 91
    assert Webhook(SECRET).verify(second.body, second.headers)


async def test_the_published_key_verifies_an_ed25519_signature(hook: Hook) -> None:
    async with opened(hook.url, secret=SECRET, signing_key=PRIVATE_KEY) as notifier:
        await notifier.notify(event())

    (published,) = settings(hook.url, signing_key=PRIVATE_KEY).public_keys
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(published.removeprefix("whpk_")))
    (post,) = hook.taken
    shared, own = post.headers["webhook-signature"].split(" ")
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode()
    assert shared.startswith("v1,")
    key.verify(base64.b64decode(own.removeprefix("v1a,")), signed + post.body)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(own.removeprefix("v1a,")), signed + post.body + b" ")


@given(st.text(max_size=200), st.integers(0, 2**40), st.binary(max_size=200))
def test_signatures_are_those_of_the_official_library(
    text: str, timestamp: int, body: bytes
) -> None:
    signed = Signer([parse_secret(SECRET)]).sign("id", timestamp, text.encode() + body)
    message = f"id.{timestamp}.".encode() + text.encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, message, "sha256")).decode()
    assert signed["webhook-signature"] == f"v1,{expected}"


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda b: base64.b64encode(b).decode()))
def test_what_is_no_key_is_refused_without_being_shown(written: str) -> None:
    for parse, prefix in ((parse_secret, "whsec_"), (parse_private_key, "whsk_")):
        for text in (written, prefix + written):
            shown = ""
            try:
                parse(text)
            except ValueError as error:
                shown = str(error)
            assert len(written) < 8 or written not in shown


def test_a_key_with_its_public_half_behind_is_the_same_key() -> None:
    seed = base64.b64decode(PRIVATE_KEY.removeprefix("whsk_"))
    alone = parse_private_key(PRIVATE_KEY)
    whole = base64.b64encode(seed + alone.public_key().public_bytes_raw()).decode()
    assert public_key(parse_private_key(f"whsk_{whole}")) == public_key(alone)


# --- formats ----------------------------------------------------------------------------------


async def test_the_body_is_the_event_as_the_api_shows_it(hook: Hook) -> None:
    async with opened(hook.url) as notifier:
        await notifier.notify(event())

    (post,) = hook.taken
    assert post.event == json.loads(msgspec.json.encode(event().as_dict()))
    assert "webhook-signature" not in post.headers


async def test_cloudevents_are_sent_in_structured_mode(hook: Hook) -> None:
    async with opened(hook.url, format="cloudevents", secret=SECRET) as notifier:
        await notifier.notify(event())
        await notifier.notify_batch([event(), event(position=8)])

    one, several = hook.taken
    assert one.headers["content-type"] == "application/cloudevents+json"
    assert {"specversion", "id", "source", "type"} <= one.event.keys()
    assert one.event["time"] == "1970-01-01T00:00:01.500Z"
    assert several.headers["content-type"] == "application/cloudevents-batch+json"
    assert [each["id"] for each in json.loads(several.body)] == ["e7", "e8"]


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (FINISHED, {
            "event": "screenshot.finished", "screenshot_id": "abc", "status": "finished",
            "image_url": None,
            "apps": {"archive": {"status": "finished", "path": "a/abc.png"},
                     "mirror": {"status": "failed", "path": "abc.png"}}}),
        (FileFailed(**NAMED, failed=1, deliveries=(LOST,)), {
            "event": "screenshot.failed", "screenshot_id": "abc", "status": "failed",
            "image_url": None, "apps": {"mirror": {"status": "failed", "path": "abc.png"}}}),
        (CallbackProviderFailed(
            callback_id="c1", source="shotbot", provider_id="abc", provider_status="ERR"), {
            "event": "screenshot.failed", "screenshot_id": "abc", "status": "failed",
            "image_url": None, "apps": {}}),
        (DeliveryStored(**NAMED, delivery_id="d1", sink="archive", key="k", attempt=1,
                        location="s3://b/k"), {
            "event": "app.upload.finished", "screenshot_id": "abc", "status": "finished",
            "image_url": None, "apps": {"archive": {"status": "finished", "path": "k"}}}),
        (DeliveryExhausted(**NAMED, delivery_id="d1", sink="archive", key="k", attempt=3,
                           error="503"), {
            "event": "app.upload.failed", "screenshot_id": "abc", "status": "failed",
            "image_url": None, "apps": {"archive": {"status": "failed", "path": "k"}}}),
        (SinkPaused(sink="archive", error="403"), {
            "event": "sink.paused", "screenshot_id": None, "status": None,
            "image_url": None, "apps": {}}),
    ],
    ids=lambda each: getattr(each, "TYPE", ""),
)  # fmt: skip
async def test_receivers_of_screenshotcenter_read_it_as_its_own(
    hook: Hook, fact: Fact, expected: dict[str, Any]
) -> None:
    async with opened(hook.url, format="screenshotcenter", secret="any text") as notifier:
        await notifier.notify(event(fact))

    (post,) = hook.taken
    assert post.event == expected
    signature = hmac.new(b"any text", post.body, "sha256").hexdigest()
    assert post.headers["x-screenshotcenter-signature"] == signature
    assert post.headers["x-screenshotcenter-event"] == expected["event"]
    assert post.headers["webhook-id"] == "e7", "so that a repeat is known"


async def test_a_template_makes_any_body(hook: Hook) -> None:
    template = '{"text": {{ ("stored: " ~ event.data.deliveries[0].key) | tojson }}}'
    async with opened(hook.url, format="template", template=template) as notifier:
        await notifier.notify(event())

    assert hook.taken[0].event == {"text": "stored: a/abc.png"}


@pytest.mark.parametrize(
    "template",
    ["{{ event.nothing }}", "{{ event.__class__.__mro__ }}", "{{ ''.__class__.__subclasses__() }}",
     "{% for i in range(10000000000) %}{% endfor %}", "{{ event.update(id='other') }}"],
)  # fmt: skip
async def test_a_template_stays_within_its_sandbox(hook: Hook, template: str) -> None:
    async with opened(hook.url, format="template", template=template) as notifier:
        with pytest.raises(RejectedError, match="the template cannot be rendered"):
            await notifier.notify(event())
    assert hook.posts == []


async def test_a_batch_is_one_post_whose_id_follows_from_those_of_its_events(hook: Hook) -> None:
    events = [event(position=number) for number in (7, 8)]
    async with opened(hook.url, secret=SECRET) as notifier:
        await notifier.notify_batch(events)
        await notifier.notify_batch(events)
        await notifier.notify_batch(events[:1])

    first, again, other = hook.taken
    assert [each["id"] for each in first.event["events"]] == ["e7", "e8"]
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.headers["webhook-id"] != other.headers["webhook-id"]
    assert Webhook(SECRET).verify(first.body, first.headers)


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_2xx_is_enough(hook: Hook, status: int) -> None:
    async with opened(hook.url) as notifier:
        with hook.behaving(status=status):
            await notifier.notify(event())


@pytest.mark.parametrize(
    ("status", "error"),
    [(301, TransientError), (302, TransientError), (304, TransientError), (400, TransientError),
     (404, TransientError), (422, TransientError), (500, TransientError), (503, TransientError),
     (401, UnusableError), (403, UnusableError), (410, GoneError)],
)  # fmt: skip
async def test_what_other_answers_mean(hook: Hook, status: int, error: type[SinkError]) -> None:
    manner: dict[str, Any] = {"status": status, "body": b"\x1b[31mnot\nnow"}
    if status == 304:
        manner["body"] = b""
    async with opened(hook.url) as notifier:
        with hook.behaving(**manner):
            found = await raised(notifier)

    assert type(found) is error
    assert f"notifier 'app': 127.0.0.1 answered {status}" in str(found)
    assert str(found).isprintable()


async def test_a_redirect_is_not_followed(hook: Hook) -> None:
    async with opened(hook.url) as notifier:
        with hook.behaving(status=302, headers=(("Location", hook.url),)):
            assert "write the final address into url" in str(await raised(notifier))
    assert len(hook.posts) == 1


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("0", 0, 0), ("soon", None, None), ("-5", None, None), ("9" * 400, 86400, 86400),
     (format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=5), usegmt=True), 7200, 18000),
     (format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(hours=1), usegmt=True), 0, 0)],
    ids=["seconds", "none", "words", "negative", "huge", "in five hours", "an hour ago"],
)  # fmt: skip
async def test_retry_after_is_read_as_seconds_or_as_a_date(
    hook: Hook, header: str, least: float | None, most: float | None
) -> None:
    async with opened(hook.url) as notifier:
        with hook.behaving(status=429, headers=(("Retry-After", header),)):
            found = await raised(notifier)

    assert isinstance(found, TransientError)
    if least is None:
        assert found.retry_after is None
    else:
        assert found.retry_after is not None
        assert most is not None
        assert least <= found.retry_after <= most


async def test_a_huge_answer_is_not_read_to_its_end(hook: Hook) -> None:
    async with opened(hook.url) as notifier:
        for status in (200, 500):
            with hook.behaving(status=status, does="sends for ever"):
                async with asyncio.timeout(5):
                    if status == 200:
                        await notifier.notify(event())
                    else:
                        assert "answered 500: xxx" in str(await raised(notifier))
    assert hook.bytes_sent < 20_000_000, "what the two sides' buffers hold, and no more"


async def test_a_2xx_whose_body_hangs_was_taken(hook: Hook) -> None:
    async with opened(hook.url) as notifier:
        with hook.behaving(status=200, does="hangs in its body"):
            await notifier.notify(event())
        await notifier.notify(event())
    assert len(hook.taken) == 2


async def test_faults_of_the_line_are_told_as_such_and_pass(hook: Hook) -> None:
    async with opened(hook.url, timeout=0.3) as notifier:
        for manner in ("hangs", "resets"):
            with hook.behaving(does=manner):
                assert isinstance(await raised(notifier), TransientError)
        with hook.away():
            found = await raised(notifier)
            assert isinstance(found, TransientError)
            assert "cannot be connected to" in str(found)
        await notifier.notify(event())
    assert len(hook.taken) == 1


# --- where to ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "0",
     "169.254.169.254", "10.0.0.1", "[fe80::1]", "[64:ff9b::7f00:1]"],
)  # fmt: skip
async def test_private_addresses_are_not_called_unless_they_are_allowed(
    hook: Hook, host: str
) -> None:
    url = f"http://{host}:{hook.port}/hooks"
    async with opened(url, allow_networks=[], timeout=2) as notifier:
        found = await raised(notifier)
    assert hook.posts == []
    assert isinstance(found, UnusableError | TransientError)
    if host == "127.0.0.1":
        assert "allow_networks" in str(found)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": "ftp://example.com"}, "url must be an address"),
        ({"url": "https://user:pass@example.com/"}, "url must hold no user"),
        ({"secret": "whsec_not base64"}, "secret is not whsec_"),
        ({"secret": "whsec_c2hvcnQ="}, "at least 16 bytes"),
        ({"secrets": ["?"]}, "secrets is not whsec_"),
        ({"signing_key": "whsk_c2hvcnQ="}, "signing_key is not whsk_"),
        ({"allow_networks": ["10.0.0.1/8"]}, "allow_networks '10.0.0.1/8' is no network"),
        ({"format": "template"}, "template and format"),
        ({"template": "x"}, "template and format"),
        ({"format": "template", "template": "{{"}, "template is no Jinja template"),
        ({"content_type": "text/plain\r\nX: y"}, "content_type"),
        ({"format": "screenshotcenter", "batch": {}}, "batch is not for this format"),
        ({"concurrency": 0}, "concurrency must be"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        settings(**{"url": "https://example.com/hooks", **keys})
    assert said in str(caught.value)
    assert "not base64" not in str(caught.value)
