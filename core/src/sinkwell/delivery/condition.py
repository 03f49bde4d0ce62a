"""When a route takes a file: the ``when`` of ``[[routes]]``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from sinkwell.contract.settings import Size
from sinkwell.naming import KeyValues, host_of


@dataclass(frozen=True, slots=True)
class RoutedFile:
    """What routes look at, and keys are made of."""

    media_type: str
    size: int
    status: str
    """The provider's own word for it."""
    values: KeyValues


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``when``: what must hold for a route to take a file; all of it, where several are given.

    Of a list one must match. ``*`` stands for any characters. One text may stand for a list.
    """

    media_type: tuple[str, ...] = ()
    """Patterns of what the content is: ``image/*``."""
    domain: tuple[str, ...] = ()
    """Hosts of the captured address: ``example.com``, or ``*.example.com`` for all below it."""
    status: tuple[str, ...] = ()
    """Patterns of the provider's own status."""
    labels: dict[str, tuple[str, ...]] = {}
    """Patterns by the name of the label; a label that is missing matches none."""
    min_size: Size = Size(0)
    max_size: Size | None = None
    """Both inclusive."""

    def __post_init__(self) -> None:
        if self.max_size is not None and self.max_size < self.min_size:
            raise ValueError("max_size must not be less than min_size")

    def refusal(self, file: RoutedFile) -> str | None:
        """Say what does not hold of a file, or return None when all does."""
        return next(self._refusals(file), None)

    def _refusals(self, file: RoutedFile) -> Iterator[str]:
        if self.media_type and not _matches(file.media_type.lower(), self.media_type):
            yield _told("its media type", file.media_type, self.media_type)
        if file.size < self.min_size:
            yield f"its {file.size} bytes are fewer than {self.min_size}"
        if self.max_size is not None and file.size > self.max_size:
            yield f"its {file.size} bytes are more than {self.max_size}"
        if self.domain:
            host = host_of(file.values.url)
            if not (host and any(_within(host, each) for each in self.domain)):
                yield _told("its domain", host, self.domain)
        if self.status and not _matches(file.status, self.status):
            yield _told("its status", file.status, self.status)
        for name, patterns in self.labels.items():
            value = file.values.labels.get(name)
            if value is None or not _matches(value, patterns):
                yield _told(f'its label "{name}"', value, patterns)


def _matches(value: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _within(host: str, pattern: str) -> bool:
    domain = host_of(pattern.removeprefix("*."))
    if domain is None:
        return False
    return host.endswith(f".{domain}") if pattern.startswith("*.") else host == domain


def _told(what: str, value: str | None, patterns: Iterable[str]) -> str:
    found = "is not known" if not value else f'"{value}"'
    return f"{what} {found}, not {' or '.join(patterns)}"
