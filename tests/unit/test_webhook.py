"""What the settings of a webhook say, beyond what every source must keep."""

import re
from typing import Any

import msgspec
import pytest

from sinkwell.contract import (
    Callback,
    LinkedFile,
    MalformedCallbackError,
    Message,
    Part,
    SourceContext,
    Transport,
)
from sinkwell.contract.settings import decode_custom
from sinkwell.sources.webhook import WEBHOOK
from sinkwell.sources.webhook.settings import WebhookSettings
from sinkwell.sources.webhook.source import Webhook

NOW = 1_900_000_000.0
PLAIN: dict[str, Any] = {
    "type": "webhook",
    "secrets": ["a-secret"],
    "transport": "json",
    "file": "file",
    "authentication": {"scheme": "bearer"},
}


def settings(**keys: Any) -> WebhookSettings:
    section = {name: value for name, value in {**PLAIN, **keys}.items() if value is not None}
    return msgspec.convert(section, WebhookSettings, dec_hook=decode_custom)


def source(**keys: Any) -> Webhook:
    opened = WEBHOOK.open(settings(**keys), SourceContext("hook"))
    assert isinstance(opened, Webhook)
    return opened


def message(source: Webhook, document: object = None, /, **headers: str) -> Message:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    made = Message(headers=named, received_at=NOW, complete=True)
    made.macs = source.macs(made)
    for mac in made.macs:
        mac.update(body)
    if source.transport is not Transport.RAW:
        made.body = body
    return made


def parse(document: object, /, **keys: Any) -> Callback:
    opened = source(**keys)
    return opened.parse(message(opened, document))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"authentication": None}, "authentication is missing"),
        ({"secrets": []}, "secrets must name at least one"),
        ({"transport": None}, "transport is missing"),
        ({"file": None}, "file is missing"),
        ({"transport": "form-json"}, "form_field is missing"),
        ({"preset": "nobody"}, 'there is no preset "nobody": there are urlbox, screenshotone'),
        ({"preset": "urlbx"}, 'there is no preset "urlbx": did you mean "urlbox"?'),
        ({"id": "a b"}, "id is no JMESPath expression"),
        ({"labels": {"x": "[["}}, "labels: x is no JMESPath"),
        ({"link": "https://example.com/"}, "link has no {file}"),
        ({"success_code": 404}, "success_code must be between"),
        ({"authentication": {"scheme": "hmac"}}, "header is needed"),
        ({"authentication": {"scheme": "header"}}, "header is needed"),
        ({"authentication": {"scheme": "secret-field"}}, "field is needed"),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "signed": "{timestamp}{body}"}},
            "signed holds {timestamp} when",
        ),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "timestamp_header": "T"}},
            "signed holds {timestamp} when",
        ),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "id_header": "I"}},
            "signed holds {id} when",
        ),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "signed": "nothing"}},
            "signed holds {body} once",
        ),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "pairs": {"timestamp": "t"}}},
            "pairs has the keys",
        ),
        ({"authentication": {"scheme": "standard-webhooks"}}, "not whsec_ and Base64"),
        (
            {"authentication": {"scheme": "standard-webhooks"}, "secrets": ["whpk_c2hvcnQ="]},
            "one is not whpk_ and Base64 of 32 bytes",
        ),
        (
            {"authentication": {"scheme": "standard-webhooks"}, "secrets": [f"whsk_{'A' * 43}="]},
            "one is a private key; the sender gives you the public one",
        ),
        (
            {
                "authentication": {"scheme": "standard-webhooks"},
                "secrets": [f"whpk_{'A' * 43}="],
                "transport": "raw",
                "file": None,
            },
            "a public key verifies a message that is held whole",
        ),
        (
            {"authentication": {"scheme": "standard-webhooks", "tolerance": 0}},
            "tolerance must be more",
        ),
        # What could never do anything, or not what it seems to.
        ({"authentication": {"scheme": "bearer", "header": "X"}}, "header is not for scheme"),
        ({"authentication": {"scheme": "none", "prefix": "a"}}, "prefix is not for scheme"),
        ({"authentication": {"scheme": "basic"}}, "each is user:password"),
        ({"authentication": {"scheme": "hmac", "header": "X Y"}}, "header: 'X Y' is no name"),
        ({"id": "header: X Y"}, "id: 'X Y' is no name of a header"),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "signed": "{time}.{body}"}},
            "but no {time}",
        ),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "signed": "{field.a}"}},
            'signed holds fields of a form, and transport = "json" is none',
        ),
        (
            {"authentication": {"scheme": "hmac", "field": "signature"}},
            "a signature in a field of a form signs fields",
        ),
        (
            {"authentication": {"scheme": "hmac", "header": "X", "field": "signature"}},
            "either in a header or in a field",
        ),
        (
            {
                "transport": "form-json",
                "form_field": "payload",
                "authentication": {"scheme": "hmac", "field": "s", "signed": "{field.other}"},
            },
            "signed leaves out {field.payload}, the JSON",
        ),
        ({"transport": "raw"}, 'file is not for transport = "raw"'),
        ({"transport": "raw", "file": None, "id": "id"}, "id: with transport"),
        (
            {
                "transport": "raw",
                "file": None,
                "authentication": {"scheme": "secret-field", "field": "s"},
            },
            "needs a field",
        ),
        ({"form_field": "payload"}, 'form_field is for transport = "form-json" alone'),
        ({"success": ["ok"]}, "success is compared with status, which is missing"),
        ({"notice": ["ok"]}, "notice is compared with status, which is missing"),
        ({"link": "ftp://example.com/{file}"}, "link begins with https"),
        ({"link": "https://[/{file}"}, "link begins with https:// or http://, and a host"),
    ],
)
def test_settings_that_make_no_sense_are_told(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(said)) as raised:
        settings(**keys)
    assert "a-secret" not in str(raised.value)


