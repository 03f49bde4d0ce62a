"""The process's log: structlog, as JSON or for the eye, with secrets blacked out."""

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import msgspec
import structlog
from structlog.types import Processor

from sinkwell.contract import Secret
from sinkwell.masking import MASK, without_signatures

_SUSPECT = re.compile(r"secret|password|token$|authorization|api_?key|signature", re.IGNORECASE)
_SHORTEST = 4
_NOTHING = r"(?!)"

Record = MutableMapping[str, Any]


class Redactor:
    """A structlog processor that blacks out secrets.

    These are known values anywhere, suspect fields, and the signatures of links.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        """Shorter values than four characters are left: blacking them out would eat words."""
        values = {s.reveal() for s in secrets if len(s.reveal()) >= _SHORTEST}
        spellings = sorted({text for value in values for text in _spellings(value)}, key=len)
        self._values = re.compile("|".join(map(re.escape, reversed(spellings))) or _NOTHING)

    def __call__(self, _: object, __: str, record: Record) -> Record:
        """Black out in place, and return the record."""
        record.update(self._cleaned_fields(record))
        return record

    def _cleaned_fields(self, fields: Mapping[Any, Any]) -> dict[Any, object]:
        return {
            name: MASK if _SUSPECT.search(str(name)) else self._cleaned(value)
            for name, value in fields.items()
        }

    def _cleaned(self, value: object) -> object:
        if isinstance(value, int | float | None):
            return value
        if isinstance(value, Mapping):
            return {self._cleaned(name): each for name, each in self._cleaned_fields(value).items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._cleaned(each) for each in value]
        return without_signatures(self._values.sub(MASK, str(value)))


def _spellings(value: str) -> set[str]:
    """Return a text as it stands by itself, within a ``repr`` and within a URL."""
    octets = value.encode("utf-8", "surrogatepass")
    return {value, repr(value)[1:-1], quote(octets), quote(octets, safe=""), quote_plus(octets)}


def secrets_in(settings: object) -> Iterator[Secret]:
    """Yield every secret of the settings, however deep it lies."""
    if isinstance(settings, Secret):
        yield settings
    elif isinstance(settings, msgspec.Struct):
        for name in settings.__struct_fields__:
            yield from secrets_in(getattr(settings, name))
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from secrets_in(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from secrets_in(value)


def configure(
    style: Literal["auto", "console", "json"], level: str, secrets: Iterable[Secret] = ()
) -> None:
    """Send all logging, libraries' too, to standard error.

    ``auto`` is for the eye on a terminal and JSON elsewhere.
    """
    colours = sys.stderr.isatty()
    console = style == "console" or (style == "auto" and colours)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redactor(secrets),
    ]
    renderer = (
        structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback
        )
        if console
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _to_json(record: Record, **_: object) -> str:
    return json.dumps(record, default=str)
