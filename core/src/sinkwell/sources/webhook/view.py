"""A message as expressions see it."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jmespath

from sinkwell.contract import MalformedCallbackError, Message, Transport, decode_json
from sinkwell.sources.webhook.checks import HEADER

Find = Callable[[str | None], Any]
"""Returns what an expression finds, None where it finds nothing.

Raises ``MalformedCallbackError`` where the message is not what the transport says.
"""


class View:
    """Finds values in messages of one transport.

    An expression is JMESPath, into the JSON or the fields of the form, or ``header:NAME``.
    """

    def __init__(self, transport: Transport, form_field: str | None) -> None:
        self.transport = transport
        self._form_field = form_field or ""

    def of(self, message: Message) -> Find:
        """Return what finds values in a complete message, which is decoded once at most."""
        decoded: list[Any] = []

        def find(expression: str | None) -> Any:
            if expression is None:
                return None
            if (header := header_of(expression)) is not None:
                return message.headers.get(header)
            if not decoded:
                decoded.append(self._document(message))
            return _search(expression, decoded[0])

        return find

    def _document(self, message: Message) -> Any:
        """Return what expressions look into."""
        match self.transport:
            case Transport.JSON | Transport.BASE64:
                return message.json()
            case Transport.FORM_JSON:
                text = message.fields.get(self._form_field)
                if text is None:
                    raise MalformedCallbackError(f"the field {self._form_field} is missing")
                return decode_json(text)
            case Transport.MULTIPART | Transport.RAW:
                fields: Mapping[str, str] = message.fields
                return dict(fields)


def header_of(expression: str) -> str | None:
    """Return the lower-case name of the header that an expression means, None for any other."""
    if not expression.startswith(HEADER):
        return None
    return expression.removeprefix(HEADER).strip().lower()


def _search(expression: str, document: Any) -> Any:
    try:
        return _compiled(expression).search(document)
    except (jmespath.exceptions.JMESPathError, RecursionError):
        # A function was given another type than it takes: then there is no such value.
        return None


@cache
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)
