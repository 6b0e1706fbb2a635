"""Read and write MANSCDP-like XML: small, flat, often broken (GB/T 28181 Annex A).

The good case is expat's; what expat refuses, a tolerant scanner reads (`gateway.wire.xmlscan`). Neither knows DTDs or
entities but the five of XML and character references. Tags compare without case; namespace prefixes are dropped.

Charset: the declaration is not believed. A byte-order mark decides; else bytes that are valid UTF-8 are UTF-8 (GB 18030
text hardly ever is); else they are GB 18030, the superset of GB 2312 and GBK.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.parsers import expat

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.xmlscan import TreeBuilder, scan

MAX_XML_BYTES = 1024 * 1024

_DECLARATION = re.compile(r"\s*<\?xml\b[^>]{0,200}\?>", re.I)
# XML 1.0 §2.2 Char: what may not stand in a document at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAME = re.compile(r"[^\W\d][\w.\-]*\Z")
_GB = frozenset({"gb2312", "gbk", "gb18030"})


@dataclass(frozen=True, slots=True)
class XmlNode:
    """One element: its own text (without the children's), stripped; attributes and children in order."""

    tag: str
    text: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[XmlNode, ...] = ()

    def attribute(self, name: str) -> str | None:
        low = name.lower()
        return next((value for key, value in self.attributes if key.lower() == low), None)

    def child(self, *path: str) -> XmlNode | None:
        """The first element down `path`, or None."""
        node: XmlNode | None = self
        for name in path:
            if node is None:
                return None
            low = name.lower()
            node = next((c for c in node.children if c.tag.lower() == low), None)
        return node

    def all(self, tag: str) -> tuple[XmlNode, ...]:
        """Every direct child of that tag."""
        low = tag.lower()
        return tuple(c for c in self.children if c.tag.lower() == low)

    def walk(self) -> Iterator[XmlNode]:
        """This element and all under it, in document order."""
        yield self
        for node in self.children:
            yield from node.walk()

    def field(self, *path: str, default: str = "") -> str:
        """The text of the element down `path`; where there is none, the attribute of that name (some devices write
        fields as attributes); else `default`. An element that is there but empty gives ""."""
        found = self.child(*path)
        if found is not None:
            return found.text
        parent = self.child(*path[:-1])
        value = None if parent is None or not path else parent.attribute(path[-1])
        return default if value is None else value.strip()


@dataclass(frozen=True, slots=True)
class XmlDocument:
    """`charset` is what the bytes were ("utf-8", "gb18030", "utf-16", "ascii"), whatever the declaration said;
    `repaired` whether the tolerant scanner had to read it."""

    root: XmlNode
    charset: str
    repaired: bool = False


def parse_xml(data: bytes) -> XmlDocument:
    """Raises RemoteProtocolError, nothing else: too large, too deep, a DTD, or no element at all."""
    if len(data) > MAX_XML_BYTES:
        raise RemoteProtocolError(f"XML of {len(data)} bytes, at most {MAX_XML_BYTES} are read")
    text, charset = decode_text(data)
    declaration = _DECLARATION.match(text)
    text = text[declaration.end() :] if declaration else text
    text = text.strip(" \t\r\n\ufeff")
    if "<!DOCTYPE" in text[:4096].upper():
        raise RemoteProtocolError("XML with a DTD")
    try:
        return XmlDocument(_strict(text), charset)
    except expat.ExpatError:
        return XmlDocument(_freeze(scan(_FORBIDDEN.sub("", text))), charset, repaired=True)


def decode_text(data: bytes) -> tuple[str, str]:
    """`(text, charset)` by the bytes alone. Never raises; what can not be read becomes U+FFFD."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), "utf-16"
    if data[:4] in (b"<\0?\0", b"\0<\0?"):
        return data.decode("utf-16-le" if data[0] else "utf-16-be", "replace"), "utf-16"
    data = data.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"")
    if data.isascii():
        return data.decode("ascii"), "ascii"
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace"), "gb18030"


def element(
    tag: str, *children: XmlNode | tuple[str, object] | None, text: object = "", **attributes: object
) -> XmlNode:
    """Build a node. A child may be a node, a pair `(tag, text)`, or None (left out):
    `element("Query", ("CmdType", "Catalog"), ("SN", 1), ("DeviceID", id))`."""
    nodes = tuple(c if isinstance(c, XmlNode) else XmlNode(c[0], str(c[1])) for c in children if c is not None)
    return XmlNode(tag, str(text), tuple((k, str(v)) for k, v in attributes.items()), nodes)


def build_xml(root: XmlNode, charset: str = "GB2312") -> bytes:
    """The document with its declaration; `charset` is the label. GB2312 and GBK are written as GB 18030 bytes (their
    superset); characters a charset lacks become character references; characters XML forbids are left out.
    Raises LocalProtocolError for an unknown charset or a tag that is no name."""
    codec = "gb18030" if charset.lower() in _GB else charset
    lines = [f'<?xml version="1.0" encoding="{charset}"?>']
    _write(root, lines, "")
    try:
        return ("\r\n".join(lines) + "\r\n").encode(codec, "xmlcharrefreplace")
    except LookupError as exc:
        raise LocalProtocolError(f"charset {charset!r} is not known") from exc


def _write(node: XmlNode, lines: list[str], indent: str) -> None:
    for name in (node.tag, *(key for key, _ in node.attributes)):
        if not _NAME.match(name):
            raise LocalProtocolError(f"not an XML name: {name!r}")
    opening = node.tag + "".join(f' {key}="{_escape(value, quote=True)}"' for key, value in node.attributes)
    text = _escape(node.text)
    if not node.children:
        lines.append(f"{indent}<{opening}>{text}</{node.tag}>" if text else f"{indent}<{opening}/>")
        return
    lines.append(f"{indent}<{opening}>{text}")
    for child in node.children:
        _write(child, lines, indent)
    lines.append(f"{indent}</{node.tag}>")


def _escape(text: str, *, quote: bool = False) -> str:
    text = _FORBIDDEN.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A bare CR is read back as LF (XML 1.0 §2.11); in attributes so are LF and TAB as blanks (§3.3.3).
    text = text.replace("\r", "&#13;")
    return text.replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;") if quote else text


def _strict(text: str) -> XmlNode:
    builder = TreeBuilder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = lambda _tag: builder.end()
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _no_dtd
    parser.Parse(text.encode("utf-8", "replace"), True)
    return _freeze(builder)


def _no_dtd(*_: object) -> None:
    raise RemoteProtocolError("XML with a DTD")


def _freeze(builder: TreeBuilder) -> XmlNode:
    if builder.root is None:
        raise RemoteProtocolError("XML without an element")

    def node(open_: TreeBuilder.Open) -> XmlNode:
        return XmlNode(open_.tag, open_.text(), open_.attributes, tuple(node(child) for child in open_.children))

    return node(builder.root)
