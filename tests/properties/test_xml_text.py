"""XML: what is built reads back, in every charset; nothing but RemoteProtocolError comes out of arbitrary bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.xml import XmlNode, build_xml, parse_xml
from tests.properties import fuzz_text

TAG = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn")), max_size=20).map(str.strip)
ATTRIBUTES = st.lists(st.tuples(TAG, TEXT), max_size=2, unique_by=lambda a: a[0]).map(tuple)
LEAF = st.builds(XmlNode, TAG, TEXT, ATTRIBUTES)
NODE = st.recursive(
    LEAF,
    lambda inner: st.builds(XmlNode, TAG, st.just(""), ATTRIBUTES, st.lists(inner, max_size=4).map(tuple)),
    max_leaves=12,
)


@settings(deadline=None)
@given(NODE, st.sampled_from(["UTF-8", "GB2312", "GB18030", "UTF-16", "US-ASCII"]))
def test_round_trip(root: XmlNode, charset: str) -> None:
    document = parse_xml(build_xml(root, charset))
    assert document.root == root and not document.repaired


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    assert fuzz_text.attempt("xml", data) is None


@given(st.text(max_size=200))
def test_text_in_an_element_unescaped(text: str) -> None:
    """Whatever a device writes between two tags unescaped: the fields around it survive."""
    if "<!" in text or "<?" in text or "</" in text or ("<" in text and ">" in text):
        return
    data = f"<Item><DeviceID>1</DeviceID><Name>{text}</Name><Status>ON</Status></Item>".encode("utf-8", "replace")
    root = parse_xml(data).root
    assert root.field("DeviceID") == "1" and root.field("Status") == "ON"


def test_short_fuzz() -> None:
    tried, found = fuzz_text.run("xml", seed=20261123, rounds=6000)
    assert tried == 6000 and found == []


def test_the_kept_corpus() -> None:
    assert [w for data in fuzz_text.corpus_of("xml") if (w := fuzz_text.attempt("xml", data))] == []
