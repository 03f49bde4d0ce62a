"""Whether what a plugin offers can be used: a stranger's mistake is a refusal with its reason."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from sinkwell.contract.notifier import NotifierType
from sinkwell.contract.settings import (
    NotifierSettings,
    SinkSettings,
    SourceSettings,
    decode_custom,
)
from sinkwell.contract.sink import AnySinkType, SinkType
from sinkwell.contract.source import SourceType
from sinkwell.naming.segment import LONGEST_SEGMENT
from sinkwell.naming.template import LONGEST_KEY


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what plugins offer: how people call it, its hook, its classes."""

    noun: str
    hook: str
    offers: type[Any]
    settings: type[msgspec.Struct]


KINDS = (
    Kind("source", "sinkwell_sources", SourceType, SourceSettings),
    Kind("sink", "sinkwell_sinks", SinkType, SinkSettings),
    Kind("notifier", "sinkwell_notifiers", NotifierType, NotifierSettings),
)


class RefusedError(Exception):
    """What is wrong; the advice is to tell the authors, unless there is a better one."""

    def __init__(self, what: str, advice: str | None = None) -> None:
        super().__init__(what)
        self.advice = advice


@contextmanager
def strangers_code(failure: str, advice: str | None = None) -> Iterator[None]:
    """Turn whatever the block raises into a refusal, save the user's Ctrl-C."""
    try:
        yield
    except (KeyboardInterrupt, RefusedError):
        raise
    except BaseException as error:
        reason = traceback.format_exception_only(error)[-1].strip()
        raise RefusedError(f"{failure}: {reason}", advice) from error


def vet(kind: Kind, offered: Any) -> bool:
    """Return True for a type of that kind; refuse anything that is none."""
    if not isinstance(offered, kind.offers):
        found, expected = type(offered).__name__, kind.offers.__name__
        raise RefusedError(f"its hook {kind.hook} returned a {found} instead of a {expected}")
    name, settings = offered.name, offered.settings
    if not (isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]*", name)):
        what = f"the {kind.noun} type {name!r} is misnamed: lower-case letters, digits and dashes"
        raise RefusedError(what)
    whose = f'the settings class of {kind.noun} type "{name}"'
    if not (isinstance(settings, type) and issubclass(settings, kind.settings)):
        raise RefusedError(f"{whose} does not extend {kind.settings.__name__}")
    with strangers_code(f"{whose} cannot be understood"):
        for each in msgspec.structs.fields(settings):
            for custom in _custom_types(inspect.type_info(each.type), set()):
                if not _decodable(custom):
                    what = f'{whose} cannot hold its field "{each.name}", a {custom.__name__}'
                    raise RefusedError(what)
    if isinstance(offered, SinkType):
        _vet_key_limits(offered)
        _vet_functions(offered)
    return True


def _vet_key_limits(offered: AnySinkType) -> None:
    """Refuse a sink that does not take every key that Sinkwell makes."""
    whose = f'the key limits of sink type "{offered.name}"'
    with strangers_code(f"{whose} cannot be understood"):
        key, segment = offered.key_limits.key, offered.key_limits.segment
        if key < LONGEST_KEY or (segment is not None and segment < LONGEST_SEGMENT):
            least = f"{LONGEST_KEY} bytes a key and {LONGEST_SEGMENT} a segment"
            raise RefusedError(f"{whose} are too low: every sink takes {least}")


def _vet_functions(offered: AnySinkType) -> None:
    """Refuse a sink that offers as a function what is none."""
    for name in ("examine", "policy"):
        function = getattr(offered, name)
        if function is not None and not callable(function):
            found = type(function).__name__
            raise RefusedError(
                f'{name} of sink type "{offered.name}" is a {found} instead of a function'
            )


def _decodable(custom: type) -> bool:
    try:
        with suppress(ValueError):  # it knows the type, and wants a better value than None
            decode_custom(custom, None)
    except NotImplementedError:
        return False
    return True


def _custom_types(described: object, seen: set[int]) -> Iterator[type]:
    """Yield the types that msgspec alone cannot read, from a description and all below it."""
    if id(described) in seen:  # a class may hold itself
        return
    seen.add(id(described))
    if isinstance(described, inspect.CustomType):
        yield described.cls
    elif isinstance(described, inspect.Type | inspect.Field):
        for name in described.__struct_fields__:
            yield from _custom_types(getattr(described, name), seen)
    elif isinstance(described, tuple):
        for each in described:
            yield from _custom_types(each, seen)
