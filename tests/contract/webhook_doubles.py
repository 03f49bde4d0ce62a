"""Plays the providers that the presets know: what they send, and how they sign."""

import base64
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sinkwell.samples import png
from sinkwell.testing import (
    Body,
    Expected,
    ExpectedBody,
    ExpectedContent,
    ExpectedLink,
    ExpectedPart,
    Field,
    FormFile,
    Header,
    NotOffered,
    Provider,
    Request,
    Sample,
    json_request,
    multipart,
    raw_request,
)

SECRETS = ("kit-secret-number-one", "kit-secret-number-two")
NO_TIME = NotOffered("no time is signed")
ALL_TRUST = NotOffered("the secret itself is sent: it covers nothing")
PICTURE = png("webhook", 20, 10)

Sign = Callable[[Request, str, float], Request]


@dataclass
class WebhookDouble(Provider):
    """A provider as data."""

    section: dict[str, object]
    """Beside ``type`` and ``secrets``."""
    sent: Sequence[Sample]
    signing: Sign
    proof: Field | Header | NotOffered
    covers: Sequence[Field | Header | Body] | NotOffered = (Body(),)
    tolerance: float | NotOffered = field(default_factory=lambda: NO_TIME)
    secrets: Sequence[str] = SECRETS
    foreign_secret: str = "somebody-elses-secret"
    early: NotOffered | None = None

    def samples(self) -> Sequence[Sample]:
        return self.sent

    def sign(self, request: Request, *, secret: str, at: float) -> Request:
        return self.signing(request, secret, at)


def hmac_of(secret: str, signed: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), signed, algorithm).hexdigest()


def body_signed(header: str, prefix: str = "") -> Sign:
    def sign(request: Request, secret: str, _: float) -> Request:
        return request.with_value(Header(header), prefix + hmac_of(secret, request.body))

    return sign


def linked(name: str, url: str, status: str = "", *, extension: str = "", **more: Any) -> Expected:
    link = ExpectedLink(url, extension=extension, expires_at=more.pop("expires_at", None))
    return Expected(name, provider_status=status, files=(link,), **more)


def urlbox() -> WebhookDouble:
    def sent(name: str) -> Sample:
        url = f"https://renders.urlbox.com/urlbox1/renders/{name}.png"
        document = {
            "event": "render.succeeded",
            "renderId": name,
            "result": {"renderUrl": url, "size": 34748},
            "meta": {"startTime": "2026-01-05T16:26:20.012Z"},
        }
        return Sample(
            name, json_request(document), linked(name, url, "render.succeeded", extension="png")
        )

    failed = {"event": "render.failed", "renderId": "r3", "error": {"message": "timeout"}}

    def sign(request: Request, secret: str, at: float) -> Request:
        time = str(int(at))
        digest = hmac_of(secret, time.encode() + b"." + request.body)
        return request.with_value(Header("X-Urlbox-Signature"), f"t={time},sha256={digest}")

    return WebhookDouble(
        {"preset": "urlbox"},
        [
            sent("r1"),
            sent("r2"),
            Sample(
                "a failure",
                json_request(failed),
                Expected("r3", succeeded=False, provider_status="render.failed"),
            ),
        ],
        sign,
        Header("X-Urlbox-Signature"),
        tolerance=300.0,
    )


def screenshotone() -> WebhookDouble:
    one = "https://cache.screenshotone.com/shot/one.webp?expires=1"
    two = "https://my-bucket.s3.amazonaws.com/two.png"

    def sent(name: str, document: dict[str, Any]) -> Request:
        return json_request(document, X_ScreenshotOne_External_Identifier=name)

    return WebhookDouble(
        {"preset": "screenshotone"},
        [
            Sample(
                "from the cache",
                sent("shot-1", {"screenshot_url": one}),
                linked("shot-1", one, "OK", extension="webp"),
            ),
            Sample(
                "from a store",
                sent("shot-2", {"store": {"location": two}}),
                linked("shot-2", two, "OK", extension="png"),
            ),
            Sample(
                "an error",
                sent("shot-3", {"error_code": "host_returned_error", "error_message": "404"}),
                Expected("shot-3", succeeded=False, provider_status="host_returned_error"),
            ),
        ],
        body_signed("X-ScreenshotOne-Signature"),
        Header("X-ScreenshotOne-Signature"),
    )


