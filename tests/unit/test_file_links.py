"""Links to files: made, read, and not to be tampered with; what is asked for of a file."""

import base64
import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkwell.clock import Clock
from sinkwell.contract import Event, RejectedError, Secret, Sink, TransientError
from sinkwell.contract.events import (
    DeliveryStored,
    Fact,
    FileAccepted,
    FileFailed,
    FileQuarantined,
    SinkPaused,
)
from sinkwell.intake.callback_urls import CallbackUrls
from sinkwell.masking import without_signatures
from sinkwell.notifiers.chat import ChatSettings
from sinkwell.notifiers.formats import TemplateFormat
from sinkwell.sharing.links import (
    ExpiredLinkError,
    FileLinks,
    ForgedLinkError,
    Linker,
    Via,
)
from sinkwell.sharing.model import SharedFile, Shelf
from sinkwell.signing_key import SigningKey
from sinkwell.web.ranges import UnsatisfiableError, asked_range

NOW = 1_795_582_935.25
KEY = bytes(range(32))
LINKS = FileLinks(SigningKey(KEY, "file-links"), "https://hooks.example.com")
SIGNED = string.ascii_letters + string.digits + "-_."


def signed(file_id: str = "f1", life: float = 60.0) -> str:
    """Return the parameter of a link."""
    (text,) = parse_qs(urlsplit(LINKS.make(file_id, NOW + life).url).query)["sig"]
    return text


# --- good and bad -----------------------------------------------------------------------------


@given(st.text(max_size=40), st.floats(1.0, 1e8))
def test_a_link_is_good_for_its_file_until_it_expires(file_id: str, life: float) -> None:
    link = LINKS.make(file_id, NOW + life)
    text = signed(file_id, life)

    assert NOW + life <= link.expires_at < NOW + life + 1
    LINKS.check(file_id, text, NOW)
    LINKS.check(file_id, text, link.expires_at - 0.001)
    with pytest.raises(ExpiredLinkError):
        LINKS.check(file_id, text, link.expires_at)


@pytest.mark.parametrize("place", range(len(signed())))
def test_no_character_of_it_can_be_changed(place: int) -> None:
    text = signed()
    for other in SIGNED:
        changed = text[:place] + other + text[place + 1 :]
        if changed != text:
            with pytest.raises(ForgedLinkError):
                LINKS.check("f1", changed, NOW)


@given(st.text() | st.text(SIGNED, min_size=40, max_size=60), st.text(max_size=40))
def test_what_was_not_made_here_is_refused(text: str, file_id: str) -> None:
    with pytest.raises(ForgedLinkError):
        LINKS.check(file_id, text, NOW)


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_signature_of_one_file_is_none_of_another(one: str, other: str) -> None:
    if one != other:
        with pytest.raises(ForgedLinkError):
            LINKS.check(other, signed(one), NOW)


def test_one_signature_has_one_spelling_and_its_time_cannot_be_moved() -> None:
    until, _, mac = signed().partition(".")
    # 32 bytes leave two bits of the last character of Base64 unused.
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    twin = mac[:-1] + alphabet[alphabet.index(mac[-1]) ^ 1]
    assert base64.urlsafe_b64decode(twin + "=") == base64.urlsafe_b64decode(mac + "=")
    later = int(until) + 1
    for text in (f"{until}.{twin}", f"0{until}.{mac}", f"{later}.{mac}", f"{until}.{mac}="):
        with pytest.raises(ForgedLinkError):
            LINKS.check("f1", text, NOW)


def test_a_key_is_for_one_purpose_even_if_its_bytes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "callback-urls.key").write_bytes(KEY)
    (tmp_path / "file-links.key").write_bytes(KEY)
    token = CallbackUrls.of(tmp_path).mint("shotbot", {"a": ""}, NOW + 60)
    links = FileLinks.of(tmp_path, "")
    text, _, mac = token.partition(".")

    assert mac not in links.make(text, NOW + 60).url
    for offered in (token, f"{int(NOW) + 60}.{mac}"):
        with pytest.raises(ForgedLinkError):
            links.check("f1", offered, NOW)
    assert links.make("f1", NOW).url == LINKS.make("f1", NOW).url.removeprefix(
        "https://hooks.example.com"
    )


def test_the_key_is_private_and_outlives_a_start(tmp_path: Path) -> None:
    made = FileLinks.of(tmp_path, "").make("f1", NOW)
    assert (tmp_path / "file-links.key").stat().st_mode & 0o777 == 0o600
    assert FileLinks.of(tmp_path, "").make("f1", NOW) == made
    (tmp_path / "file-links.key").unlink()
    assert FileLinks.of(tmp_path, "").make("f1", NOW) != made


@pytest.mark.parametrize(
    "url",
    [
        LINKS.make("f1", NOW).url,
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=a&X-Amz-Signature=0123456789abcdef",
        "https://storage.googleapis.com/b/k?X-Goog-Signature=0123456789abcdef&x=1",
    ],
)
def test_a_quoted_link_loses_its_signature(url: str) -> None:
    told = without_signatures(f'example.com answered 400: {{"bad": "{url}"}}')

    assert url.partition("?")[0] in told
    for values in parse_qs(urlsplit(url).query).values():
        secret = values[0].rpartition(".")[2]
        assert secret not in told or secret in ("a", "1")


# --- which link an event gets -----------------------------------------------------------------


