"""Plays ScreenshotCenter: sends webhooks in every spelling that its pages show."""

import hmac
from collections.abc import Sequence

from sinkwell.testing import (
    Body,
    Expected,
    ExpectedLink,
    Header,
    NotOffered,
    Provider,
    Request,
    Sample,
    json_request,
)

CDN = "https://cdn.screenshotcenter.com/shots/"


class ScreenshotCenterDouble(Provider):
    proof = Header("X-ScreenshotCenter-Signature")
    covers = (Body(),)
    tolerance = NotOffered("ScreenshotCenter signs no time")
    secrets = ("kit-secret-number-one", "kit-secret-number-two")
    prefix = ""

    def samples(self) -> Sequence[Sample]:
        return [
            Sample(
                "a finished screenshot",
                json_request(
                    {
                        "event": "screenshot.finished",
                        "screenshot_id": 8861,
                        "status": "finished",
                        "image_url": f"{CDN}8861.png?sig=a%2Fb",
                        "url": "https://example.com/shop",
                        "width": 1280,
                        "height": 800,
                        "created_at": "2026-01-02 03:04:05",
                        "tags": ["shop", "nightly"],
                        "metadata": {"order": "A-17"},
                        "apps": {"archive": {"status": "finished", "path": "a/8861.png"}},
                    },
                    X_ScreenshotCenter_Event="screenshot.finished",
                ),
                Expected(
                    "8861",
                    provider_status="finished",
                    files=(ExpectedLink(f"{CDN}8861.png?sig=a%2Fb", extension="png"),),
                    labels={
                        "url": "https://example.com/shop",
                        "width": "1280",
                        "height": "800",
                        "created_at": "2026-01-02 03:04:05",
                        "tags": "shop,nightly",
                        "apps": '{"archive":{"path":"a/8861.png","status":"finished"}}',
                        "metadata.order": "A-17",
                    },
                ),
            ),
            Sample(
                "the other spelling",
                json_request(
                    {
                        "event": "screenshot.completed",
                        "screenshot_id": "8862",
                        "status": "done",
                        "image_url": "https://api.screenshotcenter.com/v1/image?id=8862",
                    }
                ),
                Expected(
                    "8862",
                    provider_status="done",
                    files=(ExpectedLink("https://api.screenshotcenter.com/v1/image?id=8862"),),
                ),
            ),
            Sample(
                "a failure",
                json_request(
                    {"event": "screenshot.failed", "screenshot_id": 8863, "status": "failed"}
                ),
                Expected("8863", succeeded=False, provider_status="failed"),
            ),
            Sample(
                "the end of a batch",
                json_request({"event": "batch.finished", "batch_id": 12, "status": "finished"}),
                Expected(
                    "12",
                    provider_status="batch.finished",
                    labels={"batch_id": "12"},
                    notice=True,
                    finished_batch="12",
                ),
            ),
            *(self._upload(event) for event in ("app.upload.finished", "app.upload.failed")),
        ]

    def _upload(self, event: str) -> Sample:
        apps = {"archive": {"status": event.rpartition(".")[2], "path": "a/8861.png"}}
        status = apps["archive"]["status"]
        return Sample(
            event,
            json_request({"event": event, "screenshot_id": 8861, "apps": apps}),
            Expected(
                "8861",
                provider_status=event,
                labels={"apps": f'{{"archive":{{"path":"a/8861.png","status":"{status}"}}}}'},
                notice=True,
            ),
        )

    def sign(self, request: Request, *, secret: str, at: float) -> Request:
        digest = hmac.new(secret.encode(), request.body, "sha256").hexdigest()
        return request.with_value(self.proof, f"{self.prefix}{digest}")


class OtherHeader(ScreenshotCenterDouble):
    """Signs in the other header, with the prefix."""

    proof = Header("X-Signature")
    prefix = "sha256="
