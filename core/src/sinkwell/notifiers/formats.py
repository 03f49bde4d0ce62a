"""What a webhook says: an event, or several, as the body of a request. Pure."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sinkwell.contract import Event, RejectedError
from sinkwell.contract.events import (
    CallbackProviderFailed,
    Delivered,
    DeliveryExhausted,
    DeliveryRejected,
    DeliveryStored,
    Fact,
    FileFailed,
    FileFinished,
)

_JSON = "application/json"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Payload:
    """A body, what it is, and the headers that belong to its format."""

    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


class Format(Protocol):
    """How events are written."""

    def one(self, event: Event) -> Payload:
        """Write one event."""
        ...

    def several(self, events: Sequence[Event]) -> Payload:
        """Write several events in one body."""
        ...


class StandardFormat:
    """The event as the API shows it; several as the ``events`` of a ``batch``."""

    def one(self, event: Event) -> Payload:
        return Payload(_encode(event.as_dict()), _JSON)

    def several(self, events: Sequence[Event]) -> Payload:
        body = {"type": "batch", "events": [event.as_dict() for event in events]}
        return Payload(_encode(body), _JSON)


class CloudEventsFormat:
    """CloudEvents 1.0 in the structured mode of its HTTP binding, or in the batched one."""

    def one(self, event: Event) -> Payload:
        return Payload(_encode(event.as_cloudevent()), "application/cloudevents+json")

    def several(self, events: Sequence[Event]) -> Payload:
        body = [event.as_cloudevent() for event in events]
        return Payload(_encode(body), "application/cloudevents-batch+json")


class TemplateFormat:
    """A Jinja template of the user's own, in a sandbox."""

    def __init__(self, template: str, content_type: str, *, strict: bool = True) -> None:
        """Raise ``ValueError`` when it is no template.

        Unless it is ``strict``, a value that is not there is empty.
        """
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined if strict else Undefined,
            autoescape=False,
        )
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise ValueError(f"is no Jinja template: {error}") from None
        self._content_type = content_type

    def one(self, event: Event) -> Payload:
        return self._rendered(event=event.as_dict(), events=[event.as_dict()])

    def several(self, events: Sequence[Event]) -> Payload:
        return self._rendered(events=[event.as_dict() for event in events])

    def _rendered(self, **values: object) -> Payload:
        try:
            text = self._template.render(values)
        except Exception as error:  # a template is a program: it may raise anything
            what = f"the template cannot be rendered: {type(error).__name__}: {error}"
            raise RejectedError(what) from error
        return Payload(text.encode("utf-8", "replace"), self._content_type)


class ScreenshotCenterFormat:
    """What receivers of ScreenshotCenter's own webhooks read, with its signature over the body."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets]

    def one(self, event: Event) -> Payload:
        name, status, apps = _screenshot(event.type, event.data)
        body = _encode(
            {
                "event": name,
                "screenshot_id": getattr(event.data, "provider_id", None),
                "status": status,
                "image_url": link.url if (link := getattr(event.data, "link", None)) else None,
                "apps": apps,
            }
        )
        headers = {"X-ScreenshotCenter-Event": name}
        if self._secrets:
            signature = hmac.digest(self._secrets[0], body, "sha256").hex()
            headers["X-ScreenshotCenter-Signature"] = signature
        return Payload(body, _JSON, headers)

    def several(self, events: Sequence[Event]) -> Payload:
        raise RejectedError(f"this format has no place for {len(events)} events in one call")


def _screenshot(kind: str, fact: Fact) -> tuple[str, str | None, dict[str, Any]]:
    """Return event, status and ``apps`` in ScreenshotCenter's words."""
    match fact:
        case FileFinished(deliveries=deliveries):
            return "screenshot.finished", "finished", dict(map(_app, deliveries))
        case FileFailed(deliveries=deliveries):
            return "screenshot.failed", "failed", dict(map(_app, deliveries))
        case CallbackProviderFailed():
            return "screenshot.failed", "failed", {}
        case DeliveryStored(sink=sink, key=key):
            app = {"status": "finished", "path": key}
            return "app.upload.finished", "finished", {sink: app}
        case DeliveryRejected(sink=sink, key=key) | DeliveryExhausted(sink=sink, key=key):
            return "app.upload.failed", "failed", {sink: {"status": "failed", "path": key}}
    return kind, None, {}


def _app(delivery: Delivered) -> tuple[str, dict[str, str]]:
    status = "finished" if delivery.state == "stored" else "failed"
    return delivery.sink, {"status": status, "path": delivery.key}