@pytest.mark.parametrize(
    "host",
    [
        *("https://cdn.example.com", "cdn.example.com/files", "cdn.example.com:443", "", "a b"),
        *("*.*.example.com", "cdn.*", "user@example.com", "[example.com]"),
    ],
)
@pytest.mark.parametrize("key", ["allow_hosts", "headers"])
def test_what_is_no_host_is_told(key: str, host: str) -> None:
    value = [host] if key == "allow_hosts" else {host: {"X-Key": "env:KEY"}}
    with pytest.raises(msgspec.ValidationError, match="is no host: write it without scheme"):
        settings(fetch={key: value})


@pytest.mark.parametrize(
    "host",
    ["localhost", "*", "*.example.com", "b\u00fccher.example", "10.1.2.3", "::1", "[2001:db8::1]"],
)
def test_hosts_are_names_patterns_and_numbers(host: str) -> None:
    assert settings(fetch={"allow_hosts": [host]}).fetch.allow_hosts == (host,)


def test_the_host_of_a_link_that_is_made_is_one_that_files_are_fetched_from() -> None:
    assert source(link="https://api.example.com/files/{file}").fetch_hosts == ("api.example.com",)
    assert source(link="https://{file}.example.com/").fetch_hosts == ()


@pytest.mark.parametrize(
    ("keys", "warned"),
    [
        ({}, True),
        ({"fetch": {"allow_hosts": ["files.example.com"]}}, False),
        ({"link": "https://api.example.com/files/{file}"}, False),
        ({"transport": "base64"}, False),
        ({"preset": "urlbox", "file": None, "transport": None}, False),
    ],
)
def test_links_that_lead_to_no_host_are_warned_of(keys: dict[str, Any], warned: bool) -> None:
    told = "no link can be followed: name its hosts in fetch.allow_hosts"
    assert (told in settings(**keys).doubts()) is warned


