"""The MANSCDP texts of the device: well-formed where they must be, lying where a fault says so."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from gateway.sim import messages
from gateway.sim.messages import Fix
from gateway.sim.profile import Profile, part_id
from gateway.sim.track import position

FIX = Fix(116.4, 39.9, 4.0, 90.0, 50.0)
PROFILE = Profile(channels=2)


def tree(text: str) -> ET.Element:
    """As a strict parser sees it."""
    return ET.fromstring(messages.encode(text).decode("gb18030").partition("?>")[2])  # noqa: S314 - our own text


@pytest.mark.parametrize("version", ["2016", "2022"])
def test_catalog_page(version: str) -> None:
    items = PROFILE.items()
    page = tree(messages.catalog("17", PROFILE.wire_id, items, len(items), version))
    assert (page.tag, page.findtext("CmdType"), page.findtext("SN"), page.findtext("SumNum")) == (
        "Response", "Catalog", "17", "4",
    )  # fmt: skip
    listed = page.findall("DeviceList/Item")
    assert [item.findtext("DeviceID") for item in listed] == [item.device_id for item in items]
    assert [(item.findtext("DeviceID") or "")[10:13] for item in listed] == ["132", "132", "134", "137"]
    assert listed[0].findtext("Address") == "演练场 A&B" and listed[0].findtext("Info/PTZType") == "1"
    assert (listed[0].findtext("Info/MobileDeviceType") == "9") == (version == "2022")


def test_position_is_flat_before_2022_and_a_list_since() -> None:
    old = tree(messages.mobile_position(1, PROFILE.wire_id, FIX, "2016"))
    new = tree(messages.mobile_position(1, PROFILE.wire_id, FIX, "2022"))
    assert old.findtext("Longitude") == new.findtext("DeviceList/Item/Longitude") == "116.400000"


@pytest.mark.parametrize(
    "text",
    [
        messages.keepalive(1, PROFILE.wire_id),
        messages.device_info("1", PROFILE.wire_id, "布控球", 3),
        messages.device_status("1", PROFILE.wire_id, encoding=True),
        messages.preset_list("1", PROFILE.wire_id, [(1, "SMOKE")]),
        messages.config_download("1", PROFILE.wire_id, "布控球", 5.0, "1280x720"),
        messages.alarm(1, PROFILE.wire_id, FIX, 1_700_000_000.0),
        messages.video_upload_notify(1, PROFILE.wire_id, FIX),
        messages.result("DeviceControl", "1", PROFILE.wire_id),
    ],
)
def test_every_text_is_well_formed_and_names_the_device(text: str) -> None:
    assert tree(text).findtext("DeviceID") == PROFILE.wire_id


def test_xml_lies_is_utf8_under_another_label_with_a_bare_ampersand() -> None:
    body = messages.encode(messages.catalog("1", PROFILE.wire_id, PROFILE.items(), 4, "2016"), lies=True)
    assert b'encoding="GB2312"' in body and "演练场 A&B".encode() in body
    with pytest.raises(ET.ParseError):
        ET.fromstring(body.decode().partition("?>")[2])  # noqa: S314 - our own text


def test_fields_are_read_in_any_case_and_charset() -> None:
    body = messages.decode("<Control>\n<cmdtype> DeviceControl </cmdtype><Name>球</Name></Control>".encode("gb18030"))
    assert (messages.root(body), messages.field(body, "CmdType"), messages.field(body, "Name")) == (
        "Control", "DeviceControl", "球",
    )  # fmt: skip
    assert messages.field(body, "SN") == ""


def test_parts_of_many_balls_never_share_an_id() -> None:
    parts = [part_id(f"34020000001380{n:06d}", "132", c) for n in range(1, 501) for c in range(1, 9)]
    assert len(set(parts)) == len(parts) and {len(part) for part in parts} == {20}


@pytest.mark.parametrize("wrong", [{"device_id": "123"}, {"version": "2019"}, {"transport": "sctp"}])
def test_profiles_that_can_not_be(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        Profile(**wrong)  # type: ignore[arg-type]


def test_the_track_is_a_round() -> None:
    start, half, whole = (position(FIX, t) for t in (0.0, 60.0, 120.0))
    assert start.latitude > FIX.latitude > half.latitude
    assert (whole.longitude, whole.latitude) == pytest.approx((start.longitude, start.latitude))
