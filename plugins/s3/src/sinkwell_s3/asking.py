"""Asking a store, or AWS, something with boto3, where not to know the question is an answer."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from sinkwell_s3.errors import BOTO_ERRORS, answer_of, from_boto

_UNKNOWN = {"NotImplemented", "MethodNotAllowed", "NotSupported", "UnsupportedOperation"}
_UNKNOWN_STATUSES = {405, 501}


class NotOfferedError(Exception):
    """The store does not know the question."""


def ask(call: Callable[..., Any], label: str, /, *, none: str = "", **arguments: Any) -> Any:
    """Return an answer, or None where its code is ``none``: there is no such setting.

    Raises ``NotOfferedError`` where the store does not know the question, ``ForbiddenError`` where
    the key may not ask it, another ``SinkError`` where nothing at all can be asked.
    """
    try:
        return call(**arguments)
    except ResponseParserError as error:  # some answer with a page instead
        raise NotOfferedError from error
    except BOTO_ERRORS as error:
        if isinstance(error, ClientError):
            answer = answer_of(error)
            if none and answer.code == none:
                return None
            if answer.code in _UNKNOWN or answer.status in _UNKNOWN_STATUSES:
                raise NotOfferedError from error
        raise from_boto(error, label) from error
