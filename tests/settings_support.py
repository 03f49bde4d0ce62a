"""A registry of made-up types, and short ways to load a settings text."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from sinkwell.contract import (
    NotifierSettings,
    NotifierType,
    Secret,
    SinkSettings,
    SinkType,
    SourceSettings,
    SourceType,
    hookimpl,
)
from sinkwell.plugins import Registry, discover
from sinkwell.settings import Settings, SettingsError, load

FILE = "sinkwell.toml"


class ShutterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    allow_hosts: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    token: Secret | None = None


class CameraSettings(SourceSettings, frozen=True, kw_only=True):
    secrets: tuple[Secret, ...] = ()
    shutter: ShutterSettings | None = None


class DiskSettings(SinkSettings, frozen=True, kw_only=True):
    root: str
    mode: int = 0o600

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.root == "bug":
            raise KeyError("root")
        if self.root == "/":
            raise ValueError("root must not be the whole disk")


async def never(_settings: object, _context: object) -> Any:
    raise AssertionError("nothing is opened by loading settings")


def never_source(_settings: object, _context: object) -> Any:
    raise AssertionError("nothing is opened by loading settings")


@hookimpl
def sinkwell_sources() -> list[object]:
    camera = SourceType("camera", "", CameraSettings, never_source, default_key="{id}")
    return [camera]


@hookimpl
def sinkwell_sinks() -> list[object]:
    return [SinkType("disk", "", DiskSettings, never)]


@hookimpl
def sinkwell_notifiers() -> list[object]:
    return [NotifierType("log", "", NotifierSettings, never)]


PLUGIN = SimpleNamespace(
    sinkwell_sources=sinkwell_sources,
    sinkwell_sinks=sinkwell_sinks,
    sinkwell_notifiers=sinkwell_notifiers,
)
REGISTRY = discover([], {"made-up": PLUGIN})


def load_text(
    directory: Path,
    text: str,
    environ: Mapping[str, str] | None = None,
    *,
    registry: Registry = REGISTRY,
    data_dir: Path | None = None,
    host: str | None = None,
    port: int | None = None,
) -> Settings:
    """Load ``text`` as ``sinkwell.toml`` in ``directory``."""
    path = directory / FILE
    path.write_text(text)
    return load(
        registry,
        path=path,
        default_text=None,
        data_dir=data_dir,
        host=host,
        port=port,
        environ=environ or {},
    )


def problems(directory: Path, text: str, *args: Any, **options: Any) -> list[str]:
    """Return what the user is told, without the name of the temporary directory."""
    with pytest.raises(SettingsError) as raised:
        load_text(directory, text, *args, **options)
    return [str(each).replace(f"{directory}/", "") for each in raised.value.problems]


def warnings(directory: Path, text: str, *args: Any, **options: Any) -> list[str]:
    """Return what the user is warned of, likewise."""
    settings = load_text(directory, text, *args, **options)
    return [str(each).replace(f"{directory}/", "") for each in settings.warnings]
