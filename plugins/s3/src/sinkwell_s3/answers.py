"""What a store answers, read with care: any part of it may be missing, cut or another's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

_LONGEST = 8 * 1024 * 1024
"""Bytes of an answer that are looked at; a list of 1,000 entries has less than 1 MB."""

_LONGEST_MESSAGE = 300
_NAMESPACE = re.compile(r"\{[^}]*\}")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,99}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one request, with all of its body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Looked up by their names in any case."""
    body: bytes = b""
    said: Mapping[str, str] | None = None
    """Fields of the body where an SDK has read it already."""

    @property
    def document(self) -> "Document":
        """The body as a document; an empty one when it is none."""
        return parse(self.body)

    @property
    def code(self) -> str:
        """The store's own word for an error, such as ``NoSuchBucket``, or nothing."""
        code = self._of_error("Code")
        return code if _CODE.fullmatch(code) else ""

    @property
    def message(self) -> str:
        """The store's own sentence for an error, fit to be shown."""
        text = self._of_error("Message") or self.code or f"HTTP status {self.status}"
        clean = "".join(char if char.isprintable() else " " for char in text)
        return clean[:_LONGEST_MESSAGE].strip().rstrip(".")

    def text(self, name: str) -> str:
        """Return one field of the answer, or nothing."""
        return self.document.text(name) if self.said is None else self.said.get(name, "")

    def _of_error(self, name: str) -> str:
        is_error = self.said is not None or (self.body and self.document.name == "Error")
        return self.text(name) if is_error else ""


@dataclass(frozen=True, slots=True)
class Document:
    """The XML of an answer, without namespaces; what was cut off is missing."""

    complete: bool = False
    root: Element | None = None

    @property
    def name(self) -> str:
        """Name of the outermost element, or nothing."""
        return "" if self.root is None else _local(self.root)

    def text(self, name: str) -> str:
        """Return what stands in the first element of this name, or nothing."""
        for element in self.root if self.root is not None else ():
            if _local(element) == name:
                return element.text or ""
        return ""

    def each(self, name: str) -> list[Mapping[str, str]]:
        """Return the fields of every element of this name."""
        return [
            {_local(field): field.text or "" for field in element}
            for element in (self.root if self.root is not None else ())
            if _local(element) == name
        ]


def parse(body: bytes) -> Document:
    """Read a document as far as it goes.

    One that declares entities is none of a store's, and not read: they could make it explode.
    """
    text = body[:_LONGEST].decode(errors="replace").lstrip()
    if not text.startswith("<") or "<!DOCTYPE" in text:
        return Document()
    builder = _Builder()
    parser = XMLParser(target=builder)  # noqa: S314 - no entities, and no more than so long
    try:
        parser.feed(text)
        parser.close()
    except ParseError:
        return Document(complete=False, root=builder.root)
    return Document(complete=True, root=builder.root)


class _Builder(TreeBuilder):
    """Builds a document, and keeps what there was before it ended too soon."""

    root: Element | None = None

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        element = super().start(tag, attrs)
        if self.root is None:
            self.root = element
        return element


def _local(element: Element) -> str:
    return _NAMESPACE.sub("", element.tag, count=1)