@dataclass
class Signer:
    """A sink that can sign links, as far as it is asked here."""

    name: str
    error: Exception | None = None

    async def presign(self, key: str, *, expires_in: float) -> str:
        if self.error is not None:
            raise self.error
        return f"https://{self.name}/{key}?for={expires_in:g}"


FILE = SharedFile(
    file_id="f1",
    size=3,
    sha256="abc",
    media_type="image/png",
    name="a.png",
    state="finished",
    in_spool=False,
    stored=(("mute", "m"), ("one", "k1"), ("two", "k2")),
)
OF: dict[str, Any] = {"file_id": "f1", "source": "s", "provider_id": "p"}
STORED = DeliveryStored(
    **OF, delivery_id="d1", sink="two", key="k2", attempt=1, location="two://k2"
)
ACCEPTED = FileAccepted(
    **OF, callback_id="c1", size=3, sha256="abc", media_type="image/png", sinks=("two",)
)


class StoppedClock(Clock):
    def now(self) -> float:
        return NOW


def linker(*sinks: Signer, file: SharedFile | None = FILE) -> Linker:
    async def find(_: str) -> SharedFile | None:
        return file

    def shelf(sink: Signer | None) -> Shelf:
        found: Any = sink
        opened: Sink | None = found
        return Shelf(reads=False, presigns=True, opened=lambda: opened)

    shelves = {sink.name: shelf(sink) for sink in sinks}
    shelves["mute"] = Shelf(reads=True, presigns=False, opened=lambda: None)
    return Linker(LINKS, find, shelves, StoppedClock())


async def url_of(linker: Linker, fact: Fact, via: Via) -> str | None:
    event = Event(position=1, id="e1", type=fact.TYPE, time=1.0, subject="f1", data=fact)
    linked = await linker.linked(event, via, 60.0)
    assert replace_link(linked.data) == fact, "nothing else of an event changes"
    link = getattr(linked.data, "link", None)
    return None if link is None else str(link.url)


def replace_link(fact: Fact) -> Fact:
    return msgspec.structs.replace(fact, link=None) if hasattr(fact, "link") else fact


async def test_an_event_about_a_file_gets_a_link_from_whom_it_is_asked_for() -> None:
    signers = linker(Signer("one"), Signer("two"))

    assert await url_of(signers, ACCEPTED, "sinkwell") == LINKS.make("f1", NOW + 60).url
    assert await url_of(signers, ACCEPTED, "sink") == "https://one/k1?for=60"
    assert await url_of(signers, STORED, "sink") == "https://two/k2?for=60", "it is about that one"


@pytest.mark.parametrize(
    "fact",
    [
        SinkPaused(sink="one", error="full"),
        FileQuarantined(**OF, reason="it is no picture"),
        FileFailed(**OF, failed=0, deliveries=(), error="404"),
    ],
    ids=lambda fact: fact.TYPE,
)
async def test_where_there_is_nothing_to_download_there_is_no_link(fact: Fact) -> None:
    assert await url_of(linker(Signer("one")), fact, "sinkwell") is None


async def test_without_a_sink_that_has_the_file_and_signs_there_is_no_link() -> None:
    assert await url_of(linker(), STORED, "sink") is None
    assert await url_of(linker(Signer("three")), STORED, "sink") is None
    waiting = replace(FILE, stored=())
    assert await url_of(linker(Signer("one"), file=waiting), ACCEPTED, "sink") is None
    assert await url_of(linker(Signer("one"), file=None), ACCEPTED, "sink") is None
    refusing = Signer("one", RejectedError("not this one"))
    assert await url_of(linker(refusing), ACCEPTED, "sink") is None


async def test_a_sink_that_cannot_sign_just_now_makes_the_attempt_wait() -> None:
    broken = Signer("one", KeyError("a secret"))

    with pytest.raises(TransientError, match="sink 'one' can make no link") as raised:
        await url_of(linker(broken), ACCEPTED, "sink")
    assert "a secret" not in str(raised.value)
    assert await url_of(linker(broken, Signer("two")), ACCEPTED, "sink") == "https://two/k2?for=60"


async def test_a_chat_message_ends_with_the_link() -> None:
    event = Event(position=1, id="e1", type=STORED.TYPE, time=1.0, subject="f1", data=STORED)
    template = ChatSettings(type="chat", urls=(Secret("json://a"),)).template
    chat = TemplateFormat(template, "text/plain", strict=False)
    linked = await linker().linked(event, "sinkwell", 60.0)

    assert chat.one(event).body.decode() == "delivery.stored: two"
    link = LINKS.make("f1", NOW + 60).url
    assert chat.one(linked).body.decode() == f"delivery.stored: two {link}"


# --- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-", (2, 10)),
        ("bytes=2-400", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=1-2", None),
        ("bytes=1-2x", None),
    ],
)
def test_a_range_is_understood(header: str | None, span: tuple[int, int] | None) -> None:
    assert asked_range(header, 10) == span


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_a_range_behind_the_end_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableError):
        asked_range(header, size)


@given(st.text() | st.from_regex(r"bytes=\d*-\d*"), st.integers(0, 1000))
def test_any_range_lies_within_the_file(header: str, size: int) -> None:
    try:
        span = asked_range(header, size)
    except UnsatisfiableError:
        return
    assert span is None or 0 <= span[0] < span[1] <= size
