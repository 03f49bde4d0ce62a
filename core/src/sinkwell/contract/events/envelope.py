"""What surrounds every fact."""

import datetime as dt

import msgspec

from sinkwell.contract.events.fact import Fact


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact with its envelope."""

    position: int
    """Place in the event log: 1, 2, 3 … without gaps; 0 for an event that is not in the log."""
    id: str
    """Unique for ever; equal in every repeat of this event."""
    type: str
    time: float
    """When it became true, in seconds since 1970."""
    subject: str
    """Id of the callback, file or batch, or name of the sink, source or notifier, that it is
    about."""
    data: Fact

    def as_dict(self) -> dict[str, object]:
        """Return the event as plain values, ready for JSON."""
        return {
            "position": self.position,
            "id": self.id,
            "type": self.type,
            "time": self.time,
            "subject": self.subject,
            "data": msgspec.to_builtins(self.data),
        }

    def as_cloudevent(self) -> dict[str, object]:
        """Return the event as a CloudEvent 1.0, in the structured form of JSON.

        ``sequence`` is the position, in digits that sort as text (the extension "Sequence").
        """
        time = dt.datetime.fromtimestamp(self.time, dt.UTC).isoformat(timespec="milliseconds")
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": "/sinkwell",
            "type": f"dev.sinkwell.{self.type}",
            "time": time.replace("+00:00", "Z"),
            "subject": self.subject,
            "sequence": f"{self.position:020d}",
            "datacontenttype": "application/json",
            "data": msgspec.to_builtins(self.data),
        }
