"""A scanner for XML that is not: what cameras send when their firmware glued strings together.

It never refuses for form. `&` and `<` that begin nothing are text; an end tag that closes nothing is dropped; one that
closes an outer element closes what stands open inside it; a second root is read into the first; what is cut off ends
there.
Bounds hold all the same: depth and number of elements (RemoteProtocolError).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.base.errors import RemoteProtocolError

MAX_DEPTH = 32
MAX_NODES = 50_000

_MARK = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)"
    r"|<\?.*?(?:\?>|\Z)"
    r"|</\s*(?P<end>[A-Za-z_][\w.\-:]{0,127})\s{0,16}>"
    r"|<(?P<tag>[A-Za-z_][\w.\-:]{0,127})(?P<attributes>(?:\s+[A-Za-z_][\w.\-:]{0,127}\s{0,16}=\s{0,16}"
    r"(?:\"[^\"<]{0,4096}\"|'[^'<]{0,4096}'))*)\s{0,64}(?P<empty>/?)>",
    re.S,
)
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w.\-:]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class TreeBuilder:
    """Elements as they open and close, with the bounds that hold for the strict and the tolerant reader alike."""

    class Open:
        __slots__ = ("attributes", "children", "pieces", "tag")

        def __init__(self, tag: str, attributes: tuple[tuple[str, str], ...]) -> None:
            self.tag = tag
            self.attributes = attributes
            self.children: list[TreeBuilder.Open] = []
            self.pieces: list[str] = []

        def text(self) -> str:
            return "".join(self.pieces).strip()

    def __init__(self) -> None:
        self.root: TreeBuilder.Open | None = None
        self._stack: list[TreeBuilder.Open] = []
        self._count = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        if len(self._stack) >= MAX_DEPTH or self._count > MAX_NODES:
            raise RemoteProtocolError(f"XML deeper than {MAX_DEPTH} or of more than {MAX_NODES} elements")
        named: dict[str, str] = {}
        for name, value in attributes.items():
            if not name.startswith("xmlns"):
                named.setdefault(local_name(name), value)  # two prefixes of one name: the first stands
        opened = TreeBuilder.Open(local_name(tag), tuple(named.items()))
        parent = self._stack[-1] if self._stack else self.root
        if parent is None:
            self.root = opened
        else:
            parent.children.append(opened)
        self._stack.append(opened)

    def end(self) -> None:
        self._stack.pop()

    def end_named(self, tag: str) -> None:
        """Close the innermost open element of that name and all inside it; none such: nothing."""
        low = local_name(tag).lower()
        for depth in range(len(self._stack) - 1, -1, -1):
            if self._stack[depth].tag.lower() == low:
                del self._stack[depth:]
                return

    def data(self, text: str) -> None:
        if self._stack:
            self._stack[-1].pieces.append(text)


def scan(text: str) -> TreeBuilder:
    """Read `text` whatever its form. Raises RemoteProtocolError past the bounds only."""
    builder = TreeBuilder()
    at = 0
    while True:
        opening = text.find("<", at)
        if opening < 0:
            builder.data(unescape(text[at:]))
            return builder
        if opening > at:
            builder.data(unescape(text[at:opening]))
        mark = _MARK.match(text, opening)
        if mark is None:
            builder.data("<")
            at = opening + 1
            continue
        at = mark.end()
        if mark["cdata"] is not None:
            builder.data(mark["cdata"])
        elif mark["end"] is not None:
            builder.end_named(mark["end"])
        elif mark["tag"] is not None:
            found = _ATTRIBUTE.findall(mark["attributes"])
            builder.start(mark["tag"], {name: unescape(double or single) for name, double, single in found})
            if mark["empty"]:
                builder.end()


def unescape(text: str) -> str:
    """Undo the five entities and character references; any other `&` is itself."""
    return _REFERENCE.sub(_resolve, text) if "&" in text else text


def _resolve(found: re.Match[str]) -> str:
    if found[3]:
        return _NAMED[found[3]]
    code = int(found[1]) if found[1] else int(found[2], 16)
    legal = code in (9, 10, 13) or 32 <= code < 0xD800 or 0xDFFF < code < 0xFFFE or 0xFFFF < code <= 0x10FFFF
    return chr(code) if legal else ""


def local_name(name: str) -> str:
    """The name without its namespace prefix."""
    return name.rstrip(":").rpartition(":")[2]
