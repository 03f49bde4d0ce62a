"""Presets: what is known of providers, as data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of one provider."""

    name: str
    summary: str
    """One line for lists."""
    hosts: tuple[str, ...]
    """From which files are fetched where the settings name none."""
    keys: Mapping[str, Any]
    """Keys of ``[sources.NAME]`` and their values."""


def _read() -> dict[str, Preset]:
    text = resources.files(__package__).joinpath("presets.toml").read_text("utf-8")
    presets = {}
    for name, keys in tomllib.loads(text).items():
        summary, hosts = keys.pop("summary"), tuple(keys.pop("hosts", ()))
        presets[name] = Preset(name, summary, hosts, keys)
    return presets


PRESETS = _read()
"""By name, in the order of lists."""