def test_what_is_written_beside_a_preset_comes_first() -> None:
    authentication = {"scheme": "bearer"}
    opened = source(preset="urlbox", file="other", transport=None, authentication=authentication)
    callback = opened.parse(
        message(opened, {"event": "render.succeeded", "renderId": "r", "other": "https://x/a.png"})
    )
    assert [file.url for file in callback.files if isinstance(file, LinkedFile)] == [
        "https://x/a.png"
    ]


def test_the_published_vector_of_github_is_believed() -> None:
    opened = source(
        preset="github",
        secrets=["It's a Secret to Everybody"],
        authentication=None,
        file=None,
        transport=None,
    )
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert opened.authenticate(message(opened, b"Hello, World!", x_hub_signature_256=signature))


def test_a_signature_that_urlbox_publishes_is_believed() -> None:
    # Of the tests of its own client for .NET.
    opened = source(
        preset="urlbox",
        secrets=["webhook_secret"],
        authentication=None,
        file=None,
        transport=None,
    )
    render = "e9617143-2a95-4962-9cc9-d72f3c413b9c"
    folder = "https://renders.urlbox.com/ub-temp-renders/renders/571f54138cd8b877077d3788/2024/1/11"
    body = (
        f'{{"event":"render.succeeded","renderId":"{render}","result":'
        f'{{"renderUrl":"{folder}/{render}.png","size":359081}},"meta":'
        '{"startTime": "2024-01-11T23:32:11.908Z","endTime":"2024-01-11T23:33:32.500Z"}}'
    ).encode()
    digest = "41f85178517e8e031be5771ee4951bc3f6fbd871f41b4866546803576b1c3843"
    sent = message(opened, body, x_urlbox_signature=f"t=123456,sha256={digest}")
    sent.received_at = 123_456.0

    assert opened.authenticate(sent)
    (file,) = opened.parse(sent).files
    assert isinstance(file, LinkedFile)
    assert file.url.endswith(f"/{render}.png")


# The replay guard.


SIGNED = {"scheme": "hmac", "header": "X-Signature"}


def test_a_signed_body_with_another_unsigned_id_is_known_again() -> None:
    opened = source(authentication=SIGNED, id="header:X-Delivery")
    document = {"file": "https://files.example.com/a.png"}
    first = opened.parse(message(opened, document, x_delivery="one"))
    again = opened.parse(message(opened, document, x_delivery="two"))
    other = opened.parse(message(opened, {**document, "more": 1}, x_delivery="one"))
    assert (first.provider_id, again.provider_id) == ("one", "two")
    assert first.deduplication_key == again.deduplication_key != other.deduplication_key


def test_an_id_that_is_signed_or_sent_with_the_secret_tells_repeats() -> None:
    of_header = source(id="header:X-Delivery")
    found = of_header.parse(message(of_header, {"file": "https://x/a"}, x_delivery="one"))
    assert found.deduplication_key == "one"
    assert parse({"file": "https://x/a", "n": 7}, id="n").deduplication_key == "7"


def by_fields(**fields: str) -> Callback:
    """Return what a form means of which but two fields are signed, and its file is not."""
    opened = source(
        transport="multipart",
        file="attachment-1",
        id='"message-id"',
        authentication={
            "scheme": "hmac",
            "field": "signature",
            "signed": "{field.timestamp}{field.token}",
        },
    )
    part = Part("attachment-1", "a.png", "image/png", 3)
    made = Message(headers={}, fields=fields, parts=[part], received_at=NOW, complete=True)
    made.macs = opened.macs(made)
    for mac in made.macs:
        mac.update(repr(fields).encode())
    return opened.parse(made)


def test_where_but_fields_are_signed_these_tell_repeats() -> None:
    signed = {"timestamp": "1900000000", "token": "t1"}
    first = by_fields(**signed, **{"message-id": "one"})
    replayed = by_fields(**signed, **{"message-id": "two", "more": "text"})
    other = by_fields(**{**signed, "token": "t2"}, **{"message-id": "one"})
    assert (first.provider_id, replayed.provider_id) == ("one", "two")
    assert first.deduplication_key == replayed.deduplication_key != other.deduplication_key


