from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb28181.protocol import orders, ptz
from gateway.wire.xml import parse_xml

BALL = "34020000001320000001"


@pytest.mark.parametrize(
    ("text", "root", "fields"),
    [
        (orders.query("Catalog", 7, BALL), "Query", {"CmdType": "Catalog", "SN": "7", "DeviceID": BALL}),
        (orders.position_subscription(7, BALL, 4.6), "Query", {"CmdType": "MobilePosition", "Interval": "5"}),
        (orders.alarm_subscription(7, BALL), "Query", {"CmdType": "Alarm", "StartAlarmPriority": "0"}),
        (orders.ptz(7, BALL, ptz.STOP), "Control", {"CmdType": "DeviceControl", "PTZCmd": ptz.STOP.hex()}),
        (orders.key_frame(7, BALL, "IFameCmd"), "Control", {"IFameCmd": "Send"}),
        (orders.alarm_reset(7, BALL, method=2, kind=1), "Control", {"AlarmCmd": "ResetAlarm"}),
        (orders.result("Alarm", 7, BALL, ok=False), "Response", {"Result": "ERROR", "SN": "7"}),
    ],
)
def test_messages(text: str, root: str, fields: dict[str, str]) -> None:
    read = parse_xml(orders.encode(text, "gb18030")).root
    assert read.tag == root
    assert {name: read.field(name) for name in fields} == fields


def test_home_position() -> None:
    read = parse_xml(orders.encode(orders.home_position(1, BALL, enabled=True, preset=4), "utf-8")).root
    assert read.field("HomePosition", "Enabled") == "1" and read.field("HomePosition", "PresetIndex") == "4"


def test_the_label_and_the_bytes() -> None:
    text = orders.ptz(1, BALL, ptz.STOP, name="前门")
    assert b'encoding="GB2312"' in orders.encode(text, "") and "前门".encode("gb18030") in orders.encode(text, "")
    assert b'encoding="UTF-8"' in orders.encode(text, "utf-8") and "前门".encode() in orders.encode(text, "utf-8")


@given(st.text(max_size=60), st.sampled_from(["gb18030", "utf-8"]))
def test_no_name_of_a_preset_breaks_the_message(name: str, charset: str) -> None:
    read = parse_xml(orders.encode(orders.ptz(1, BALL, ptz.STOP, name=name), charset))
    assert not read.repaired and read.root.field("PTZCmd") == ptz.STOP.hex()