def fingerprint_id(body: bytes) -> str:
    return hmac.new(b"", body, "sha256").hexdigest()[:32]


def screenshotone_raw() -> WebhookDouble:
    def sent(content: bytes) -> Sample:
        expected = Expected(fingerprint_id(content), files=(ExpectedBody("image/png", ""),))
        return Sample("the file itself", raw_request(content, "image/png"), expected)

    named = raw_request(
        png("named", 20, 10), "image/png", X_ScreenshotOne_External_Identifier="shot-1"
    )
    failed = raw_request(
        b'{"error_code": "timeout_error"}',
        "application/json",
        X_ScreenshotOne_External_Identifier="shot-2",
        X_ScreenshotOne_Error_Code="timeout_error",
    )
    return WebhookDouble(
        {"preset": "screenshotone-raw"},
        [
            sent(PICTURE),
            sent(png("another", 20, 10)),
            Sample("named", named, Expected("shot-1", files=(ExpectedBody("image/png", ""),))),
            Sample(
                "an error",
                failed,
                Expected("shot-2", succeeded=False, provider_status="timeout_error"),
            ),
        ],
        body_signed("X-ScreenshotOne-Signature"),
        Header("X-ScreenshotOne-Signature"),
    )


def bearing(request: Request, secret: str, _: float) -> Request:
    return request.with_value(Header("Authorization"), f"Bearer {secret}")


def gotenberg() -> WebhookDouble:
    def sent(trace: str) -> Sample:
        request = raw_request(
            b"%PDF-1.7 and so on",
            "application/pdf",
            Gotenberg_Trace=trace,
            Content_Disposition='attachment; filename="report.pdf"',
        )
        body = ExpectedBody("application/pdf", "pdf", "report.pdf")
        return Sample(
            trace, request, Expected(trace, provider_status="application/pdf", files=(body,))
        )

    return WebhookDouble(
        {"preset": "gotenberg"},
        [
            sent("trace-1"),
            sent("trace-2"),
            Sample(
                "an error",
                json_request({"status": 503, "message": "no"}, Gotenberg_Trace="trace-3"),
                Expected("trace-3", succeeded=False, provider_status="application/json"),
            ),
        ],
        bearing,
        Header("Authorization"),
        covers=ALL_TRUST,
    )


def gotenberg_events() -> WebhookDouble:
    def sent(event: str, name: str, **more: Any) -> Request:
        document = {"event": event, "correlationId": name, "timestamp": "2026-01-05T16:26:20Z"}
        return json_request({**document, **more})

    return WebhookDouble(
        {"preset": "gotenberg-events"},
        [
            *(
                Sample(
                    f"a success, {name}",
                    sent("webhook.success", name),
                    Expected(name, provider_status="webhook.success", notice=True),
                )
                for name in ("trace-1", "trace-2")
            ),
            Sample(
                "an error",
                sent("webhook.error", "trace-3", error={"status": 503, "message": "no"}),
                Expected("trace-3", succeeded=False, provider_status="webhook.error"),
            ),
        ],
        bearing,
        Header("Authorization"),
        covers=ALL_TRUST,
    )


def cloudconvert() -> WebhookDouble:
    def sent(event: str, name: str, *files: dict[str, str]) -> Request:
        tasks = [
            {"name": "import", "operation": "import/url", "result": {"files": [{"filename": "a"}]}},
            {"name": "convert", "operation": "convert", "result": None},
            {"name": "export", "operation": "export/url", "result": {"files": list(files)}},
        ]
        return json_request({"event": event, "job": {"id": name, "tag": "night", "tasks": tasks}})

    one = "https://storage.cloudconvert.com/tasks/1/data.pdf?AWSAccessKeyId=x&Signature=a%2Fb"
    two = "https://storage.cloudconvert.com/tasks/2/data.png"
    labels = {"tag": "night"}
    return WebhookDouble(
        {"preset": "cloudconvert"},
        [
            Sample(
                "one file",
                sent("job.finished", "j1", {"filename": "data.pdf", "url": one}),
                linked("j1", one, "job.finished", extension="pdf", labels=labels),
            ),
            Sample(
                "two files",
                sent(
                    "job.finished",
                    "j2",
                    {"filename": "data.pdf", "url": one},
                    {"filename": "data.png", "url": two},
                ),
                Expected(
                    "j2",
                    provider_status="job.finished",
                    files=(ExpectedLink(one, extension="pdf"), ExpectedLink(two, extension="png")),
                    labels=labels,
                ),
            ),
            Sample(
                "a failure",
                sent("job.failed", "j3"),
                Expected("j3", succeeded=False, provider_status="job.failed", labels={}),
            ),
            Sample(
                "a beginning",
                sent("job.created", "j4"),
                Expected("j4", provider_status="job.created", labels=labels, notice=True),
            ),
        ],
        body_signed("CloudConvert-Signature"),
        Header("CloudConvert-Signature"),
    )


