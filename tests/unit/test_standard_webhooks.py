"""Messages signed by the Standard Webhooks rules, from their receiver's side."""

import base64
import hmac

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sinkwell.contract import AuthenticationError, Message, SourceContext
from sinkwell.contract.settings import decode_custom
from sinkwell.notifiers.signing import Signer, parse_private_key, public_key
from sinkwell.sources.webhook import WEBHOOK
from sinkwell.sources.webhook.settings import WebhookSettings

NOW = 1_900_000_000
BODY = b'{"a":1}'
KEY = b"0123456789abcdef01234567"
SHARED = f"whsec_{base64.b64encode(KEY).decode()}"
PRIVATE = parse_private_key("whsk_" + base64.b64encode(b"p" * 32).decode())
PUBLIC = public_key(PRIVATE)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def believed(
    signatures: str,
    *secrets: str,
    name: str = "msg_1",
    at: int = NOW,
    now: float = NOW,
    body: bytes = BODY,
) -> bool:
    section = {"type": "webhook", "preset": "standard-webhooks", "file": "f", "secrets": secrets}
    settings = msgspec.convert(section, WebhookSettings, dec_hook=decode_custom)
    source = WEBHOOK.open(settings, SourceContext("hook"))
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": signatures,
    }
    message = Message(headers=headers, received_at=now, complete=True, body=body)
    message.macs = source.macs(message)
    for mac in message.macs:
        mac.update(body)
    return source.authenticate(message)


def v1(name: str = "msg_1") -> str:
    digest = hmac.digest(KEY, f"{name}.{NOW}.".encode() + BODY, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def v1a(key: Ed25519PrivateKey = PRIVATE) -> str:
    return Signer([], key).sign("msg_1", NOW, BODY)["webhook-signature"]


def test_the_published_vector_is_believed() -> None:
    # The one that the reference libraries are tested with, and Svix documents.
    assert believed(
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        name="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=1_614_265_330,
        now=1_614_265_330.0,
        body=b'{"test": 2432232314}',
    )


def test_one_of_several_signatures_is_enough() -> None:
    assert believed(f"v1a,b3RoZXI= v1,d3Jvbmc= {v1()}", SHARED)
    assert believed(f"v1,d3Jvbmc= {v1a(OTHER)} {v1a()}", PUBLIC)


@pytest.mark.parametrize("name", ["", "msg.1"])
def test_an_id_that_is_missing_or_holds_a_dot_is_refused(name: str) -> None:
    with pytest.raises(AuthenticationError, match="webhook-id"):
        believed(v1(name), SHARED, name=name)


def test_a_public_key_verifies_what_a_sinkwell_signs() -> None:
    assert believed(v1a(), PUBLIC)
    both = Signer([KEY], PRIVATE).sign("msg_1", NOW, BODY)["webhook-signature"]
    for secrets in ((SHARED,), (PUBLIC,), (SHARED, PUBLIC)):
        assert believed(both, *secrets)


@pytest.mark.parametrize(
    "signature",
    [v1a(OTHER), v1a()[:-8], v1a() + "AAAA", "v1a,", "v1a,====", "v1a,\xe9", f"v1,{v1a()[4:]}"],
)
def test_a_signature_of_another_key_or_none_at_all_is_refused(signature: str) -> None:
    with pytest.raises(AuthenticationError):
        believed(signature, PUBLIC)


@pytest.mark.parametrize(
    "changed", [{"name": "msg_2"}, {"at": NOW + 1}, {"body": BODY + b" "}, {"now": NOW + 301.0}]
)
def test_a_public_key_finds_whatever_was_changed(changed: dict[str, object]) -> None:
    with pytest.raises(AuthenticationError):
        believed(v1a(), PUBLIC, **changed)  # type: ignore[arg-type]  # one of its own each


@pytest.mark.parametrize(("secret", "sent"), [(SHARED, v1a()), (PUBLIC, v1())])
def test_a_signature_of_the_other_kind_is_named(secret: str, sent: str) -> None:
    kind = "v1" if secret == SHARED else "v1a"
    with pytest.raises(AuthenticationError, match=f"holds no {kind} signature"):
        believed(sent, secret)
