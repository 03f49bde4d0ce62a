"""The JSON Schema of events, for those who are told of them."""

from typing import Any

import msgspec

from sinkwell.contract import Event, Fact
from sinkwell.contract.events import FACTS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_schema(fact: type[Fact]) -> dict[str, Any]:
    """Return the schema of an event of one type, envelope and all."""
    (_, data), parts = msgspec.json.schema_components([Event, fact], ref_template="#/$defs/{name}")
    whole = dict(parts.pop("Event"))
    parts.pop("Fact")
    whole |= {
        "$schema": _DIALECT,
        "title": fact.TYPE,
        "description": fact.__doc__,
        "properties": {**whole["properties"], "type": {"const": fact.TYPE}, "data": data},
        "$defs": parts,
    }
    return whole


def event_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of all events, by type."""
    return {name: event_schema(fact) for name, fact in FACTS.items()}
