"""Names that are safe everywhere, made from templates of the operator and values of the sender.

Pure: no clock, no disk, nothing that differs between two machines.
"""

from sinkwell.naming.explain import Change, explain
from sinkwell.naming.segment import identifier, segment
from sinkwell.naming.template import Template, TemplateError
from sinkwell.naming.variables import KeyValues, host_of

__all__ = [
    "Change",
    "KeyValues",
    "Template",
    "TemplateError",
    "explain",
    "host_of",
    "identifier",
    "segment",
]
