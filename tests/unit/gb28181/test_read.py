from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb28181.protocol import manscdp
from adapters.gb28181.protocol.read import read_message
from gateway.base.errors import RemoteProtocolError

BALL = "34020000001320000001"


def read(text: str, charset: str = "gb18030", label: str = "GB2312") -> manscdp.Message:
    return read_message(f'<?xml version="1.0" encoding="{label}"?>\r\n{text}'.encode(charset))[0]


def test_keepalive_with_faulty_parts() -> None:
    got = read(
        f"<Notify><CmdType>Keepalive</CmdType><SN>43</SN><DeviceID>{BALL}</DeviceID><Status>ERROR</Status>"
        "<Info><DeviceID>1</DeviceID><DeviceID>2</DeviceID></Info></Notify>"
    )
    assert got == manscdp.Keepalive(manscdp.Head("Notify", "Keepalive", 43, BALL), False, ("1", "2"))


@pytest.mark.parametrize(
    ("charset", "label", "found"),
    [
        ("utf-8", "GB2312", "utf-8"),
        ("gb18030", "UTF-8", "gb18030"),
        ("gb18030", "GB2312", "gb18030"),
        ("utf-8", "UTF-8", "utf-8"),
    ],
)
def test_the_charset_is_told_by_the_bytes(charset: str, label: str, found: str) -> None:
    text = (
        f'<?xml version="1.0" encoding="{label}"?><Response><CmdType>DeviceInfo</CmdType><SN>1</SN>'
        f"<DeviceID>{BALL}</DeviceID><DeviceName>镕基路布控球</DeviceName><Result>OK</Result></Response>"
    )
    message, said = read_message(text.encode(charset))
    assert isinstance(message, manscdp.DeviceInfo) and message.name == "镕基路布控球" and said == found


def test_an_item_as_the_field_writes_it() -> None:
    got = read(
        "<Response><CmdType>Catalog</CmdType><SN>17</SN><DeviceID>1</DeviceID><SumNum>1</SumNum><DeviceList><Item>"
        "<DeviceID>34020000001310000001</DeviceID><Name>cam</Name><ParentID>1/2</ParentID><Parental>65535</Parental>"
        "<Status>ONLINE</Status><Longitude></Longitude><Latitude>x</Latitude><info><PTZType>1</PTZType></info>"
        "<DecorderTag>5</DecorderTag></Item><Item><Name>no id</Name></Item></DeviceList></Response>"
    )
    assert isinstance(got, manscdp.CatalogPage) and got.total == 1
    (item,) = got.items
    assert (item.parents, item.online, item.longitude, item.latitude) == (("1", "2"), True, None, None)
    assert item.ptz_type == 1 and not item.parental


def test_status_in_the_words_of_other_enums() -> None:
    for word, online in (("ON", True), ("OK", True), ("OFF", False), ("OFFLINE", False), ("", None), ("?", None)):
        got = read(
            "<Response><CmdType>Catalog</CmdType><SN>1</SN><SumNum>1</SumNum><DeviceList><Item><DeviceID>1</DeviceID>"
            f"<Status>{word}</Status></Item></DeviceList></Response>"
        )
        assert isinstance(got, manscdp.CatalogPage) and got.items[0].online is online


def test_a_sum_that_is_missing() -> None:
    got = read("<Response><CmdType>Catalog</CmdType><SN>1</SN></Response>")
    assert isinstance(got, manscdp.CatalogPage) and (got.total, got.items) == (-1, ())


def test_device_status_and_answers() -> None:
    got = read(
        "<Response><CmdType>DeviceStatus</CmdType><SN>2</SN><DeviceID>1</DeviceID><Result>OK</Result>"
        "<Online>ONLINE</Online><Status>OK</Status><DeviceTime>2026-11-23T12:00:00</DeviceTime>"
        "<Alarmstatus Num='1'><Item><DeviceID>7</DeviceID><DutyStatus>ONDUTY</DutyStatus></Item></Alarmstatus>"
        "</Response>"
    )
    assert isinstance(got, manscdp.DeviceStatus) and got.online and got.alarms == (("7", "ONDUTY"),)
    assert read("<Response><CmdType>DeviceControl</CmdType><SN>3</SN><Result>ERROR</Result></Response>") == (
        manscdp.ResultReply(manscdp.Head("Response", "DeviceControl", 3, ""), False)
    )


def test_what_nobody_reads_is_named() -> None:
    got = read("<Notify><CmdType>VendorThing</CmdType><SN>x</SN></Notify>")
    assert isinstance(got, manscdp.Other) and got.why == "Notify VendorThing" and got.head.sn == 0


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"<a/>", b"<Notify/>", b"<Notify><SN>1</SN></Notify>", b"\xff\xfe\x00"]
)
def test_what_has_no_meaning_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_message(body)


@given(st.binary(max_size=300))
def test_nothing_else_is_ever_raised(noise: bytes) -> None:
    for body in (
        noise,
        b"<Notify><CmdType>Alarm</CmdType><AlarmPriority>" + noise + b"</AlarmPriority></Notify>",
        b"<Response><CmdType>Catalog</CmdType><SumNum>1</SumNum><DeviceList><Item>" + noise,
    ):
        try:
            read_message(body)
        except RemoteProtocolError:
            pass


@given(st.text(max_size=20), st.text(max_size=20))
def test_numbers_that_are_none(priority: str, longitude: str) -> None:
    clean = [t.replace("<", "").replace("&", "").replace("\0", "") for t in (priority, longitude)]
    try:
        got = read(
            f"<Notify><CmdType>Alarm</CmdType><SN>1</SN><AlarmPriority>{clean[0]}</AlarmPriority>"
            f"<Longitude>{clean[1]}</Longitude></Notify>",
            "utf-8",
            "UTF-8",
        )
    except (RemoteProtocolError, UnicodeEncodeError):
        return
    assert isinstance(got, manscdp.AlarmNotice) and isinstance(got.priority, int)
