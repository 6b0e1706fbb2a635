from __future__ import annotations

from adapters.gb28181.config import DeviceOverride
from adapters.gb28181.quirks import Quirks, key_frame_tag, quirks_for, version_name


def test_a_plain_device_has_none() -> None:
    assert quirks_for(None, date_header=True, sdp_ip="") == Quirks()


def test_the_table_by_maker_and_the_technician_over_it() -> None:
    dji = quirks_for(None, date_header=True, sdp_ip="", maker="DJI", model="M30")
    assert dji.media_hint == "udp" and dji.media == ""
    word = DeviceOverride(media="tcp-passive", date_header=False, sdp_ip="10.0.0.1")
    both = quirks_for(word, date_header=True, sdp_ip="10.9.9.9", maker="DJI")
    assert (both.media, both.date_header, both.sdp_ip) == ("tcp-passive", False, "10.0.0.1")
    assert quirks_for(DeviceOverride(), date_header=False, sdp_ip="10.9.9.9") == Quirks(False, sdp_ip="10.9.9.9")


def test_key_frame_by_version_unless_told() -> None:
    assert [key_frame_tag(Quirks(), v) for v in ("", "2.0", "3.0", "9")] == [
        "IFameCmd",
        "IFameCmd",
        "IFrameCmd",
        "IFameCmd",
    ]
    assert key_frame_tag(Quirks(key_frame="IFameCmd"), "3.0") == "IFameCmd"


def test_versions() -> None:
    assert [version_name(v) for v in ("1.0", "2.0", " 3.0 ", "7")] == ["2011", "2016", "2022", ""]
