"""What users write in a section ``[notifiers.NAME]`` with ``type = "webhook"``."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from sinkwell.contract import NotifierSettings, Secret
from sinkwell.guard import Network, parse_networks
from sinkwell.notifiers.formats import (
    CloudEventsFormat,
    Format,
    ScreenshotCenterFormat,
    StandardFormat,
    TemplateFormat,
)
from sinkwell.notifiers.signing import Signer, parse_private_key, parse_secret, public_key

S = TypeVar("S")
T = TypeVar("T")


class WebhookSettings(NotifierSettings, frozen=True, kw_only=True):
    """The keys of the section, beside those that every notifier has."""

    url: str
    """Where events are posted to, ``https://…``; redirects are not followed."""
    secret: Secret | None = None
    """What the posts are signed with: ``whsec_`` and base64; any text for ``screenshotcenter``."""
    secrets: tuple[Secret, ...] = ()
    """More secrets that sign beside the first, while the other side changes to a new one."""
    signing_key: Secret | None = None
    """A private key, ``whsk_`` and base64, for signatures that a public one verifies."""
    format: Literal["standard", "cloudevents", "screenshotcenter", "template"] = "standard"
    """How an event is written."""
    template: str | None = None
    """For ``format = "template"``: a Jinja template of ``event``, or of ``events``."""
    content_type: str = "application/json"
    """What a template makes."""
    allow_networks: tuple[str, ...] = ()
    """Addresses beside the public ones that may be connected to, such as ``10.0.0.0/8``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must be an address such as https://example.com/hooks")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must hold no user or password: the signature is the proof")
        _named("allow_networks", parse_networks, self.allow_networks)
        if (self.template is not None) != (self.format == "template"):
            raise ValueError('template and format = "template" belong together')
        if not self.content_type.isprintable() or not self.content_type.isascii():
            raise ValueError("content_type must be a media type such as application/json")
        if self.format == "screenshotcenter":
            if self.batch is not None:
                raise ValueError("batch is not for this format: it writes one event")
            if self.secrets or self.signing_key:
                raise ValueError("secret is the only key that this format signs with")
        self.make_format()
        self.make_signer()

    @property
    def networks(self) -> Sequence[Network]:
        """What ``allow_networks`` says."""
        return parse_networks(self.allow_networks)

    @property
    def public_keys(self) -> Sequence[str]:
        """Return the public half of ``signing_key``, if there is one."""
        if self.signing_key is None:
            return ()
        return (public_key(parse_private_key(self.signing_key.reveal())),)

    def make_format(self) -> Format:
        """Return how events are written."""
        match self.format:
            case "standard":
                return StandardFormat()
            case "cloudevents":
                return CloudEventsFormat()
            case "screenshotcenter":
                return ScreenshotCenterFormat([self.secret.reveal()] if self.secret else [])
            case "template":
                template = self.template or ""
                return _named(
                    "template", lambda text: TemplateFormat(text, self.content_type), template
                )

    def make_signer(self) -> Signer:
        """Return who signs the posts, with all keys."""
        if self.format == "screenshotcenter":
            return Signer([])  # it has a signature of its own
        first = [self.secret] if self.secret else []
        keys = [_named("secret", parse_secret, each.reveal()) for each in first]
        keys += [_named("secrets", parse_secret, each.reveal()) for each in self.secrets]
        if self.signing_key is None:
            return Signer(keys)
        return Signer(keys, _named("signing_key", parse_private_key, self.signing_key.reveal()))


def _named(key: str, parse: Callable[[S], T], written: S) -> T:
    """Parse the value of a key; an error begins with the key's name."""
    try:
        return parse(written)
    except ValueError as error:
        raise ValueError(f"{key} {error}") from None
