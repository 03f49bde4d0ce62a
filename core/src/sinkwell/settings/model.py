"""The settings as the rest of Sinkwell sees them: complete, checked and frozen.

The defaults are the documentation of what happens when a key is not written. Sizes are bytes,
durations seconds. ``__post_init__`` raises ``ValueError`` with the key as the first word.
"""

from pathlib import Path
from typing import Literal

import msgspec

from sinkwell.contract.settings import (
    Duration,
    NotifierSettings,
    Secret,
    SinkSettings,
    Size,
    SourceSettings,
)
from sinkwell.delivery.condition import Condition
from sinkwell.settings.problems import Problem

KIB, MIB, GIB = 1024, 1024**2, 1024**3
MINUTE, HOUR, DAY = 60, 3600, 86400


def _require_positive(settings: msgspec.Struct, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value is not None and value <= 0:
            raise ValueError(f"{name} must be more than 0")


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[server]``: where callbacks are received and the API answers."""

    host: str = "127.0.0.1"
    """Address to listen on. Any other than a loopback one asks for an ``admin_token``."""
    port: int = 8080
    """0 lets the system choose a free one."""
    admin_token: Secret | None = None
    """What the API asks of its clients, as a bearer token."""
    public_url: str | None = None
    """Address by which providers reach Sinkwell, for callback URLs that it makes."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:  # noqa: PLR2004  # what a port is
            raise ValueError("port must be between 0 and 65535")
        if self.public_url is not None and not self.public_url.startswith(("http://", "https://")):
            raise ValueError("public_url begins with https:// or http://")


class SpoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[spool]``: the durable place where files wait."""

    max_size: Size | None = None
    """How much the waiting files may take together; None leaves it to ``reserve``."""
    reserve: Size = Size(256 * MIB)
    """Free space that is always left on the disk."""
    retention: Duration = Duration(0)
    """How long a file stays after every delivery of it is stored."""
    failed_retention: Duration = Duration(30 * DAY)
    """How long a file stays after its last delivery failed for good."""

    def __post_init__(self) -> None:
        _require_positive(self, "max_size")


class IntakeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[intake]``: how much a callback may send, and how slowly."""

    max_file_size: Size = Size(5 * GIB)
    idle_timeout: Duration = Duration(30)
    """Longest wait for the next bytes."""
    total_timeout: Duration = Duration(HOUR)
    """Longest time for a whole callback."""
    min_rate: Size = Size(KIB)
    """Bytes a second, measured after the first 10 s; 0 allows any rate."""
    max_parts: int = 16
    max_part_headers: int = 8
    max_header_size: Size = Size(4 * KIB)
    max_field_size: Size = Size(64 * KIB)
    """Of one text field."""
    max_fields_size: Size = Size(256 * KIB)
    """Of all text fields together."""
    max_json_size: Size = Size(MIB)
    """Of JSON, which is held in memory: a body, or a field of ``transport = "form-json"``."""
    max_base64_size: Size = Size(32 * MIB)
    """Likewise of JSON that holds the file itself: ``transport = "base64"``."""
    max_held_size: Size = Size(128 * MIB)
    """Of all that is held in memory at once, of all callbacks together."""

    def __post_init__(self) -> None:
        limits = [name for name in self.__struct_fields__ if name != "min_rate"]
        _require_positive(self, *limits)
        for name in ("max_json_size", "max_base64_size", "max_fields_size"):
            if getattr(self, name) > self.max_held_size:
                raise ValueError(f"max_held_size must not be less than {name}")


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[retry]``: the schedule of a delivery whose attempts fail."""

    attempts: int = 12
    base: Duration = Duration(1)
    """The longest first wait. The second is at most twice, the third 60 times as long, each
    further one four times its predecessor, all up to ``cap``."""
    cap: Duration = Duration(6 * HOUR)

    def __post_init__(self) -> None:
        _require_positive(self, "attempts")
        if self.base > self.cap:
            raise ValueError("base must not be more than cap")


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[ledger]``: the database of callbacks, files, deliveries, attempts and events."""

    url: str | None = None
    """None is a SQLite file in the data directory."""
    synchronous: Literal["full", "normal"] = "full"
    """``normal`` may lose the newest answered callbacks in a power cut: for test controls."""

    def __post_init__(self) -> None:
        if self.url is not None:
            raise ValueError("url cannot be set yet: the ledger is SQLite, in the data directory")


class EventsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[events]``: the log of all that happened."""

    retention: Duration = Duration(30 * DAY)
    """How long events and their notifications stay."""

    def __post_init__(self) -> None:
        _require_positive(self, "retention")


class AlertsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[alerts]``: from when on something is an event that goes on for long, or happens often."""

    failures: int | None = None
    """Attempts at a sink that fail one after the other; told at 50, 70, 90 and 100 percent."""
    sink_paused: Duration | None = None
    """How long a sink may be paused."""
    spool_full: float | None = None
    """Which share of the spool's room may be used, as 0.8."""
    source_silent: Duration | None = None
    """How long a source may send no callback."""

    def __post_init__(self) -> None:
        _require_positive(self, *self.__struct_fields__)
        if self.spool_full is not None and self.spool_full > 1:
            raise ValueError("spool_full must be a share of 1, such as 0.8")


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[log]``: what Sinkwell prints of its own doings."""

    format: Literal["auto", "console", "json"] = "auto"
    """``auto`` is ``console`` on a terminal and ``json`` elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[routes]]``: which sinks the files of a source go to. One text may stand for a list."""

    source: tuple[str, ...]
    """Names of sources, or patterns of them as in file names: ``*`` matches all."""
    sinks: tuple[str, ...]
    key: str | None = None
    """Key template; it comes before that of the sink."""
    when: Condition = Condition()
    """What must hold of a file for the route to take it."""
    default: bool = False
    """True: it takes only files that no other route takes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one Sinkwell."""

    data_dir: Path = Path("sinkwell-data")
    """Home of the spool and of a SQLite ledger; relative to the working directory."""
    time_zone: str = "UTC"
    """Name in the tz database: whose clock the variables of key templates show."""
    server: ServerSettings = ServerSettings()
    spool: SpoolSettings = SpoolSettings()
    intake: IntakeSettings = IntakeSettings()
    retry: RetrySettings = RetrySettings()
    ledger: LedgerSettings = LedgerSettings()
    events: EventsSettings = EventsSettings()
    alerts: AlertsSettings = AlertsSettings()
    log: LogSettings = LogSettings()
    sources: dict[str, SourceSettings] = {}
    sinks: dict[str, SinkSettings] = {}
    notifiers: dict[str, NotifierSettings] = {}
    routes: tuple[Route, ...] = ()
    """Without any, the files of every source go to every sink."""
    path: Path | None = None
    """The file that was read, None for the built-in default."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed, but better done otherwise."""
