"""The three hooks. Each returns types; none of them does any work.

A hook runs once, at start-up, and one plugin at a time: an exception in one plugin is
reported by ``sinkwell check`` and leaves every other plugin as it was.
"""

from collections.abc import Iterable
from typing import Any

import pluggy

from sinkwell.contract.notifier import NotifierType
from sinkwell.contract.sink import SinkType
from sinkwell.contract.source import SourceType

NAMESPACE = "sinkwell"
"""Name of the pluggy project and of the entry-point group."""

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)
"""Marks a function of a plugin as the implementation of a hook of the same name."""


@hookspec
def sinkwell_sources() -> Iterable[SourceType[Any]]:
    """Return the source types of this plugin."""
    raise NotImplementedError  # a specification: pluggy never calls it


@hookspec
def sinkwell_sinks() -> Iterable[SinkType[Any]]:
    """Return the sink types of this plugin."""
    raise NotImplementedError  # a specification: pluggy never calls it


@hookspec
def sinkwell_notifiers() -> Iterable[NotifierType[Any]]:
    """Return the notifier types of this plugin."""
    raise NotImplementedError  # a specification: pluggy never calls it