def test_what_has_no_id_is_known_by_its_body() -> None:
    one, same, other = (parse({"file": "https://x/a", "n": n}) for n in (1, 1, 2))
    assert one.provider_id == same.provider_id != other.provider_id
    assert one.deduplication_key == same.deduplication_key != other.deduplication_key


def test_a_status_that_is_not_there_is_no_failure() -> None:
    with pytest.raises(MalformedCallbackError, match="no status where one is looked for"):
        parse({"state": "done", "file": "https://x/a"}, status="s", success=["ok"])


def test_failures_without_an_id_are_known_again_too() -> None:
    keys = {"status": "s", "success": ["ok"]}
    one, same, other = (parse({"s": "no", "n": n}, **keys) for n in (1, 1, 2))
    assert not one.succeeded
    assert one.deduplication_key == same.deduplication_key != other.deduplication_key


# Where files are.


def links(document: object, /, **keys: Any) -> list[LinkedFile]:
    return [file for file in parse(document, **keys).files if isinstance(file, LinkedFile)]


def test_an_id_becomes_a_link() -> None:
    keys = {"link": "https://api.example.com/files/{file}/raw"}
    assert links({"file": 17}, **keys)[0].url == "https://api.example.com/files/17/raw"
    (found,) = links({"file": "../../a?b#c/d"}, **keys)
    assert found.url == "https://api.example.com/files/..%2F..%2Fa%3Fb%23c%2Fd/raw"


def test_a_list_and_objects_give_several_files_with_names() -> None:
    document = {"file": ["https://x/1.png", {"url": "https://x/2", "name": "two.pdf"}, None, 0.5]}
    found = [(each.url, each.extension, each.name) for each in links(document)]
    assert found == [("https://x/1.png", "png", None), ("https://x/2", "pdf", "two.pdf")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_900_000_600, 1_900_000_600.0),
        ("1900000600", 1_900_000_600.0),
        ("2030-03-17T17:56:40Z", 1_900_000_600.0),
        ("2030-03-17T19:56:40+02:00", 1_900_000_600.0),
        ("2030-03-17T17:56:40", 1_900_000_600.0),
        ("soon", None),
        (-1, None),
        (1e300, None),
        (True, None),
        ([], None),
    ],
)
def test_the_end_of_a_link_is_read(value: object, expected: float | None) -> None:
    (found,) = links({"file": "https://x/a", "until": value}, expires="until")
    assert found.expires_at == expected


def test_a_promised_lifetime_counts_from_the_callback() -> None:
    (found,) = links({"file": "https://x/a"}, lifetime="2d")
    assert found.expires_at == NOW + 2 * 86_400


@pytest.mark.parametrize("document", [{}, {"file": None}, {"file": []}, {"file": {}}, [], "x", 1])
def test_a_success_without_a_file_is_malformed(document: object) -> None:
    with pytest.raises(MalformedCallbackError, match="brings no file"):
        parse(document)


def test_labels_are_texts_whatever_was_found() -> None:
    document = {
        "file": "https://x/a",
        "m": {
            "n": 1,
            "yes": True,
            "tags": ["a", "b"],
            "deep": {"x": [1]},
            "nul": "a\0b",
            "no": None,
        },
    }
    names = ("n", "yes", "tags", "deep", "nul", "no", "absent")
    kept = parse(document, labels={name: f"m.{name}" for name in names}).labels
    assert kept == {"n": "1", "yes": "true", "tags": "a,b", "deep": '{"x":[1]}', "nul": "ab"}


@pytest.mark.parametrize("content", ["!!!", "data:image/png;base64,a", "data:,", "====", "é"])
def test_what_is_no_base64_is_malformed(content: str) -> None:
    with pytest.raises(MalformedCallbackError, match=r"Base64|empty"):
        parse({"file": content}, transport="base64")
