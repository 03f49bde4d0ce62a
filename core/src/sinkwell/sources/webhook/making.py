"""From the settings to the proof that they ask for."""

from sinkwell.sources.webhook.proofs import (
    Basic,
    Nothing,
    Proof,
    SecretField,
    SharedSecret,
    Signature,
)
from sinkwell.sources.webhook.settings import Scheme, WebhookSettings
from sinkwell.sources.webhook.standard import StandardWebhooks
from sinkwell.sources.webhook.view import View


def make_proof(settings: WebhookSettings, view: View) -> Proof:
    """Return what the settings ask for."""
    authentication, secrets = settings.authentication, settings.secrets
    if authentication is None:
        raise ValueError("authentication is missing")
    match authentication.scheme:
        case Scheme.NONE:
            return Nothing()
        case Scheme.BEARER:
            return SharedSecret(secrets, "Authorization", "Bearer")
        case Scheme.BASIC:
            return Basic(secrets)
        case Scheme.HEADER:
            return SharedSecret(secrets, authentication.header or "")
        case Scheme.SECRET_FIELD:
            return SecretField(secrets, authentication.field or "", view)
        case Scheme.HMAC:
            return Signature(secrets, authentication, view)
        case Scheme.STANDARD_WEBHOOKS:
            return StandardWebhooks(secrets, authentication.tolerance)