def transloadit() -> WebhookDouble:
    def sent(document: dict[str, Any]) -> Request:
        return multipart({"transloadit": json.dumps(document)})

    def done(name: str) -> Sample:
        url = f"https://s3.transloadit.com/{name}/small.jpg"
        results = {"resized": [{"name": "small.jpg", "ssl_url": url, "url": "http://no.example/"}]}
        document = {"ok": "ASSEMBLY_COMPLETED", "assembly_id": name, "results": results}
        return Sample(
            name, sent(document), linked(name, url, "ASSEMBLY_COMPLETED", extension="jpg")
        )

    def sign(request: Request, secret: str, _: float) -> Request:
        signed = request.value(Field("transloadit")) or b""
        digest = hmac_of(secret, signed, "sha384")
        return request.with_value(Field("signature"), f"sha384:{digest}")

    return WebhookDouble(
        {"preset": "transloadit"},
        [
            done("a" * 32),
            done("b" * 32),
            Sample(
                "a failure",
                sent({"error": "INVALID_FILE", "assembly_id": "c" * 32}),
                Expected("c" * 32, succeeded=False, provider_status="INVALID_FILE"),
            ),
            Sample(
                "one that runs yet",
                sent({"ok": "ASSEMBLY_EXECUTING", "assembly_id": "d" * 32, "results": {}}),
                Expected("d" * 32, provider_status="ASSEMBLY_EXECUTING", notice=True),
            ),
        ],
        sign,
        Field("signature"),
        covers=(Field("transloadit"),),
        early=NotOffered("it brings no file"),
    )


def pdfshift() -> WebhookDouble:
    def sent(name: str) -> Sample:
        url = f"https://s3.amazonaws.com/pdfshift/d/2/2026-01/{name}.pdf"
        request = json_request({"success": True, "url": url, "filesize": 4321})
        expected = linked(
            fingerprint_id(request.body), url, "true", extension="pdf", expires_at=NOW + 2 * 86400
        )
        return Sample(name, request, expected)

    failed = {"error": {"code": 400, "error": "The page took too long.", "success": False}}
    return WebhookDouble(
        {"preset": "pdfshift", "authentication": {"scheme": "none"}},
        [
            sent("one"),
            sent("two"),
            Sample(
                "a failure",
                json_request(failed),
                Expected("", succeeded=False, provider_status="error"),
            ),
        ],
        lambda request, _, __: request,
        NotOffered("PDFShift signs nothing"),
        covers=NotOffered("PDFShift signs nothing"),
        secrets=(),
    )


def pdfbolt() -> WebhookDouble:
    def sent(name: str) -> Sample:
        url = f"https://s3.pdfbolt.com/{name}.pdf"
        document = {
            "requestId": name,
            "status": "SUCCESS",
            "documentUrl": url,
            "expiresAt": "2030-03-18T00:00:00Z",
        }
        expected = linked(name, url, "SUCCESS", extension="pdf", expires_at=1_900_022_400.0)
        return Sample(name, json_request(document), expected)

    failed = {"requestId": "p3", "status": "FAILURE", "errorCode": "TIMEOUT"}
    return WebhookDouble(
        {"preset": "pdfbolt"},
        [
            sent("p1"),
            sent("p2"),
            Sample(
                "a failure",
                json_request(failed),
                Expected("p3", succeeded=False, provider_status="FAILURE"),
            ),
        ],
        body_signed("X-PDFBolt-Signature", "sha256="),
        Header("X-PDFBolt-Signature"),
    )


