"""The process's log: structlog, as JSON or for the eye, with secrets blacked out."""

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Literal

import msgspec
import structlog
from structlog.types import Processor

from sinkwell.contract import Secret

_SUSPECT = re.compile(r"secret|password|token$|authorization|api_?key|signature", re.IGNORECASE)
_MASK = "***"
_SHORTEST = 4

Record = MutableMapping[str, Any]


class Redactor:
    """A structlog processor that blacks out secrets: known values anywhere, and suspect fields."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        """Shorter values than four characters are left: blacking them out would eat words."""
        values = sorted({s.reveal() for s in secrets if len(s.reveal()) >= _SHORTEST}, key=len)
        self._values = re.compile("|".join(map(re.escape, reversed(values)))) if values else None

    def __call__(self, _: object, __: str, record: Record) -> Record:
        """Black out in place, and return the record."""
        for name, value in record.items():
            record[name] = _MASK if _SUSPECT.search(name) else self._cleaned(value)
        return record

    def _cleaned(self, value: object) -> object:
        if self._values is None or isinstance(value, int | float | None):
            return value
        if isinstance(value, str):
            return self._values.sub(_MASK, value)
        if isinstance(value, dict):
            return {name: self._cleaned(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._cleaned(inner) for inner in value]
        return self._values.sub(_MASK, str(value))


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
    return msgspec.json.encode(record, enc_hook=str).decode()
