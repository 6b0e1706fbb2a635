"""Read and write MANSCDP-like XML: small, flat, often broken (GB/T 28181 Annex A).

The good case is expat's; what expat refuses, a tolerant scanner reads (`gateway.wire.xmlscan`). Neither knows DTDs or
entities but the five of XML and character references. Tags compare without case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_XML_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 50_000


@dataclass(frozen=True, slots=True)
class XmlNode:
    """One element: its own text (without the children's), stripped; attributes and children in order."""

    tag: str
    text: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[XmlNode, ...] = ()

    def attribute(self, name: str) -> str | None:
        raise NotImplementedError

    def child(self, *path: str) -> XmlNode | None:
        """The first element down `path`, or None."""
        raise NotImplementedError

    def all(self, tag: str) -> tuple[XmlNode, ...]:
        """Every direct child of that tag."""
        raise NotImplementedError

    def walk(self) -> Iterator[XmlNode]:
        """This element and all under it, in document order."""
        raise NotImplementedError

    def field(self, *path: str, default: str = "") -> str:
        """The text of the element down `path`; where there is none, the attribute of that name (some devices write
        fields as attributes); else `default`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class XmlDocument:
    """`charset` is what the bytes were ("utf-8", "gb18030", "utf-16", "ascii"), whatever the declaration said;
    `repaired` whether the tolerant scanner had to read it."""

    root: XmlNode
    charset: str
    repaired: bool = False


def parse_xml(data: bytes) -> XmlDocument:
    """Raises RemoteProtocolError, nothing else: too large, too deep, a DTD, or no element at all."""
    raise NotImplementedError


def element(
    tag: str, *children: XmlNode | tuple[str, object] | None, text: object = "", **attributes: object
) -> XmlNode:
    """Build a node. A child may be a node, a pair `(tag, text)`, or None (left out):
    `element("Query", ("CmdType", "Catalog"), ("SN", 1), ("DeviceID", id))`."""
    raise NotImplementedError


def build_xml(root: XmlNode, charset: str = "GB2312") -> bytes:
    """The document with its declaration; `charset` is the label. GB2312 and GBK are written as GB 18030 bytes (their
    superset); characters a charset lacks become character references; characters XML forbids are left out."""
    raise NotImplementedError