def github() -> WebhookDouble:
    def sent(name: str) -> Sample:
        url = f"https://github.com/o/r/releases/download/{name}/app.zip"
        document = {
            "action": "published",
            "release": {
                "node_id": name,
                "tag_name": "v1",
                "html_url": "https://github.com/o/r/releases/v1",
                "assets": [{"name": "app.zip", "browser_download_url": url}],
            },
            "repository": {"full_name": "o/r"},
        }
        labels = {
            "url": "https://github.com/o/r/releases/v1",
            "repository": "o/r",
            "tag_name": "v1",
        }
        expected = linked(name, url, "published", extension="zip", labels=labels)
        return Sample(name, json_request(document, X_GitHub_Delivery=f"d-{name}"), expected)

    return WebhookDouble(
        {"preset": "github"},
        [
            sent("RE_1"),
            sent("RE_2"),
            Sample(
                "a ping",
                json_request({"zen": "Keep it logically awesome.", "hook_id": 1}),
                Expected("", notice=True),
            ),
        ],
        body_signed("X-Hub-Signature-256", "sha256="),
        Header("X-Hub-Signature-256"),
    )


def standard_webhooks() -> WebhookDouble:
    def sent(name: str) -> Sample:
        url = f"https://files.example.com/{name}.png"
        document = {"type": "file.ready", "data": {"download_url": url}}
        request = json_request(document, webhook_id=f"msg_{name}")
        return Sample(name, request, linked(f"msg_{name}", url, extension="png"))

    def sign(request: Request, secret: str, at: float) -> Request:
        time = str(int(at))
        name = request.value(Header("webhook-id")) or b""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = name + b"." + time.encode() + b"." + request.body
        digest = base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
        dated = request.with_value(Header("webhook-timestamp"), time)
        return dated.with_value(Header("webhook-signature"), f"v1,{digest}")

    keys = ["whsec_" + base64.b64encode(each * 24).decode() for each in (b"a", b"b", b"c")]
    return WebhookDouble(
        {"preset": "standard-webhooks", "file": "data.download_url"},
        [sent("one"), sent("two")],
        sign,
        Header("webhook-signature"),
        covers=(Body(), Header("webhook-id"), Header("webhook-timestamp")),
        tolerance=300.0,
        secrets=keys[:2],
        foreign_secret=keys[2],
    )


NOW = 1_900_000_000.0

PRESETS: dict[str, Callable[[], WebhookDouble]] = {
    "urlbox": urlbox,
    "screenshotone": screenshotone,
    "screenshotone-raw": screenshotone_raw,
    "gotenberg": gotenberg,
    "gotenberg-events": gotenberg_events,
    "cloudconvert": cloudconvert,
    "transloadit": transloadit,
    "pdfshift": pdfshift,
    "pdfbolt": pdfbolt,
    "github": github,
    "standard-webhooks": standard_webhooks,
}


# By settings alone.


def by_json(name: str, **more: object) -> Sample:
    url = f"https://files.example.com/{name}.png"
    document = {"id": name, "status": "done", "file": url, **more}
    return Sample(name, json_request(document), linked(name, url, "done", extension="png"))


JSON_SECTION: dict[str, object] = {
    "transport": "json",
    "file": "file",
    "id": "id",
    "status": "status",
    "success": ["done"],
}


def secret_field() -> WebhookDouble:
    def sent(name: str) -> Sample:
        request = multipart({"id": name}, FormFile("picture", PICTURE, "a.png", "image/png"))
        part = ExpectedPart("picture", "image/png", "png")
        return Sample(name, request, Expected(name, files=(part,)))

    return WebhookDouble(
        {
            "transport": "multipart",
            "file": "picture",
            "id": "id",
            "authentication": {"scheme": "secret-field", "field": "key"},
        },
        [sent("m1"), sent("m2")],
        lambda request, secret, _: request.with_value(Field("key"), secret),
        Field("key"),
        covers=ALL_TRUST,
    )


