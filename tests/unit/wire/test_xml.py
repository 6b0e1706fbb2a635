"""MANSCDP XML: what it says, whatever its label, its escapes and its tags say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.xml import MAX_XML_BYTES, XmlNode, build_xml, element, parse_xml
from gateway.wire.xmlscan import MAX_DEPTH, MAX_NODES

FOLDER = Path(__file__).parents[2] / "vectors" / "xml"


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "charset"), [("catalog-gb2312.xml", "gb18030"), ("catalog-utf8-says-gb2312.xml", "utf-8")]
)
def test_catalog_whatever_its_label_says(name: str, charset: str) -> None:
    document = parse_xml(read(name))
    root = document.root
    assert (document.charset, document.repaired, root.tag) == (charset, False, "Response")
    assert root.field("CmdType") == "Catalog" and root.field("SumNum") == "2"
    listed = root.child("devicelist")
    assert listed is not None and listed.attribute("num") == "2"
    assert [item.field("Name") for item in listed.all("item")] == ["球机 1", "门口"]
    assert listed.all("Item")[0].field("info", "ptztype") == "1"


def test_characters_gb2312_does_not_have() -> None:
    assert parse_xml(read("rare-character-gbk-says-gb2312.xml")).root.field("Name") == "㼆喆"


def test_utf16_by_its_mark_and_without() -> None:
    assert parse_xml(read("utf16.xml")).root.field("name") == "球机"
    assert parse_xml('<?xml version="1.0"?><a><b>球</b></a>'.encode("utf-16-le")).root.field("b") == "球"


def test_unescaped_ampersand_and_less() -> None:
    document = parse_xml(read("ampersand-and-less.xml"))
    assert document.repaired
    assert document.root.field("Item", "Name") == "A & B"
    assert document.root.field("Item", "Address") == "1 < 2 < 3 & < 4"


def test_extra_end_tag() -> None:
    root = parse_xml(read("extra-end-tag.xml")).root
    assert [node.text for node in root.walk() if node.tag == "Name"] == ["a", "b"]


def test_fields_as_attributes_and_tags_without_case() -> None:
    root = parse_xml(read("attributes-as-fields.xml")).root
    item = root.child("ITEM")
    assert item is not None
    assert item.field("deviceid") == "34020000001310000001" and item.field("Name") == "x"
    assert root.field("Info") == "1" and root.field("nothing", default="-") == "-"
    assert root.field("Nothing", "deeper") == "" and item.field("no") == ""


def test_cut_off_keeps_what_came() -> None:
    document = parse_xml(read("cut-off.xml"))
    assert document.repaired and document.root.field("DeviceList", "Item", "Name") == "half"


def test_nul_bytes_are_dropped() -> None:
    assert parse_xml(read("nul-inside.xml")).root.field("SN") == "4"


def test_cdata_comments_prefixes_and_references() -> None:
    root = parse_xml(read("cdata-comment.xml")).root
    assert root.field("b") == "1 < 2 & 3" and root.field("c") == "球机"


@pytest.mark.parametrize(
    "data",
    [
        read("doctype.xml"),
        b"",
        b"plain text",
        b"<<<>>>",
        b"<?xml version='1.0'?>",
        b"<a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * (MAX_NODES + 1),
        b"<a>" + b" " * MAX_XML_BYTES,
        b"<a>&x;</a><!DOCTYPE a [<!ENTITY x 'y'>]>",
    ],
    ids=["doctype", "empty", "text", "noise", "declaration", "deep", "many", "large", "late-doctype"],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_xml(data)


def test_missing_end_tag_does_not_lose_its_siblings() -> None:
    root = parse_xml(b"<Item><Name>x<Status>ON</Status></Item>").root
    assert [n.text for n in root.walk() if n.tag == "Status"] == ["ON"]


def test_build_escapes_and_reads_back() -> None:
    root = element(
        "Query",
        ("CmdType", "Catalog"),
        ("SN", 17),
        None,
        element("Info", ("Name", "A & B <\"球\"> 'x'"), Num=2, note='a"b\n<c>'),
    )
    data = build_xml(root)
    assert data.startswith(b'<?xml version="1.0" encoding="GB2312"?>\r\n') and "球".encode("gb18030") in data
    document = parse_xml(data)
    assert document.root == root and not document.repaired and document.charset == "gb18030"
    assert parse_xml(build_xml(root, "UTF-8")).root == root
    assert (
        "球".encode("utf-16-le") not in build_xml(root, "ISO-8859-1")
        and parse_xml(build_xml(root, "ISO-8859-1")).root == root
    )


def test_build_drops_what_xml_forbids() -> None:
    assert parse_xml(build_xml(element("a", ("b", "x\x00\x08\ud800y")))).root.field("b") == "xy"


def test_build_refuses_what_is_no_name() -> None:
    for bad in (XmlNode("a b"), XmlNode("1a"), XmlNode("a", attributes=(("x y", "1"),))):
        with pytest.raises(LocalProtocolError):
            build_xml(bad)
    with pytest.raises(LocalProtocolError):
        build_xml(XmlNode("a"), "KLINGON")
