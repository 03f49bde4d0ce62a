"""What all facts have in common."""

from typing import ClassVar

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event says, beyond its envelope. Empty ``labels`` are left out."""

    TYPE: ClassVar[str]