def basic() -> WebhookDouble:
    def sign(request: Request, secret: str, _: float) -> Request:
        encoded = base64.b64encode(secret.encode()).decode()
        return request.with_value(Header("Authorization"), f"Basic {encoded}")

    return WebhookDouble(
        {**JSON_SECTION, "authentication": {"scheme": "basic"}},
        [by_json("j1"), by_json("j2")],
        sign,
        Header("Authorization"),
        covers=ALL_TRUST,
        secrets=("user:kit-secret-one", "user:kit-secret-two"),
        foreign_secret="user:somebody-elses",
    )


def own_header() -> WebhookDouble:
    def sent(name: str) -> Sample:
        encoded = base64.b64encode(PICTURE).decode()
        request = json_request({"id": name, "image": f"data:image/png;base64,{encoded}"})
        return Sample(
            name, request, Expected(name, files=(ExpectedContent(PICTURE, "image/png", ""),))
        )

    return WebhookDouble(
        {
            "transport": "base64",
            "file": "image",
            "id": "id",
            "authentication": {"scheme": "header", "header": "X-Api-Token"},
        },
        [sent("b1"), sent("b2")],
        lambda request, secret, _: request.with_value(Header("X-Api-Token"), secret),
        Header("X-Api-Token"),
        covers=ALL_TRUST,
    )


def signed_with_time_and_id() -> WebhookDouble:
    def sent(name: str) -> Sample:
        sample = by_json(name)
        request = sample.request.with_value(Header("X-Id"), f"msg-{name}")
        return Sample(name, request, linked(f"msg-{name}", *_url_and_status(name), extension="png"))

    def sign(request: Request, secret: str, at: float) -> Request:
        time = str(int(at))
        name = request.value(Header("X-Id")) or b""
        signed = b"v0:" + time.encode() + b":" + name + b":" + request.body + b":end"
        digest = hmac.new(secret.encode(), signed, "sha512").digest()
        dated = request.with_value(Header("X-Time"), time)
        return dated.with_value(Header("X-Sig"), base64.b64encode(digest).decode())

    return WebhookDouble(
        {
            **JSON_SECTION,
            "id": "header:X-Id",
            "authentication": {
                "scheme": "hmac",
                "header": "X-Sig",
                "algorithm": "sha512",
                "encoding": "base64",
                "timestamp_header": "X-Time",
                "id_header": "X-Id",
                "signed": "v0:{timestamp}:{id}:{body}:end",
                "tolerance": "1m",
            },
        },
        [sent("h1"), sent("h2")],
        sign,
        Header("X-Sig"),
        covers=(Body(), Header("X-Id"), Header("X-Time")),
        tolerance=60.0,
    )


def standard_public() -> WebhookDouble:
    def sent(name: str) -> Sample:
        sample = by_json(name)
        request = sample.request.with_value(Header("webhook-id"), f"msg_{name}")
        return Sample(name, request, linked(f"msg_{name}", *_url_and_status(name), extension="png"))

    def sign(request: Request, secret: str, at: float) -> Request:
        time = str(int(at))
        signed = (request.value(Header("webhook-id")) or b"") + f".{time}.".encode() + request.body
        signature = base64.b64encode(private.get(secret, nobody).sign(signed)).decode()
        dated = request.with_value(Header("webhook-timestamp"), time)
        return dated.with_value(Header("webhook-signature"), f"v1a,{signature}")

    nobody = Ed25519PrivateKey.from_private_bytes(b"d" * 32)
    private = {}
    for seed in (b"a", b"b", b"c"):
        key = Ed25519PrivateKey.from_private_bytes(seed * 32)
        encoded = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        private[f"whpk_{encoded}"] = key
    *own, foreign = private
    return WebhookDouble(
        {**JSON_SECTION, "preset": "standard-webhooks", "id": "header:webhook-id"},
        [sent("v1"), sent("v2")],
        sign,
        Header("webhook-signature"),
        covers=(Body(), Header("webhook-id"), Header("webhook-timestamp")),
        tolerance=300.0,
        secrets=own,
        foreign_secret=foreign,
    )


def _url_and_status(name: str) -> tuple[str, str]:
    return f"https://files.example.com/{name}.png", "done"


BY_SETTINGS: dict[str, Callable[[], WebhookDouble]] = {
    "secret-field": secret_field,
    "basic": basic,
    "header": own_header,
    "hmac": signed_with_time_and_id,
    "ed25519": standard_public,
}
