"""The source type ``shotbot``: who is believed, and what a callback is taken to say."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkwell.contract import (
    AuthenticationError,
    Callback,
    MalformedCallbackError,
    Message,
    Part,
    PartFile,
    Secret,
    SourceContext,
)
from sinkwell.contract.settings import decode_custom
from sinkwell.sources.shotbot import SHOTBOT, Shotbot, ShotbotSettings

TOKEN = "a1B2c3D4e5F6a7B8c9D0e1F2a3B4c5D6"
FILE = Part(field="file", filename="shot.png", content_type="image/png", size=3)
texts = st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def source(*secrets: str) -> Shotbot:
    return Shotbot(tuple(Secret(value) for value in secrets or ("right",)))


def message(*parts: Part, **fields: str) -> Message:
    given = {"callback_secret": "right", "status": "OK", "token": TOKEN, "format": "png"}
    return Message(headers={}, fields={**given, **fields}, parts=list(parts or (FILE,)))


def without(name: str, *parts: Part) -> Message:
    made = message(*parts)
    del made.fields[name]
    return made


def parse(**fields: str) -> Callback:
    return source().parse(message(**fields))


# --- who is believed --------------------------------------------------------------------------


def test_each_of_several_secrets_is_taken() -> None:
    rotating = source("old", "new")
    assert rotating.authenticate(message(callback_secret="old"))
    assert rotating.authenticate(message(callback_secret="new"))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "wrong",
        "righ",
        "rightt",
        "Right",
        " right",
        "right\n",
        "oldnew",
        "é",
        "\udcff\udcfe",
        "*",
    ],
)
def test_a_wrong_secret_is_refused(secret: str) -> None:
    with pytest.raises(AuthenticationError):
        source("right", "old", "new").authenticate(message(callback_secret=secret))


def test_a_refusal_tells_neither_secret() -> None:
    with pytest.raises(AuthenticationError) as raised:
        source("kept-secret").authenticate(message(callback_secret="guessed-secret"))
    assert "kept" not in str(raised.value)
    assert "guessed" not in str(raised.value)


def test_without_a_secret_it_cannot_be_told_yet() -> None:
    assert not source().authenticate(without("callback_secret"))
    assert not source().authenticate(Message(headers={}))


@given(texts)
def test_no_text_breaks_the_comparison(secret: str) -> None:
    asked = message(callback_secret=secret)
    if secret == "right":
        assert source().authenticate(asked)
    else:
        with pytest.raises(AuthenticationError):
            source().authenticate(asked)


@pytest.mark.parametrize("secret", ["pässwörd", "☃" * 8, "a" * 10_000])
def test_any_text_may_be_the_secret(secret: str) -> None:
    assert source(secret).authenticate(message(callback_secret=secret))


def test_every_secret_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Secret] = []

    def matches(self: Secret, _: str) -> bool:
        compared.append(self)
        return True

    monkeypatch.setattr(Secret, "matches", matches)
    source("first", "second", "third").authenticate(message())
    assert [secret.reveal() for secret in compared] == ["first", "second", "third"]


# --- what it says -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "extension", "media_type"),
    [
        ("jpg", "jpg", "image/jpeg"),
        ("png", "png", "image/png"),
        ("webp", "webp", "image/webp"),
        ("avif", "avif", "image/avif"),
        ("pdf", "pdf", "application/pdf"),
        ("PNG", "png", "image/png"),
        ("jpeg", "jpg", "image/jpeg"),
        ("gif", "jpg", "image/jpeg"),
        ("exe", "jpg", "image/jpeg"),
        ("../png", "jpg", "image/jpeg"),
        ("", "jpg", "image/jpeg"),
    ],
)
def test_each_format_has_its_type_and_what_is_unknown_counts_as_jpg(
    claimed: str, extension: str, media_type: str
) -> None:
    (file,) = parse(format=claimed).files
    assert (file.extension, file.media_type) == (extension, media_type)


def test_a_callback_without_a_format_is_of_a_jpg() -> None:
    (file,) = source().parse(without("format")).files
    assert (file.extension, file.media_type) == ("jpg", "image/jpeg")


def test_the_token_is_the_id_and_tells_repeats() -> None:
    callback = parse()
    assert callback.succeeded
    assert (callback.provider_id, callback.deduplication_key) == (TOKEN, TOKEN)
    assert callback.provider_status == "OK"


@pytest.mark.parametrize(
    ("token", "cleaned"),
    [("../../etc/passwd", "etcpasswd"), ("a b\0c\r\nd", "abcd"), ("é1é", "1"), ("a_b-c.d", "abcd")],
)
def test_all_but_letters_and_digits_is_dropped_from_a_token(token: str, cleaned: str) -> None:
    callback = parse(token=token)
    assert (callback.provider_id, callback.deduplication_key) == (cleaned, cleaned)


@pytest.mark.parametrize("token", ["", "-", "../..", "é", "\udcff", "٣"])
def test_a_token_of_nothing_else_is_missing(token: str) -> None:
    with pytest.raises(MalformedCallbackError, match="token"):
        parse(token=token)


def test_a_token_that_is_missing_or_far_too_long_is_refused() -> None:
    with pytest.raises(MalformedCallbackError, match="token"):
        source().parse(without("token"))
    assert parse(token="a" * 128).provider_id == "a" * 128
    with pytest.raises(MalformedCallbackError, match="longer than 128"):
        parse(token="a" * 129)


def test_a_callback_without_its_file_is_refused() -> None:
    other = Part(field="preview", filename="p.png", content_type="image/png", size=3)
    with pytest.raises(MalformedCallbackError, match="file"):
        source().parse(message(other))


def test_the_file_is_found_among_other_parts() -> None:
    other = Part(field="preview", filename="p.png", content_type="image/png", size=3)
    (file,) = source().parse(message(other, FILE)).files
    assert isinstance(file, PartFile)
    assert file.part is FILE


@pytest.mark.parametrize("status", ["ERR", "", "ok", "OK ", "FAILED", "\udcff"])
def test_whatever_is_not_ok_is_a_failure_of_the_provider(status: str) -> None:
    callback = parse(status=status)
    assert (callback.succeeded, callback.files) == (False, ())
    assert callback.provider_id == TOKEN


def test_a_callback_without_a_status_is_a_failure_too() -> None:
    assert not source().parse(without("status")).succeeded


def test_a_failure_is_no_repeat_of_a_success() -> None:
    failed = parse(status="ERR")
    assert failed.deduplication_key == parse(status="ERR").deduplication_key
    assert failed.deduplication_key != parse().deduplication_key


def test_a_failure_needs_neither_token_nor_file() -> None:
    callback = source().parse(Message(headers={}, fields={"status": "ERR"}))
    assert (callback.succeeded, callback.provider_id, callback.deduplication_key) == (
        False,
        "",
        None,
    )


@given(st.dictionaries(st.sampled_from(["status", "token", "format"]), texts))
def test_whatever_the_fields_hold_it_can_be_written_down(fields: Mapping[str, Any]) -> None:
    try:
        callback = parse(**fields)
    except MalformedCallbackError:
        return
    assert re.fullmatch("[A-Za-z0-9]{0,128}", callback.provider_id)
    assert len(callback.provider_status) <= 64
    assert msgspec.json.encode([callback.provider_status, callback.deduplication_key])
    assert all(file.extension in {"jpg", "png", "webp", "avif", "pdf"} for file in callback.files)


# --- settings ---------------------------------------------------------------------------------


def settings(**given: object) -> ShotbotSettings:
    section = {"type": "shotbot", **given}
    return msgspec.convert(section, ShotbotSettings, dec_hook=decode_custom)


def test_settings_open_a_source_that_knows_its_secrets() -> None:
    opened = SHOTBOT.open(settings(secrets=["one", "two"]), SourceContext(name="shots"))
    assert opened.authenticate(message(callback_secret="two"))


@pytest.mark.parametrize("given", [{}, {"secrets": []}, {"secrets": [""]}])
def test_settings_without_a_secret_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match="secret"):
        settings(**given)


def test_a_source_shows_no_secret() -> None:
    configured = settings(secrets=["one-secret"])
    opened = SHOTBOT.open(configured, SourceContext(name="shots"))
    assert "one-secret" not in f"{configured!r} {opened!r} {vars(opened)!r}"


def test_the_default_key_is_that_of_the_seed() -> None:
    assert SHOTBOT.default_key == "screenshots/{yyyy}/{mm}/{dd}/{token}.{format}"
