"""Callbacks of JSON, sent as a provider sends them."""

from typing import Any

import httpx
import msgspec
from instances import Instance


def call_signed(
    instance: Instance, source: str, document: object, token: str, **options: Any
) -> httpx.Response:
    """Send JSON with a bearer token."""
    return instance.ask(
        "POST",
        f"{instance.url}/callbacks/{source}",
        content=msgspec.json.encode(document),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        **options,
    )
