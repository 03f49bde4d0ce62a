"""What the settings sections of plugins are made of.

A type's settings class is a frozen :class:`msgspec.Struct` that extends one of the three bases
below; its fields are the keys of the section, its docstrings the help. Unknown keys, wrong types
and missing values become errors that name file, line and the nearest valid key, so a plugin
checks only what types cannot say, in ``__post_init__``, by raising ``ValueError``.
"""

import hmac
import ipaddress
import math
import re
import ssl
from collections.abc import Sequence
from enum import Enum
from typing import Any, Literal

import msgspec

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2: a token


_HOST = re.compile(r"\*|(?:\*\.)?[^\s/:@?#*\[\]]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")


class Duration(float):
    """A span of time in seconds. Written ``1.5``, ``"90s"``, ``"15m"``, ``"2h"``, ``"7d"``."""


class Size(int):
    """A number of bytes. Written ``1048576``, ``"200 KB"``, ``"1 MiB"``, ``"5GB"``."""


class Secret:
    """A value that is never shown: written as a reference, ``"env:NAME"`` or ``"file:PATH"``.

    Two secrets are equal when their values are. ``str`` and ``repr`` give a mask.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself. Keep the result out of logs, errors and URLs."""
        return self._value

    def matches(self, candidate: str) -> bool:
        """Compare in a time that tells nothing of the value; as bytes, so any text is allowed."""
        return hmac.compare_digest(
            self._value.encode("utf-8", "surrogatepass"), candidate.encode("utf-8", "surrogatepass")
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"


class IfPresent(Enum):
    """What ``put`` does when the key is taken already."""

    KEEP_IF_SAME = "keep-if-same"
    """Succeed when the same bytes are there, else refuse with ``RejectedError``."""
    REPLACE = "replace"
    """Overwrite, atomically: a reader sees the old bytes or the new ones."""
    REFUSE = "refuse"
    """Raise ``RejectedError``, whatever is there. (A later try of the same delivery asks for
    ``KEEP_IF_SAME``, as the earlier one may have put the file before it failed.)"""


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.NAME.fetch]``: how files are fetched that callbacks point to."""

    allow_hosts: tuple[str, ...] | None = None
    """Hosts that files are fetched from: ``cdn.example.com``, or ``*.example.com`` for all below
    it; None means the provider's own."""
    allow_networks: tuple[str, ...] = ()
    """Networks beyond the public internet that may be reached, such as ``10.1.0.0/16``."""
    headers: dict[str, dict[str, Secret]] = {}
    """By host or ``*.example.com``, headers of the request; secrets as everywhere."""
    ca_bundle: str | None = None
    """A file with the certificates of authorities, in PEM, that are trusted beside the system's."""
    timeout: Duration = Duration(900)
    """Deadline of one attempt, in seconds."""
    concurrency: int = 8
    """How many files are fetched at once, at least 1."""

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0")
        if self.ca_bundle is not None:
            _check_certificates(self.ca_bundle)
        self._check_hosts()

    def _check_hosts(self) -> None:
        for host in (*(self.allow_hosts or ()), *self.headers):
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f"{host!r} is no host: write it without scheme, port and path, "
                    'as "cdn.example.com", or "*.example.com" for all below it'
                )
        for network in self.allow_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"allow_networks: {error}") from None
        for host, headers in self.headers.items():
            for name in headers:
                if not _HEADER_NAME.fullmatch(name):
                    raise ValueError(f"headers of {host}: {name!r} is no name of a header")


def _check_certificates(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError(f"ca_bundle {path!r} holds no certificates in PEM") from None
    except OSError as error:
        raise ValueError(f"ca_bundle {path!r} cannot be read: {error.strerror}") from None


class OnMismatch(Enum):
    """What becomes of a file that is not what its sender claims, or is cut off."""

    ACCEPT = "accept"
    """Nothing: it is taken for what it is."""
    WARN = "warn"
    """It is delivered with the label ``mismatch``, and the log tells of it."""
    QUARANTINE = "quarantine"
    """The spool keeps it, and no sink gets it."""
    REJECT = "reject"
    """It is refused, with 422, or not fetched."""


STANDARD_SCHEDULE = tuple(map(Duration, (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)))
"""The waits between ten attempts that Standard Webhooks gives as an example: 5 s, 5 m, 30 m, 2 h,
5 h, 10 h, 14 h, 20 h, 24 h."""


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that every ``[sources.NAME]`` section has."""

    type: str
    """Name of the source type."""
    fetch: FetchSettings = FetchSettings()
    """How files are fetched that callbacks point to."""
    on_mismatch: OnMismatch = OnMismatch.WARN
    """What becomes of a file that is not what its sender claims, or is cut off."""

    def doubts(self) -> Sequence[str]:
        """Say what is allowed, but better done otherwise: it is warned of."""
        return ()


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that every ``[sinks.NAME]`` section has."""

    type: str
    """Name of the sink type."""
    key: str | None = None
    """Key template; a route's own comes first, the source type's default last."""
    if_present: IfPresent = IfPresent.KEEP_IF_SAME
    """What to do when the key is taken."""
    concurrency: int = 8
    """How many files are put at once, at least 1."""
    timeout: Duration = Duration(300)
    """Deadline of one attempt, in seconds."""

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0")


class NotifierBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``batch`` of a notifier: several events in one call."""

    max_events: int = 100
    """The most events of one call, at least 1."""
    max_wait: Duration = Duration(10)
    """How long the first of them may wait for others."""

    def __post_init__(self) -> None:
        if self.max_events < 1:
            raise ValueError("max_events must be at least 1")


SHORTEST_LINK = 60.0
LONGEST_LINK = 366 * 86400.0
"""Seconds that a link of Sinkwell's own may be good for."""
LONGEST_SINK_LINK = 7 * 86400.0
"""Likewise of a sink: signatures of S3 and Cloud Storage last no longer."""


class NotifierSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that every ``[notifiers.NAME]`` section has.

    ``events``, ``source``, ``sink`` and ``labels`` say together which events it is told of. They
    are patterns, in which ``*`` stands for any characters.
    """

    type: str
    """Name of the notifier type."""
    events: tuple[str, ...] = ("*",)
    """Event types."""
    source: tuple[str, ...] = ()
    """Only events of these sources; without any, all events."""
    sink: tuple[str, ...] = ()
    """Only events of these sinks; without any, all events."""
    labels: dict[str, str] = {}
    """Only events of files whose labels have these values."""
    ordered: bool = False
    """Whether an event waits until those before it with the same subject are told."""
    concurrency: int = 8
    """How many calls are made at once, at least 1."""
    timeout: Duration = Duration(15)
    """Deadline of one attempt."""
    schedule: tuple[Duration, ...] = STANDARD_SCHEDULE
    """The waits after failed attempts; when they are used up, the notification has failed."""
    disable_after: Duration = Duration(5 * 86400)
    """After how long a time of nothing but failures it is told no more."""
    batch: NotifierBatch | None = None
    """Tell several events in one call, where the type can."""
    links: Literal["none", "sinkwell", "sink"] = "none"
    """Which link to its file an event about one gets, as ``link``: none, one that Sinkwell
    answers, or one that a sink signed that has the file."""
    link_expires: Duration = Duration(86400)
    """For how long each link is good, counted from its attempt: a minute to 366 days, and of a
    sink 7 days at most."""

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0")
        longest = LONGEST_SINK_LINK if self.links == "sink" else LONGEST_LINK
        if not SHORTEST_LINK <= self.link_expires <= longest:
            raise ValueError(
                f"link_expires must be between 1 minute and {longest / 86400:.0f} days "
                f'with links = "{self.links}"'
            )


def decode_custom(kind: type, value: Any) -> Any:
    """Convert a value of the settings to one of this module's types (msgspec's ``dec_hook``).

    Raises ``ValueError`` with the accepted spellings, ``NotImplementedError`` for other types.
    """
    if kind is Duration:
        return Duration(
            _quantity(value, _DURATIONS, 'a time such as 30, "30s", "15m", "2h" or "7d"')
        )
    if kind is Size:
        return Size(_quantity(value, _SIZES, 'a size such as 1048576, "200 KB" or "1 MiB"'))
    if kind is Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str) and value:
            return Secret(value)
        raise ValueError('a secret is text: "env:NAME" or "file:PATH"')
    raise NotImplementedError(f"settings cannot hold a {kind.__name__}")


_DURATIONS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZES = {"": 1, "b": 1}
_SIZES |= {f"{p}b": 1000**n for n, p in enumerate("kmgt", 1)}
_SIZES |= {f"{p}ib": 1024**n for n, p in enumerate("kmgt", 1)}


def _quantity(value: Any, units: dict[str, float] | dict[str, int], expected: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return value
    if isinstance(value, str):
        text = value.strip().lower()
        number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
        unit = text[len(number) :].strip()
        try:
            amount = float(number)
        except ValueError:
            amount = -1.0
        if unit in units and 0 <= amount < math.inf:
            return amount * units[unit]
    raise ValueError(f"expected {expected}, got {value!r}")
